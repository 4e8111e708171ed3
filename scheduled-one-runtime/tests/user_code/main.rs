//! Code of the program that panics, wherever this crate calls it: each run ends in a line of the ledger, and the next
//! tick is on time.

mod around;
mod misbehaving;
mod registry;
mod runs;

#[path = "../test_store/mod.rs"]
mod test_store;

use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{LedgerEntry, Scheduler, SchedulerBuilder};
use test_support::wait_until_async;

const BOUND: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn on(clock: &(impl Clock + Clone)) -> SchedulerBuilder {
    Scheduler::builder("memory://").clock(clock.clone())
}

/// Moves the clock in small steps until the ledger of the job has so many lines. Returns all it has, oldest first.
async fn lines(
    clock: &ManualClock,
    scheduler: &Scheduler,
    job: &str,
    count: usize,
) -> Vec<LedgerEntry> {
    let what = format!("{job} has {count} lines");
    let mut lines = Vec::new();
    wait_until_async(&what, BOUND, async || {
        lines = scheduler.ledger(job, 100).await.expect("a ledger");
        if lines.len() < count {
            clock.advance(Duration::from_millis(20));
        }
        lines.len() >= count
    })
    .await;
    lines.reverse();
    lines
}
