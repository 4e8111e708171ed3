//! Waiting for a condition, with a bound.

use std::panic::Location;
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait between two looks at the condition.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Looks at `condition` every 10 ms until it holds.
///
/// # Panics
///
/// When `bound` has passed; the message is `what`, which reads well as "the job has run".
#[track_caller]
pub fn wait_until(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < bound,
            "waited {bound:?} in vain until {what}"
        );
        thread::sleep(POLL);
    }
}

/// As [`wait_until`], for a condition that is itself asynchronous: `async || count().await == 3`.
///
/// The bound is measured by tokio's clock, and also ends a look that hangs.
///
/// # Panics
///
/// As [`wait_until`]; the message carries the place of the call.
#[track_caller]
pub fn wait_until_async(
    what: &str,
    bound: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    // A future's panic points into this file; only the call knows the test that waits.
    let caller = Location::caller();
    async move {
        let holds = async {
            while !condition().await {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(bound, holds).await.is_err() {
            panic!("waited {bound:?} in vain until {what} (at {caller})");
        }
    }
}
