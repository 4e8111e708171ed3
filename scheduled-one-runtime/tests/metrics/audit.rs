//! The background audit.

use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Scheduler};
use test_support::wait_until_async;

use crate::test_store::TestStore;
use crate::{BOUND, MINUTE, SECOND, advance_until, shown};

const UNACCOUNTED: &str = "scheduled_one_unaccounted_ticks_total";
const OF_JOB: [(&str, &str); 1] = [("job_name", "j")];

async fn started(clock: &ManualClock, store: &TestStore) -> Scheduler {
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let job = Job::every("j", MINUTE, || async {}).start_deadline(MINUTE);
    let scheduler = builder.store(store.clone()).job(job).start().await;
    let scheduler = scheduler.expect("started");
    shown(&scheduler); // looks begin when somebody reads
    scheduler
}

/// The job runs so many times more.
async fn run(scheduler: &Scheduler, clock: &ManualClock, times: usize) {
    let labels = [("job_name", "j"), ("outcome", "ok"), ("cause", "schedule")];
    let name = "scheduled_one_runs_total";
    for _ in 0..times {
        let more = shown(scheduler).value(name, &labels) + 1.0;
        advance_until((scheduler, clock), 5 * SECOND, name, &labels, more).await;
    }
}

/// Time passes until the node has read ledgers so many times more.
async fn looks(clock: &ManualClock, store: &TestStore, times: usize) {
    let wanted = store.ledgers_read() + times;
    wait_until_async("the ledger was read", BOUND, async || {
        clock.advance(SECOND);
        tokio::task::yield_now().await;
        store.ledgers_read() >= wanted
    })
    .await;
}

fn now_ms(clock: &ManualClock) -> i64 {
    clock.wall().as_millis() as i64
}

#[tokio::test]
async fn a_decided_tick_without_a_line_is_counted_once() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let scheduler = started(&clock, &store).await;
    let begin_ms = now_ms(&clock) / 60_000 * 60_000;
    run(&scheduler, &clock, 4).await;
    assert_eq!(shown(&scheduler).value(UNACCOUNTED, &OF_JOB), 0.0);
    store.lose_lines_of(begin_ms + 2 * 60_000);
    advance_until((&scheduler, &clock), SECOND, UNACCOUNTED, &OF_JOB, 1.0).await;
    run(&scheduler, &clock, 5).await;
    looks(&clock, &store, 3).await;
    assert_eq!(shown(&scheduler).value(UNACCOUNTED, &OF_JOB), 1.0);
}

#[tokio::test]
async fn ticks_from_before_a_loss_of_memory_do_not_count() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let scheduler = started(&clock, &store).await;
    let begin_ms = now_ms(&clock) / 60_000 * 60_000;
    // The first look, which only learns.
    looks(&clock, &store, 1).await;
    run(&scheduler, &clock, 2).await;
    store.lose_lines_of(begin_ms + 60_000);
    store.lose_lines_of(begin_ms + 2 * 60_000);
    store.fail_over();
    run(&scheduler, &clock, 6).await;
    looks(&clock, &store, 3).await;
    let all = shown(&scheduler);
    assert_eq!(all.value(UNACCOUNTED, &OF_JOB), 0.0);
    // What is decided after it counts again.
    let newest_ms = now_ms(&clock) / 60_000 * 60_000;
    store.lose_lines_of(newest_ms);
    advance_until((&scheduler, &clock), SECOND, UNACCOUNTED, &OF_JOB, 1.0).await;
}

#[tokio::test]
async fn a_node_learns_from_the_ledger_what_ran_before_it_started() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let first = started(&clock, &store).await;
    run(&first, &clock, 2).await;
    let ended_s = shown(&first).value("scheduled_one_job_last_success_timestamp_seconds", &OF_JOB);
    first.shutdown(SECOND).await;
    let reads = store.ledgers_read();
    let second = started(&clock, &store).await;
    let success = "scheduled_one_job_last_success_timestamp_seconds";
    assert_eq!(shown(&second).value(success, &OF_JOB), 0.0);
    advance_until((&second, &clock), SECOND / 10, success, &OF_JOB, ended_s).await;
    assert_eq!(store.ledgers_read(), reads + 1);
}

#[tokio::test]
async fn a_job_without_new_ticks_is_not_read_again() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let yearly = |name: &str| Job::every(name, Duration::from_secs(3600 * 24 * 300), || async {});
    let builder = builder
        .store(store.clone())
        .job(yearly("a"))
        .job(yearly("b"));
    let scheduler = builder.start().await.expect("started");
    looks(&clock, &store, 2).await;
    let requests = |op| {
        let labels = [("op", op), ("result", "ok")];
        shown(&scheduler).value(
            "scheduled_one_store_request_duration_seconds_count",
            &labels,
        )
    };
    let beats = requests("heartbeat");
    wait_until_async("many heartbeats later", BOUND, async || {
        clock.advance(SECOND);
        tokio::task::yield_now().await;
        requests("heartbeat") >= beats + 60.0
    })
    .await;
    assert_eq!((requests("ledger"), requests("inspect")), (2.0, 0.0));
}
