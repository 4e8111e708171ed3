//! A run whose effects commit with its outcome, and a reply that is lost.

mod test_store;

use std::time::Duration;

use scheduled_one_runtime::clock::SystemClock;
use scheduled_one_runtime::{Effects, Job, Outcome, Scheduler, Statement};
use test_store::TestStore;
use test_support::wait_until_async;

const BOUND: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_reply_was_lost_is_no_lost_lease() {
    let store = TestStore::new(&SystemClock, false);
    store.lose_commit();
    let job = Job::cron("job", "* * * * * *", |effects: Effects| async move {
        effects.add(Statement::new("SELECT 1"));
    });
    let builder = Scheduler::builder("memory://").store(store.clone());
    let builder = builder.job(job.lease(Duration::from_secs(5)));
    let scheduler = builder.start().await.expect("started");
    wait_until_async("a reply is lost", BOUND, async || {
        !store.is_to_lose_commit()
    })
    .await;
    assert!(scheduler.shutdown(BOUND).await.recorded);
    let lines = scheduler.ledger("job", 9).await.expect("a ledger");
    let metrics = scheduler.openmetrics();
    // It is the first run; ticks that are due meanwhile may be skipped for it.
    let of_lost = lines.iter().rfind(|line| line.attempt.is_some());
    let outcome = of_lost.map(|line| line.outcome);
    assert_eq!(outcome, Some(Outcome::Ok), "{lines:?}");
    let lost = metrics
        .lines()
        .find(|line| line.starts_with("scheduled_one_leases_lost"));
    assert!(lost.is_some_and(|line| line.ends_with(" 0")), "{lost:?}");
}
