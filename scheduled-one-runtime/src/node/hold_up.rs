//! When a node sends no claims, and why: a state machine. Pure: conditions and
//! time in, wait and reasons out. A hold-up concerns all units; a single unit may
//! stand still for longer, until its own lease is over: see [`Standstill`].

use std::time::Duration;

/// After a hold-up, the ticks that came due in it are claimed within this time.
pub(super) const CALM_MS: i64 = 3_000;
/// The same, as a duration.
pub(super) const CALM: Duration = Duration::from_millis(CALM_MS as u64);

/// Why a node sends no claims, or none of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldUp {
    /// The store of a bucket has another number of buckets than the node was started with.
    BucketMismatch,
    /// The store does not reply.
    StoreDown,
    /// The store may have forgotten decisions.
    Quarantine,
    /// The store did not reply, and was in quarantine as soon as it did: it was restarted.
    StoreDownThenQuarantine,
    /// The store's clock jumped.
    ClockJump,
    /// So many runs were active that this node took no more.
    NoPermit,
}

impl HoldUp {
    /// The reason in the ledger for ticks that were missed in the hold-up.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            HoldUp::BucketMismatch => "another number of buckets",
            HoldUp::StoreDown => "store down",
            HoldUp::Quarantine => "quarantine",
            HoldUp::StoreDownThenQuarantine => "store down, then quarantine",
            HoldUp::ClockJump => "store clock jumped",
            HoldUp::NoPermit => "max_running",
        }
    }

    /// The reason for a tick of this hold-up whose unit stands still behind it because of `next`.
    fn followed_by(self, next: HoldUp) -> HoldUp {
        match (self, next) {
            (HoldUp::StoreDown, HoldUp::Quarantine) => HoldUp::StoreDownThenQuarantine,
            _ => self,
        }
    }
}

/// Until when a unit is not claimed, although others are, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standstill {
    pub(crate) why: HoldUp,
    /// The end, by the cluster's clock.
    pub(crate) until_ms: i64,
}

/// What a hold-up depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// Whether the store of any bucket has another number of buckets.
    pub(super) bucket_mismatch: bool,
    /// Whether the store of this bucket replies.
    pub(super) store_up: bool,
}

impl Conditions {
    /// Why no claims are sent.
    fn hold_up(&self) -> Option<HoldUp> {
        // First, because a store with another number of buckets counts as down.
        if self.bucket_mismatch {
            Some(HoldUp::BucketMismatch)
        } else if !self.store_up {
            Some(HoldUp::StoreDown)
        } else {
            None
        }
    }
}

/// Whether a node sends claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Claims are sent. The last hold-up, and when it ended by the cluster's clock, if there was one.
    Released { last: Option<(HoldUp, i64)> },
    /// No claims are sent.
    Held(HoldUp),
}

impl Hold {
    /// The state of a node that has just started.
    pub(super) const START: Hold = Hold::Released { last: None };

    /// Takes the conditions of `now_ms` into account. Returns whether claims are sent.
    pub(super) fn update(&mut self, conditions: &Conditions, now_ms: i64) -> bool {
        let hold_up = conditions.hold_up();
        *self = match (*self, hold_up) {
            (_, Some(next)) => Hold::Held(next),
            (Hold::Held(ended), None) => Hold::Released {
                last: Some((ended, now_ms)),
            },
            (released, None) => released,
        };
        hold_up.is_none()
    }

    /// Whether claims are sent, and were for a while.
    pub(super) fn is_calm(&self, now_ms: i64) -> bool {
        match *self {
            Hold::Held(_) => false,
            Hold::Released { last } => last.is_none_or(|(_, ended_ms)| now_ms - ended_ms > CALM_MS),
        }
    }

