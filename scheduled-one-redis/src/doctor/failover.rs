//! Finding about failover: a run survives it, or its lease ends first.

use std::time::Duration;

use crate::doctor::{Finding, Severity};

const CHECK: &str = "failover";

/// Time from the detection of a failed primary to a new primary that replies: election, promotion, reconnection.
/// Measured 1.2 to 1.5 s with Sentinel, with a reserve.
const ELECTION: Duration = Duration::from_secs(2);

/// Replacement of a failed primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// One address. A failover behind it cannot be recognized.
    Standalone,
    /// Sentinels replace the primary.
    Sentinel {
        /// Name of the master in the configuration of the sentinels.
        name: String,
        /// Timing of failovers; `None` if the sentinels do not reply with it.
        timing: Option<FailoverTiming>,
    },
    /// The nodes of a Redis Cluster replace the primary.
    Cluster {
        /// Time without a reply after which a node counts as failed; `None` if it cannot be read.
        node_timeout: Option<Duration>,
    },
}

/// The settings of sentinels that determine how long a failover takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailoverTiming {
    /// Time without a reply after which the master counts as failed: `down-after-milliseconds`.
    pub(crate) down_after: Duration,
    /// Half of the time until a failover that did not succeed is repeated: `failover-timeout`.
    pub(crate) failover_timeout: Duration,
}

/// Compares the shortest lease with the time of a failover. A run is cancelled after three fifths of its lease
/// without a renewal.
pub(crate) fn failover(deployment: &Deployment, lease: Duration) -> Finding {
    let survives = lease * 3 / 5;
    let (waits, who, remedy) = match deployment {
        Deployment::Standalone => {
            return Finding::new(
                Severity::Info,
                CHECK,
                format!(
                    "the URL names one address. With a lease of {lease:?}, runs survive {survives:?} \
                     without an answer; in an outage that takes longer they are cancelled, and \
                     ticks are late or missed"
                ),
                "",
            );
        }
        Deployment::Cluster { node_timeout: None } => {
            let unseen = "cluster-node-timeout cannot be seen, because CONFIG GET is not allowed; \
                          usually it is 15 s";
            return unseen_timing(unseen, lease, survives);
        }
        Deployment::Sentinel { timing: None, .. } => {
            let unseen = "the sentinels do not tell how long they wait before a failover, for \
                          which their login needs +sentinel|master; usually it is 30 s";
            return unseen_timing(unseen, lease, survives);
        }
        Deployment::Sentinel {
            name,
            timing: Some(timing),
        } => (
            timing.down_after,
            format!(
                "the sentinels of {name} wait {:?} (down-after-milliseconds; if a failover does \
                 not come about, {:?} before the next: twice failover-timeout)",
                timing.down_after,
                timing.failover_timeout * 2
            ),
            format!("SENTINEL SET {name} down-after-milliseconds 1000, at each sentinel"),
        ),
        Deployment::Cluster {
            node_timeout: Some(timeout),
        } => (
            *timeout,
            format!("the cluster waits {timeout:?} (cluster-node-timeout)"),
            "cluster-node-timeout 2000".to_owned(),
        ),
    };
    let takes = waits + ELECTION;
    if survives >= takes {
        let found = format!("{who} before a failover; runs survive {survives:?}");
        return Finding::ok(CHECK, found);
    }
    let enough = Duration::from_secs((takes * 5 / 3).as_secs() + 1);
    Finding::new(
        Severity::Warning,
        CHECK,
        format!(
            "a lease of {lease:?} dies in a failover: {who} before one begins, and a run is told to \
             stop after {survives:?} without an answer. Runs are then cancelled, and ticks that \
             come due meanwhile are late or missed; nothing runs twice because of it"
        ),
        format!("{remedy}; or a lease of {enough:?} for jobs that must survive it"),
    )
}

fn unseen_timing(unseen: &str, lease: Duration, survives: Duration) -> Finding {
    let found =
        format!("{unseen}. With a lease of {lease:?}, runs survive {survives:?} without an answer");
    Finding::new(Severity::Info, CHECK, found, "")
}
