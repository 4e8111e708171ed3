//! The one source of time. Leases are judged by the boot clock, which goes on
//! while the machine is suspended; `std::time::Instant` does not.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::future::BoxFuture;

/// Where a scheduler takes the time from. Users need this only in tests.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Time since some fixed instant; never goes back, never is set, and goes
    /// on while the machine is suspended.
    fn boottime(&self) -> Duration;

    /// Wall clock: time since the Unix epoch, as right as the machine knows.
    /// Only the embedded store and the report of clock offsets look at it.
    fn wall(&self) -> Duration;

    /// Completes when `boottime` has advanced by at least `time`.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Whether this is not the machine's time. Then the watchdog, which else
    /// has a thread of its own, runs on the runtime the scheduler runs on:
    /// with one that has a single thread, all happens in one order.
    fn is_virtual(&self) -> bool {
        false
    }
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn boottime(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    /// On macOS the monotonic clock is the one that counts suspension.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn boottime(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A clock that moves only when told to, for tests of code that runs jobs:
/// give it to `SchedulerBuilder::clock` together with the
/// embedded store, and a job due next week runs when you say so.
///
/// ```
/// # use std::time::Duration;
/// use scheduled_one_protocol::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.wall();
/// clock.advance(Duration::from_secs(7 * 24 * 3600));
/// assert_eq!((clock.wall() - before).as_secs(), 604_800);
/// ```
#[derive(Clone)]
pub struct ManualClock {
    elapsed: Arc<watch::Sender<Duration>>,
}

/// Where a manual clock begins: 2026-01-01 00:00:00 UTC, a Thursday.
const MANUAL_EPOCH: Duration = Duration::from_secs(1_767_225_600);

impl ManualClock {
    /// A clock that shows 2026-01-01 00:00:00 UTC.
    #[allow(clippy::new_without_default, reason = "a default clock should tick")]
    pub fn new() -> Self {
        ManualClock {
            elapsed: Arc::new(watch::Sender::new(Duration::from_secs(1))),
        }
    }

    /// Moves the time ahead and wakes who waits for it.
    pub fn advance(&self, time: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += time);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({:?})", self.wall())
    }
}

impl Clock for ManualClock {
    fn boottime(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn wall(&self) -> Duration {
        MANUAL_EPOCH + self.boottime() - Duration::from_secs(1)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let mut elapsed = self.elapsed.subscribe();
        let until = self.boottime() + time;
        let keep = Arc::clone(&self.elapsed);
        Box::pin(async move {
            let _ = elapsed.wait_for(|now| *now >= until).await;
            drop(keep);
        })
    }

    fn is_virtual(&self) -> bool {
        true
    }
}
