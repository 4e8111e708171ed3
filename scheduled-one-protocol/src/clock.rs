//! The only source of time. Leases are measured with the boot clock, because it counts the time in which the machine is
//! suspended, and `std::time::Instant` does not.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::future::BoxFuture;

/// The clocks of a scheduler. Programs need this trait only in tests.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The boot clock: time since a fixed instant. The value never decreases, is never set, and counts the time in
    /// which the machine is suspended.
    fn boottime(&self) -> Duration;

    /// The wall clock: time since the Unix epoch. The wall clock can be wrong and can be set. The embedded store and
    /// the warning about clock offsets read it, and nothing else does.
    fn wall(&self) -> Duration;

    /// Completes when `boottime` has advanced by at least `time`.
    ///
    /// Cancel safety: the future can be dropped at any time.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Whether the clock is independent of the machine's clock. With a virtual clock the watchdog runs on the runtime
    /// of the scheduler instead of its own thread, so that on a runtime with a single thread the order of events is
    /// fixed.
    fn is_virtual(&self) -> bool {
        false
    }
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn boottime(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    /// The monotonic clock of macOS counts the time in which the machine is suspended.
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

/// Whether Tokio's time is paused on this runtime (`start_paused = true`, `tokio::time::pause()`). Then timers jump
/// ahead whenever nothing else is to be done, while the clocks of the machine go on: a wait for [`SystemClock`] is over
/// before its time, and a request to a server has no time for its reply.
///
/// Takes a few nanoseconds, or, if time is paused, 50 µs.
///
/// ```
/// assert!(!scheduled_one_protocol::clock::tokio_time_is_paused());
/// ```
pub fn tokio_time_is_paused() -> bool {
    const ENOUGH: Duration = Duration::from_micros(50);
    let began = std::time::Instant::now();
    let of_tokio = tokio::time::Instant::now();
    loop {
        let passed = began.elapsed();
        // Read last: both are the same clock of the machine, so Tokio's has moved as well, unless it is paused.
        if tokio::time::Instant::now() != of_tokio {
            return false;
        }
        if passed > ENOUGH {
            return true;
        }
    }
}

/// A clock that moves only by [`advance`](ManualClock::advance), for tests of programs with jobs. Clones share the
/// time.
///
/// With this clock in `SchedulerBuilder::clock`, and the embedded store, a test advances the time to the next tick of a
/// job.
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

/// The first instant of a manual clock: 2026-01-01 00:00:00 UTC, a Thursday.
const MANUAL_EPOCH: Duration = Duration::from_secs(1_767_225_600);

impl ManualClock {
    /// A clock that shows 2026-01-01 00:00:00 UTC.
    #[allow(clippy::new_without_default, reason = "a default clock should tick")]
    pub fn new() -> Self {
        ManualClock {
            elapsed: Arc::new(watch::Sender::new(Duration::from_secs(1))),
        }
    }

    /// Advances boot clock and wall clock by `time`, and completes the sleeps that are over.
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
