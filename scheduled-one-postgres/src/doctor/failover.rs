//! What standbys mean for leases.

use std::time::Duration;

use scheduled_one_protocol::{Finding, Severity};

const CHECK: &str = "failover";

/// Part of a lease for which a run lives without the store, in percent.
const WITHOUT_STORE_PERCENT: u32 = 80;

/// How long tools that promote standbys take, by their defaults: Patroni's `ttl`.
const USUAL: Duration = Duration::from_secs(30);

/// Who follows the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followers<'a> {
    /// How many servers.
    pub(super) standbys: i64,
    /// The value of `synchronous_standby_names`.
    pub(super) synchronous: &'a str,
    pub(super) wal_sender_timeout_ms: i64,
}

/// Compares the shortest lease with the time for which the store may be away.
pub(super) fn failover(followers: Followers<'_>, lease: Duration) -> Finding {
    let Followers {
        standbys,
        synchronous,
        wal_sender_timeout_ms,
    } = followers;
    if standbys == 0 && synchronous.is_empty() {
        return Finding::ok(CHECK, "no standby follows");
    }
    let alone = lease * WITHOUT_STORE_PERCENT / 100;
    if synchronous.is_empty() {
        let found = format!(
            "{standbys} servers follow; a run with a lease of {lease:?} is cancelled if a failover takes more than {alone:?}"
        );
        return match alone >= USUAL {
            true => Finding::ok(CHECK, found),
            false => Finding::new(
                Severity::Info,
                CHECK,
                format!("{found}, and the usual tools take up to {USUAL:?}"),
                "a longer lease for jobs whose runs should survive a failover",
            ),
        };
    }
    let notices = Duration::from_millis(wal_sender_timeout_ms.unsigned_abs());
    if !notices.is_zero() && notices <= alone {
        let found = format!(
            "a synchronous standby ({synchronous}) that hangs is noticed after {notices:?}"
        );
        return Finding::ok(CHECK, found);
    }
    let noticed = match notices.is_zero() {
        true => "never noticed (wal_sender_timeout is 0)".to_owned(),
        false => format!("noticed after {notices:?} (wal_sender_timeout)"),
    };
    Finding::new(
        Severity::Warning,
        CHECK,
        format!(
            "each commit waits for a synchronous standby ({synchronous}), and one that hangs is {noticed}: meanwhile nothing \
             starts, and runs with a lease of {lease:?} are cancelled after {alone:?}"
        ),
        "two standbys of which one suffices: synchronous_standby_names = 'ANY 1 (…)'; or a shorter wal_sender_timeout, or a \
         longer lease",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        standbys: i64,
        names: &str,
        wal_sender_timeout_ms: i64,
        lease_s: u64,
    ) -> (Severity, String) {
        let followers = Followers {
            standbys,
            synchronous: names,
            wal_sender_timeout_ms,
        };
        let finding = failover(followers, Duration::from_secs(lease_s));
        (finding.severity, finding.found)
    }

    #[test]
    fn a_lease_is_compared_with_the_time_that_a_failover_takes() {
        assert_eq!(of(0, "", 60_000, 5).0, Severity::Ok);
        let (severity, found) = of(2, "", 60_000, 5);
        assert_eq!(severity, Severity::Info);
        assert!(
            found.contains("more than 4s") && found.contains("30s"),
            "{found}"
        );
        assert_eq!(of(2, "", 60_000, 60).0, Severity::Ok);
        let (severity, found) = of(1, "walreceiver", 60_000, 5);
        assert_eq!(severity, Severity::Warning);
        assert!(found.contains("noticed after 60s"), "{found}");
        let (severity, found) = of(1, "walreceiver", 0, 500);
        assert_eq!(severity, Severity::Warning);
        assert!(found.contains("never noticed"), "{found}");
        assert_eq!(of(1, "walreceiver", 3_000, 5).0, Severity::Ok);
    }
}
