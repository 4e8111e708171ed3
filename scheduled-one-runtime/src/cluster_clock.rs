//! The store's clock as this node estimates it: one clock for the whole cluster.
//!
//! Each reply of the store is a sample of its clock against the boot clock,
//! off by at most half its round trip (Cristian, "Probabilistic clock
//! synchronization", 1989). The sample with the shortest round trip is used; it
//! counts for less as it ages, because the two clocks drift apart. So ticks are
//! due by the store's clock, and a wrong wall clock does not matter.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::event;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::clock::Clock;

/// Greatest drift between the clocks: 100 µs a second.
const DRIFT_PER_SECOND_US: i64 = 100;

/// The store's clock moved against the boot clock, because it was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockJump {
    /// When the jump was seen, by the boot clock.
    pub(crate) seen_at: Duration,
    /// Length of the jump in milliseconds; negative if the clock went back.
    pub(crate) by_ms: i64,
}

/// Least step of the store's clock, in ms, that is a jump for a unit with this lease: less costs it a tenth at most.
pub(crate) fn least_jump_ms(lease_ms: i64) -> i64 {
    (lease_ms / 10).max(1_000)
}

/// The estimate of one store's clock.
#[derive(Debug)]
pub(crate) struct ClusterClock {
    clock: Arc<dyn Clock>,
    /// Least step that is a jump, in addition to what the round trip explains.
    jump_us: i64,
    /// The bucket of the store, for events.
    bucket: Bucket,
    /// The store's clock minus the boot clock.
    offset_us: AtomicI64,
    best: Mutex<Option<Sample>>,
    /// The longest jump that nobody has taken yet.
    jump: Mutex<Option<ClockJump>>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    taken_at: Duration,
    /// Greatest error of the sample: half the round trip.
    error_us: i64,
}

impl ClusterClock {
    pub(crate) fn new(clock: Arc<dyn Clock>, shortest_lease: Duration, bucket: Bucket) -> Self {
        let jump_ms = least_jump_ms(shortest_lease.as_millis() as i64);
        ClusterClock {
            clock,
            jump_us: jump_ms * 1_000,
            bucket,
            offset_us: AtomicI64::new(0),
            best: Mutex::new(None),
            jump: Mutex::new(None),
        }
    }

    /// Takes a reply into account that says `now_us`, to a request sent at `sent`
    /// and received at `received`. After a jump of the store's clock a unit is not
    /// claimed for its lease, whichever request has shown the jump.
    pub(crate) fn learn(&self, now_us: u64, sent: Duration, received: Duration) {
        if let Some(jump) = self.sample(now_us, sent, received) {
            event::store_clock_jumped(self.bucket, jump.by_ms);
            let mut longest = self.jump.lock().unwrap_or_else(PoisonError::into_inner);
            let by_ms = longest.map_or(0, |before| before.by_ms);
            if jump.by_ms.abs() >= by_ms.abs() {
                *longest = Some(jump);
            }
        }
    }

    /// Takes the longest jump since the last call.
    pub(crate) fn take_jump(&self) -> Option<ClockJump> {
        let mut jump = self.jump.lock().unwrap_or_else(PoisonError::into_inner);
        jump.take()
    }

    fn sample(&self, now_us: u64, sent: Duration, received: Duration) -> Option<ClockJump> {
        let round_trip = received.saturating_sub(sent);
        let error_us = round_trip.as_micros() as i64 / 2;
        let middle_us = (sent + round_trip / 2).as_micros() as i64;
        let offset_us = now_us as i64 - middle_us;
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        let step_us = offset_us - self.offset_us();
        let jump = match *best {
            Some(old) => step_us.abs() > self.jump_us + error_us + old.error_us,
            None => false,
        };
        let better = match *best {
            None => true,
            // A sample that contradicts the old one shows that it is wrong.
            Some(old) => {
                let old_us = old.error_at(received);
                error_us <= old_us || step_us.abs() > error_us + old_us
            }
        };
        if better || jump {
            self.offset_us.store(offset_us, Ordering::Release);
            *best = Some(Sample {
                taken_at: received,
                error_us,
            });
        }
        jump.then_some(ClockJump {
            seen_at: received,
            by_ms: step_us / 1000,
        })
    }

