//! A requested run that is tried again, and cancelled before that.

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
