//! All nodes were down for hours: what was missed is counted, not gone through, and jobs are on time again at once. In
//! virtual time, on the embedded store.

mod test_store;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Job, JobContext, Outcome, Scheduler};
use scheduled_one_testkit::TokioClock;
use test_store::TestStore;

const SECOND: Duration = Duration::from_secs(1);
const DOWNTIME: Duration = Duration::from_secs(8 * 3600);
const JOBS: usize = 10_000;

/// A start: number of the job, its tick, how late it was.
type Start = (usize, i64, i64);

#[tokio::test(start_paused = true)]
async fn ten_thousand_jobs_are_on_time_within_two_seconds() {
    let clock = TokioClock::new();
    let store = TestStore::new(&clock, false);
    let starts: Arc<Mutex<Vec<Start>>> = Arc::default();
    let now_ms = move || clock.wall().as_millis() as i64;
    let node = async || {
        let mut builder = Scheduler::builder("memory://").clock(clock);
        builder = builder.store(store.of_another_node());
        for number in 0..JOBS {
            let starts = Arc::clone(&starts);
            let function = move |ctx: JobContext| {
                let tick_ms = ctx.scheduled_at().as_millisecond();
                let start = (number, tick_ms, now_ms() - tick_ms);
                starts.lock().expect("lock").push(start);
                async {}
            };
            // Every other job has a restriction, which takes the first hour of the day.
            let job = Job::cron(format!("job-{number:05}"), "* * * * * *", function);
            builder = builder.job(match number % 2 {
                0 => job,
                _ => job.within("01:00-00:00"),
            });
        }
        builder.start().await.expect("started")
    };
    let first = node().await;
    tokio::time::sleep(2 * SECOND).await;
    assert!(first.shutdown(10 * SECOND).await.recorded);
    let down_ms = now_ms();
    tokio::time::sleep(DOWNTIME).await;
    starts.lock().expect("lock").clear();
    let second = node().await;
    let up_ms = now_ms();
    tokio::time::sleep(5 * SECOND).await;

    // Two seconds later, each tick starts on time.
    let from_ms = up_ms + 2_000;
    let until_ms = from_ms + 2_000;
    let seen = starts.lock().expect("lock").clone();
    let in_window = |start: &&Start| (from_ms..until_ms).contains(&start.1);
    let on_time = seen.iter().filter(in_window).filter(|start| start.2 == 0);
    assert_eq!(on_time.count(), 2 * JOBS);
    assert_eq!(seen.iter().filter(in_window).count(), 2 * JOBS);

    for number in [0, 1, JOBS - 2, JOBS - 1] {
        missed_in_one_line(&second, number, (down_ms, up_ms)).await;
    }
    second.shutdown(10 * SECOND).await;
}

/// What a job missed is one line, with the number of its ticks.
async fn missed_in_one_line(scheduler: &Scheduler, number: usize, (down_ms, up_ms): (i64, i64)) {
    let job = format!("job-{number:05}");
    let lines = scheduler.ledger(&job, 100).await.expect("a ledger");
    let missed: Vec<_> = lines
        .iter()
        .filter(|line| line.outcome == Outcome::Missed)
        .collect();
    assert_eq!(missed.len(), 1, "{job}: {lines:?}");
    let (first_ms, last_ms) = (
        missed[0].tick.as_millisecond(),
        missed[0].last_tick.as_millisecond(),
    );
    // The clock began at midnight, so the hour that is taken is the first.
    let expected_first_ms = match number % 2 {
        0 => (down_ms / 1_000 + 1) * 1_000,
        _ => down_ms / 86_400_000 * 86_400_000 + 3_600_000,
    };
    assert_eq!(first_ms, expected_first_ms, "{job}");
    assert!((up_ms - 2_000..=up_ms).contains(&last_ms), "{job}");
    assert_eq!(
        missed[0].count as i64,
        (last_ms - first_ms) / 1_000 + 1,
        "{job}"
    );
}
