//! What gauges show of jobs that do not run, and of the start of a node.

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, SchedulerBuilder};

use crate::{MINUTE, SECOND, on, shown};

const NEXT_TICK: &str = "scheduled_one_job_next_tick_timestamp_seconds";

#[tokio::test]
async fn a_disabled_job_has_no_next_tick() {
    let clock = ManualClock::new();
    let job = |name: &str| Job::every(name, MINUTE, || async {});
    let builder = on(&clock).job(job("on")).job(job("off").enabled(false));
    let scheduler = builder.start().await.expect("started");
    let all = shown(&scheduler);
    let next_s = (clock.wall() + MINUTE).as_secs_f64();
    assert_eq!(all.value(NEXT_TICK, &[("job_name", "on")]), next_s);
    assert_eq!(all.value(NEXT_TICK, &[("job_name", "off")]), 0.0);
}

#[tokio::test]
async fn a_disabled_job_does_not_hide_the_next_tick_of_those_that_share_its_label() {
    let clock = ManualClock::new();
    let job = |index: u32| {
        let job = Job::every(format!("j{index:04}"), MINUTE, || async {});
        job.enabled(index.is_multiple_of(2))
    };
    let jobs = (0..1_004).map(job);
    let scheduler = jobs.fold(on(&clock), SchedulerBuilder::job).start().await;
    let all = shown(&scheduler.expect("started"));
    let next_s = (clock.wall() + MINUTE).as_secs_f64();
    assert_eq!(all.value(NEXT_TICK, &[("job_name", "other")]), next_s);
}

#[tokio::test]
async fn the_start_of_a_node_is_an_instant_that_stays() {
    let clock = ManualClock::new();
    clock.advance(MINUTE);
    let started_s = clock.wall().as_secs_f64();
    let builder = on(&clock).job(Job::every("j", 1_000 * MINUTE, || async {}));
    let scheduler = builder.start().await.expect("started");
    for _ in 0..3 {
        let shown_s = shown(&scheduler).value("scheduled_one_start_timestamp_seconds", &[]);
        assert!((shown_s - started_s).abs() < 1.0, "{shown_s} {started_s}");
        clock.advance(100 * SECOND);
    }
}
