//! Finding about replicas of Redis: a failover may lose acknowledged requests.

use crate::doctor::facts::Info;
use crate::doctor::server::{self, ServerKind};
use crate::doctor::{Finding, Settings, Severity};

const CHECK: &str = "replicas";

/// Largest lag without a warning, in seconds; also the default of `min-replicas-max-lag`.
const LAG_SECONDS: u64 = 10;

/// The purposes of replicas of Redis.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected {
    /// Sentinels or a cluster fail over to a replica.
    pub(crate) failover: bool,
    /// Number of replicas that each claim waits for.
    pub(crate) waited_for: u32,
}

/// Judges the number of replicas, whether writes wait for them, and their lag.
pub(crate) fn replicas(info: &Info, settings: Settings<'_>, expected: Expected) -> Finding {
    let Some(connected) = info.number::<u64>("connected_slaves") else {
        let found = "INFO does not tell whether it has replicas";
        return Finding::new(Severity::Info, CHECK, found, "");
    };
    let waited_for = u64::from(expected.waited_for);
    if connected < waited_for {
        return Finding::new(
            Severity::Warning,
            CHECK,
            format!("{connected} connected, and each claim waits for {waited_for}: no run starts"),
            "connect the replicas, or wait for fewer",
        );
    }
    if connected == 0 && expected.failover {
        return Finding::new(
            Severity::Warning,
            CHECK,
            "none connected: if this server dies, there is nothing to fail over to",
            "connect a replica",
        );
    }
    if connected == 0 {
        return Finding::ok(CHECK, "none connected: there is nothing to fail over to");
    }
    // `INFO` has this field only if `min-replicas-to-write` is set.
    let Some(good) = info.get("min_slaves_good_slaves") else {
        if waited_for > 0 {
            let found = format!("{connected} connected, and each claim waits for {waited_for}");
            return Finding::ok(CHECK, found);
        }
        return Finding::new(
            Severity::Warning,
            CHECK,
            format!(
                "{connected} connected, and a write is acknowledged before any of them has it: a \
                 failover can lose the newest decisions, and an old primary that is cut off goes \
                 on acknowledging; a tick can then start twice"
            ),
            "set min-replicas-to-write 1 and min-replicas-max-lag 2 in Redis",
        );
    };
    if let Some(lag) = slowest(info, connected).filter(|lag| *lag > LAG_SECONDS) {
        return Finding::new(
            Severity::Warning,
            CHECK,
            format!(
                "{connected} connected, and one is {lag} s behind: a failover to it loses as much"
            ),
            "look at the network and the load of the replica",
        );
    }
    let get = |name| settings.and_then(|settings| settings.get(name));
    let wanted = match (get("min-replicas-to-write"), get("min-replicas-max-lag")) {
        (Some(least), Some(lag)) => {
            format!("min-replicas-to-write {least}, min-replicas-max-lag {lag}")
        }
        _ => "min-replicas-to-write is set, to what cannot be seen: CONFIG GET is not allowed"
            .to_owned(),
    };
    Finding::ok(
        CHECK,
        format!("{connected} connected, {good} of them up to date; {wanted}"),
    )
}

/// The longest lag in seconds; `None` for Dragonfly, which counts records instead.
fn slowest(info: &Info, connected: u64) -> Option<u64> {
    if server::kind(info) == ServerKind::Dragonfly {
        return None;
    }
    let lag = |index| {
        let line = info.get(&format!("slave{index}"))?;
        let mut pairs = line.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == "lag")?.1.parse().ok()
    };
    (0..connected.min(64)).filter_map(lag).max()
}