    /// The boot clock.
    pub(crate) fn boottime(&self) -> Duration {
        self.clock.boottime()
    }

    /// The store's clock minus the boot clock.
    pub(crate) fn offset_us(&self) -> i64 {
        self.offset_us.load(Ordering::Acquire)
    }

    /// How long until the store's clock surely shows that instant, with the
    /// greatest error of the estimate.
    pub(crate) fn until_surely(&self, instant_ms: i64) -> Duration {
        let best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        let error_us = best.map_or(0, |sample| sample.error_at(self.clock.boottime()));
        self.until_us(instant_ms.saturating_mul(1000) + error_us)
    }

    /// The store's clock now, in µs since the Unix epoch.
    pub(crate) fn now_us(&self) -> i64 {
        self.clock.boottime().as_micros() as i64 + self.offset_us()
    }

    /// The store's clock now, in ms since the Unix epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_us() / 1000
    }

    /// The store's clock at an instant of the boot clock.
    pub(crate) fn at_ms(&self, boottime: Duration) -> i64 {
        (boottime.as_micros() as i64 + self.offset_us()) / 1000
    }

    /// The same; `None` before the store has replied once.
    pub(crate) fn known_at_ms(&self, boottime: Duration) -> Option<i64> {
        let best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        best.map(|_| self.at_ms(boottime))
    }

    /// How long until the store's clock shows that instant; zero if it does.
    pub(crate) fn until(&self, instant_ms: i64) -> Duration {
        self.until_us(instant_ms.saturating_mul(1000))
    }

    fn until_us(&self, instant_us: i64) -> Duration {
        Duration::from_micros((instant_us - self.now_us()).max(0) as u64)
    }

    /// This node's wall clock minus the cluster's, in milliseconds.
    pub(crate) fn wall_offset_ms(&self) -> i64 {
        (self.clock.wall().as_micros() as i64 - self.now_us()) / 1000
    }

    /// The same; `None` before the store has replied once.
    pub(crate) fn known_wall_offset_ms(&self) -> Option<i64> {
        let best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        best.map(|_| self.wall_offset_ms())
    }
}

impl Sample {
    /// Greatest error of the sample at `now`: the clocks drift apart.
    fn error_at(&self, now: Duration) -> i64 {
        let age_s = now.saturating_sub(self.taken_at).as_secs() as i64;
        self.error_us + age_s * DRIFT_PER_SECOND_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::clock::ManualClock;

    const MS: Duration = Duration::from_millis(1);

    fn learn(
        clock: &ClusterClock,
        at: Duration,
        round_trip: Duration,
        now_us: i64,
    ) -> Option<ClockJump> {
        clock.sample(now_us as u64, at, at + round_trip)
    }

    #[test]
    fn the_shortest_round_trip_wins_until_it_is_old() {
        let manual = ManualClock::new();
        let start = manual.boottime();
        let clock = ClusterClock::new(Arc::new(manual), Duration::from_secs(5), Bucket::WHOLE);
        learn(&clock, start, MS * 2, 5_001_000);
        let first = clock.offset_us();
        // A slower sample with another result is not used …
        learn(&clock, start, MS * 100, 5_080_000);
        assert_eq!(clock.offset_us(), first);
        // … but ten minutes later it is better than nothing.
        let later = start + Duration::from_secs(600);
        learn(&clock, later, MS * 100, 605_080_000);
        assert_ne!(clock.offset_us(), first);
    }

    #[test]
    fn a_jump_is_more_than_a_second_and_than_the_round_trip_explains() {
        let manual = ManualClock::new();
        let start = manual.boottime();
        let clock = ClusterClock::new(Arc::new(manual), Duration::from_secs(5), Bucket::WHOLE);
        assert_eq!(learn(&clock, start, MS, 1_000_000_000), None);
        assert_eq!(learn(&clock, start, MS, 1_000_900_000), None);
        // The node was stopped for a minute between request and reply.
        let slow = learn(&clock, start, Duration::from_secs(60), 1_020_900_000);
        assert_eq!(slow, None);
        let jump = learn(&clock, start, MS, 1_004_400_000).expect("a jump");
        assert!((2_900..=4_100).contains(&jump.by_ms), "{jump:?}");
        // The new time is used at once.
        assert_eq!(learn(&clock, start, MS, 1_004_400_000), None);
    }
}
