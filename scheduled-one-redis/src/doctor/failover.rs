//! Whether a run outlives a failover.

use std::time::Duration;

use crate::doctor::{Finding, Severity};

const CHECK: &str = "failover";

/// From the end of the wait to a primary that answers: an election, a promotion,
/// and clients that notice. Measured 1.2 to 1.5 s with Sentinel; with reserve.
const ELECTION: Duration = Duration::from_secs(2);

/// What is known of who takes over when the primary is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// One address; whether something behind it fails over cannot be seen.
    Standalone,
    /// Sentinels timing it; `None` if they do not tell how.
    Sentinel {
        /// The name they know it by.
        name: String,
        /// How they timing it.
        timing: Option<FailoverTiming>,
    },
    /// The nodes of a Redis Cluster timing each other, and wait for so long
    /// (`cluster-node-timeout`); `None` if that may not be asked.
    Cluster {
        /// How long a node must be silent.
        node_timeout: Option<Duration>,
    },
}

/// How sentinels timing a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailoverTiming {
    /// How long it must be silent: `down-after-milliseconds`.
    pub(crate) down_after: Duration,
    /// After how long one that did not come about is tried again, twice this:
    /// `failover-timeout`.
    pub(crate) failover_timeout: Duration,
}

/// A run is told to stop after three fifths of its lease without a renewal.
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
