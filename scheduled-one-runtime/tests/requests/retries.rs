//! A requested run that is tried again, and cancelled before that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scheduled_one_control::CancelledRun;
use scheduled_one_runtime::{Job, Outcome, Scheduler};
use scheduled_one_testkit::TokioClock;

use crate::test_store::TestStore;
use crate::{HOUR, SECOND};

/// The attempt before has failed; the run was cancelled.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_before_a_retry_ends_as_cancelled() {
    let clock = TokioClock::new();
    let store = TestStore::new(&clock, false);
    let job = Job::manual("retries", || async { Err::<(), _>("no paper") })
        .retries(3)
        .backoff(HOUR, HOUR);
    let builder = Scheduler::builder("memory://").clock(clock);
    let builder = builder.store(store.clone()).job(job).only(["retries"]);
    let scheduler = builder.start().await.expect("started");
    let control = scheduler.control().expect("a control");
    control.run("retries").await.expect("asked");
    let mut active = Vec::new();
    while active.is_empty() {
        tokio::time::sleep(SECOND).await;
        active = control.active_runs("retries").await.expect("a reply");
        active.retain(|run| run.token.is_some());
    }
    let token = active[0].token.expect("it is active");
    // The first attempt has failed by then.
    tokio::time::sleep(5 * SECOND).await;
    let cancel = control.cancel("retries", token.get()).by("ann");
    assert_eq!(cancel.await.expect("a reply"), CancelledRun::Cancelling);
    let mut lines = Vec::new();
    while lines.is_empty() {
        tokio::time::sleep(SECOND).await;
        lines = scheduler.ledger("retries", 9).await.expect("lines");
    }
    let end = &lines[0];
    assert_eq!(
        (end.outcome, &*end.reason, &*end.error),
        (Outcome::Cancelled, "by ann; dropped", "no paper")
    );
}

/// A tick that is due meanwhile will not start, so the run need not be over by then.
#[tokio::test(start_paused = true)]
async fn a_run_of_a_paused_job_is_tried_again_after_its_next_tick() {
    let clock = TokioClock::new();
    let store = TestStore::new(&clock, false);
    for is_paused in [false, true] {
        let name = format!("paused-{is_paused}");
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let function = move || {
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                // Longer than a period: whatever the wait, it ends behind a tick.
                tokio::time::sleep(70 * SECOND).await;
                match is_first {
                    true => Err("no paper"),
                    false => Ok(()),
                }
            }
        };
        let job = Job::every(&*name, 60 * SECOND, function).retries(1);
        let job = job.backoff(30 * SECOND, 30 * SECOND);
        let builder = Scheduler::builder("memory://").clock(clock).job(job);
        let builder = builder.store(store.of_another_node());
        let scheduler = builder.start().await.expect("started");
        while tries.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(SECOND).await;
        }
        let control = scheduler.control().expect("a control");
        if is_paused {
            control.pause(&name).by("ann").await.expect("paused");
        }
        let ended = async |outcome| loop {
            tokio::time::sleep(SECOND).await;
            let lines = scheduler.ledger(&name, 9).await.expect("lines");
            if let Some(line) = lines.into_iter().find(|line| line.outcome == outcome) {
                return line;
            }
        };
        let failed = ended(Outcome::Failed).await;
        assert_eq!(failed.retried, is_paused, "{failed:?}");
        if is_paused {
            let ok = ended(Outcome::Ok).await;
            assert_eq!(ok.tick, failed.tick);
        }
        scheduler.shutdown(SECOND).await;
    }
}
