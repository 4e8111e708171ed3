//! The metrics of a scheduler, on the embedded store, in time that the test moves.

mod alerts;
mod audit;
mod evaluated;
mod files;
mod gauges;
mod mirror;
mod openmetrics;
mod pauses;
mod queries;
mod runs;
mod spans;
#[path = "../test_store/mod.rs"]
mod test_store;

use std::time::Duration;

use openmetrics::{Exposition, read};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Scheduler, SchedulerBuilder};
use test_support::wait_until_async;

const BOUND: Duration = Duration::from_secs(20);
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn on(clock: &ManualClock) -> SchedulerBuilder {
    Scheduler::builder("memory://").clock(clock.clone())
}

fn shown(scheduler: &Scheduler) -> Exposition {
    read(&scheduler.openmetrics())
}

/// Waits until a value is reached.
async fn wait_for(scheduler: &Scheduler, name: &str, labels: &[(&str, &str)], value: f64) {
    wait_until_async(&format!("{name}{labels:?} is {value}"), BOUND, async || {
        shown(scheduler).value(name, labels) == value
    })
    .await;
}

/// Moves the clock in small steps until a value is reached, or exceeded.
async fn advance_until(
    (scheduler, clock): (&Scheduler, &ManualClock),
    step: Duration,
    name: &str,
    labels: &[(&str, &str)],
    value: f64,
) {
    wait_until_async(&format!("{name}{labels:?} is {value}"), BOUND, async || {
        clock.advance(step);
        tokio::task::yield_now().await;
        shown(scheduler).value(name, labels) >= value
    })
    .await;
}
