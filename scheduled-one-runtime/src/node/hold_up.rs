//! When a node sends no claims, and why: a state machine. Pure: conditions and
//! time in, wait and reasons out.

use std::time::Duration;

/// Why a node sends no claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HoldUp {
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
        }
    }

    /// The reason that stays if `next` follows without claims in between.
    fn followed_by(self, next: HoldUp) -> HoldUp {
        match (self, next) {
            (HoldUp::StoreDown | HoldUp::StoreDownThenQuarantine, HoldUp::Quarantine) => {
                HoldUp::StoreDownThenQuarantine
            }
            _ => next,
        }
    }
}

/// What a hold-up depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// Whether the store of any bucket has another number of buckets.
    pub(super) bucket_mismatch: bool,
    /// Whether the store of this bucket replies.
    pub(super) store_up: bool,
    /// Time until the end of the quarantine; zero if there is none.
    pub(super) quarantine_left: Duration,
    /// Time until claims are sent again after a jump of the store's clock.
    pub(super) clock_pause_left: Duration,
}

impl Conditions {
    /// Whether the store would grant a claim and write off a run.
    pub(super) fn store_decides(&self) -> bool {
        self.store_up && self.quarantine_left.is_zero()
    }

    /// Why no claims are sent, and for how long if nothing else happens.
    fn hold_up(&self) -> Option<(HoldUp, Duration)> {
        // First, because a store with another number of buckets counts as down.
        if self.bucket_mismatch {
            Some((HoldUp::BucketMismatch, Duration::MAX))
        } else if !self.store_up {
            Some((HoldUp::StoreDown, Duration::MAX))
        } else if !self.quarantine_left.is_zero() {
            Some((HoldUp::Quarantine, self.quarantine_left))
        } else if !self.clock_pause_left.is_zero() {
            Some((HoldUp::ClockJump, self.clock_pause_left))
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

    /// Takes the conditions of `now_ms` into account. Returns for how long no claims are sent; `None` if they are.
    pub(super) fn update(&mut self, conditions: &Conditions, now_ms: i64) -> Option<Duration> {
        let hold_up = conditions.hold_up();
        *self = match (*self, hold_up) {
            (Hold::Held(before), Some((next, _))) => Hold::Held(before.followed_by(next)),
            (Hold::Released { .. }, Some((next, _))) => Hold::Held(next),
            (Hold::Held(ended), None) => Hold::Released {
                last: Some((ended, now_ms)),
            },
            (released, None) => released,
        };
        hold_up.map(|(_, wait)| wait)
    }

    /// Why a tick was not claimed in time, on a node that started at `started_ms`.
    pub(super) fn missed_reason(&self, tick_ms: i64, started_ms: i64) -> &'static str {
        match *self {
            _ if tick_ms < started_ms => "no node was up",
            Hold::Held(hold_up) => hold_up.as_str(),
            Hold::Released {
                last: Some((hold_up, ended_ms)),
            } if tick_ms <= ended_ms => hold_up.as_str(),
            Hold::Released { .. } => "node was behind",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const GOOD: Conditions = Conditions {
        bucket_mismatch: false,
        store_up: true,
        quarantine_left: Duration::ZERO,
        clock_pause_left: Duration::ZERO,
    };
    const DOWN: Conditions = Conditions {
        store_up: false,
        ..GOOD
    };
    const QUARANTINE: Conditions = Conditions {
        quarantine_left: Duration::from_secs(6),
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

    #[test]
    fn each_condition_alone_holds_claims_up_and_says_for_how_long() {
        let mismatch = Conditions {
            bucket_mismatch: true,
            ..GOOD
        };
        let jump = Conditions {
            clock_pause_left: 5 * S,
            ..GOOD
        };
        let cases = [
            (mismatch, HoldUp::BucketMismatch, Duration::MAX),
            (DOWN, HoldUp::StoreDown, Duration::MAX),
            (QUARANTINE, HoldUp::Quarantine, 6 * S),
            (jump, HoldUp::ClockJump, 5 * S),
        ];
        for (conditions, hold_up, wait) in cases {
            let mut hold = Hold::START;
            assert_eq!(hold.update(&conditions, 0), Some(wait));
            assert_eq!(hold, Hold::Held(hold_up));
        }
        let mut hold = Hold::START;
        assert_eq!(hold.update(&GOOD, 0), None);
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
    fn a_restart_of_the_store_is_one_hold_up() {
        let restart = after(&[DOWN, QUARANTINE]);
        assert_eq!(restart, Hold::Held(HoldUp::StoreDownThenQuarantine));
        assert_eq!(after(&[DOWN, QUARANTINE, QUARANTINE]), restart);
        // Claims were sent in between, or the quarantine came first.
        let quarantine = Hold::Held(HoldUp::Quarantine);
        assert_eq!(after(&[DOWN, GOOD, QUARANTINE]), quarantine);
        assert_eq!(after(&[QUARANTINE, DOWN]), Hold::Held(HoldUp::StoreDown));
    }

    #[test]
    fn a_missed_tick_has_the_hold_up_that_it_came_due_in() {
        let hold = after(&[GOOD, DOWN, DOWN, GOOD, GOOD]);
        let started_ms = 500;
        assert_eq!(hold.missed_reason(499, started_ms), "no node was up");
        assert_eq!(hold.missed_reason(3_000, started_ms), "store down");
        assert_eq!(hold.missed_reason(4_000, started_ms), "store down");
        assert_eq!(hold.missed_reason(4_001, started_ms), "node was behind");
        let held = after(&[QUARANTINE]);
        assert_eq!(held.missed_reason(600, started_ms), "quarantine");
        let never_held = after(&[GOOD]);
        assert_eq!(never_held.missed_reason(600, started_ms), "node was behind");
    }

    #[test]
    fn a_store_decides_if_it_is_up_and_not_in_quarantine() {
        let jumped = Conditions {
            clock_pause_left: S,
            ..GOOD
        };
        assert!(GOOD.store_decides() && jumped.store_decides());
        assert!(!DOWN.store_decides() && !QUARANTINE.store_decides());
    }
}
