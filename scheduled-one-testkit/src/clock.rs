//! Tokio's clock, as the scheduler takes it.

use std::time::Duration;

use scheduled_one_protocol::BoxFuture;
use scheduled_one_protocol::clock::Clock;
use tokio::time::Instant;

/// What the clock shows when it is made: 2026-01-01 00:00:00 UTC, a Thursday.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Tokio's clock, which a test can pause (`tokio::time::pause`): then time passes only when nothing else is left to do,
/// and then at once. Hours of a cluster take seconds, and with a runtime of one thread everything happens in one order.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    started: Instant,
}

impl TokioClock {
    /// A clock that shows 2026-01-01 00:00:00 UTC now.
    #[allow(clippy::new_without_default, reason = "it begins when it is made")]
    pub fn new() -> Self {
        TokioClock {
            started: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn boottime(&self) -> Duration {
        Duration::from_secs(1) + self.started.elapsed()
    }

    fn wall(&self) -> Duration {
        EPOCH + self.started.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn is_virtual(&self) -> bool {
        true
    }
}