    /// Why a tick was not claimed in time, on a node that started at `started_ms`, of a unit that stood still last as
    /// `standstill` says.
    pub(super) fn missed_reason(
        &self,
        tick_ms: i64,
        started_ms: i64,
        standstill: Option<Standstill>,
    ) -> &'static str {
        let stood_still = standstill.filter(|standstill| tick_ms <= standstill.until_ms);
        match (*self, stood_still) {
            _ if tick_ms < started_ms => "no node was up",
            (Hold::Held(hold_up), _) => hold_up.as_str(),
            (
                Hold::Released {
                    last: Some((hold_up, ended_ms)),
                },
                next,
            ) if tick_ms <= ended_ms => match next {
                Some(next) if next.until_ms > ended_ms => hold_up.followed_by(next.why).as_str(),
                _ => hold_up.as_str(),
            },
            (Hold::Released { .. }, Some(standstill)) => standstill.why.as_str(),
            (Hold::Released { .. }, None) => "node was behind",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::labels::missed_reason;

    const GOOD: Conditions = Conditions {
        bucket_mismatch: false,
        store_up: true,
    };
    const DOWN: Conditions = Conditions {
        store_up: false,
        ..GOOD
    };

    /// The state after these conditions, one second apart.
    fn after(conditions: &[Conditions]) -> Hold {
        let mut hold = Hold::START;
        for (conditions, now_ms) in conditions.iter().zip((1_000..).step_by(1_000)) {
            hold.update(conditions, now_ms);
        }
        hold
    }

    fn standstill(why: HoldUp, until_ms: i64) -> Option<Standstill> {
        Some(Standstill { why, until_ms })
    }

    #[test]
    fn each_condition_alone_holds_claims_up() {
        let mismatch = Conditions {
            bucket_mismatch: true,
            ..GOOD
        };
        let cases = [
            (mismatch, HoldUp::BucketMismatch),
            (DOWN, HoldUp::StoreDown),
        ];
        for (conditions, hold_up) in cases {
            let mut hold = Hold::START;
            assert!(!hold.update(&conditions, 0));
            assert_eq!(hold, Hold::Held(hold_up));
        }
        let mut hold = Hold::START;
        assert!(hold.update(&GOOD, 0));
        assert_eq!(hold, Hold::START);
    }

    #[test]
    fn a_mismatch_hides_that_its_store_counts_as_down() {
        let both = Conditions {
            bucket_mismatch: true,
            ..DOWN
        };
        assert_eq!(after(&[both]), Hold::Held(HoldUp::BucketMismatch));
    }

    #[test]
    fn a_missed_tick_has_the_hold_up_that_it_came_due_in() {
        let hold = after(&[GOOD, DOWN, DOWN, GOOD, GOOD]);
        let reason = |tick_ms| hold.missed_reason(tick_ms, 500, None);
        assert_eq!(reason(499), "no node was up");
        assert_eq!(reason(3_000), "store down");
        assert_eq!(reason(4_000), "store down");
        assert_eq!(reason(4_001), "node was behind");
    }

    #[test]
    fn a_missed_tick_of_a_unit_that_stands_still_has_that_reason() {
        let quarantine = standstill(HoldUp::Quarantine, 9_000);
        let never_held = after(&[GOOD]);
        let reason = |tick_ms, standstill| never_held.missed_reason(tick_ms, 500, standstill);
        assert_eq!(reason(9_000, quarantine), "quarantine");
        assert_eq!(reason(9_001, quarantine), "node was behind");
        let jump = standstill(HoldUp::ClockJump, 9_000);
        assert_eq!(reason(9_000, jump), "store clock jumped");
        assert_eq!(reason(600, None), "node was behind");
    }

    #[test]
    fn each_reason_is_counted() {
        let hold_ups = [
            HoldUp::BucketMismatch,
            HoldUp::StoreDown,
            HoldUp::Quarantine,
            HoldUp::StoreDownThenQuarantine,
            HoldUp::ClockJump,
            HoldUp::NoPermit,
        ];
        let never_held = after(&[GOOD]);
        let others = [499, 600].map(|tick_ms| never_held.missed_reason(tick_ms, 500, None));
        for reason in hold_ups.map(HoldUp::as_str).into_iter().chain(others) {
            assert!(missed_reason(reason).is_some(), "{reason}");
        }
    }

    #[test]
    fn a_restart_of_the_store_is_one_reason() {
        let hold = after(&[DOWN, DOWN, GOOD]);
        let reason = |tick_ms, standstill| hold.missed_reason(tick_ms, 500, standstill);
        let quarantine = standstill(HoldUp::Quarantine, 9_000);
        assert_eq!(reason(2_000, quarantine), "store down, then quarantine");
        assert_eq!(reason(8_000, quarantine), "quarantine");
        // The quarantine of an earlier fault.
        let before = standstill(HoldUp::Quarantine, 2_500);
        assert_eq!(reason(2_000, before), "store down");
        assert_eq!(
            after(&[DOWN]).missed_reason(600, 500, quarantine),
            "store down"
        );
    }
}
