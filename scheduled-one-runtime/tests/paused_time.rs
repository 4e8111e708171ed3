//! Tokio's paused time: it works where the test moves the clock, and is an error at start where the machine's does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::testing::TestScheduler;
use scheduled_one_runtime::{Job, Outcome, Scheduler, SchedulerBuilder};
use test_support::RedisServer;

const SECOND: Duration = Duration::from_secs(1);

fn job() -> Job {
    Job::every("tick", SECOND, || async {})
}

async fn refused(builder: SchedulerBuilder) -> String {
    let error = builder.job(job()).start().await;
    error.expect_err("it must not start").to_string()
}

fn assert_names_the_way_out(text: &str) {
    for words in [
        "`clock`",
        "start_paused = true",
        "TestScheduler",
        ".clock(scheduled_one_runtime::clock::ManualClock::new())",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_embedded_store_needs_a_clock_of_the_test() {
    let text = refused(Scheduler::builder("memory://")).await;
    assert_names_the_way_out(&text);
    let report = Scheduler::builder("memory://").doctor().await;
    assert!(!report.is_usable(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_healthy_redis_is_not_blamed() {
    let redis = RedisServer::start().expect("a redis-server");
    let text = refused(Scheduler::builder(redis.url())).await;
    assert_names_the_way_out(&text);
    // With whatever clock: the server has to reply in time.
    let text = refused(Scheduler::builder(redis.url()).clock(ManualClock::new())).await;
    assert_names_the_way_out(&text);
    assert!(text.contains("a server has to reply in time"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_the_test_works_in_paused_time() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let slow = Job::every("slow", 60 * SECOND, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        // Over at once: this time is paused, and jumps ahead.
        async { tokio::time::sleep(20 * SECOND).await }
    });
    let test = TestScheduler::start(|builder| builder.job(slow)).await;
    let test = test.expect("started");
    for count in 1..=3 {
        let line = test.run_next("slow").await;
        assert_eq!(line.outcome, Outcome::Ok);
        assert_eq!(runs.load(Ordering::Relaxed), count);
    }
    let stopped = test.scheduler().shutdown(SECOND).await;
    assert!(stopped.recorded);
}

#[tokio::test]
async fn time_that_runs_is_no_error() {
    let scheduler = Scheduler::builder("memory://").job(job()).start().await;
    scheduler.expect("started").shutdown(SECOND).await;
}
