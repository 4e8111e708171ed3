//! Statements that commit with the outcome of a run, on a PostgreSQL that replies late, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scheduled_one_runtime::{Effects, Job, LedgerEntry, Outcome, Scheduler, Statement};
use test_support::{FaultProxy, PostgresServer, wait_until_async};

const BOUND: Duration = Duration::from_secs(60);
const ONCE: Duration = Duration::from_millis(500);
const INSERT: &str = "INSERT INTO effect VALUES (1)";

/// A server with a table of the program, and a proxy in front of it.
fn server() -> (PostgresServer, FaultProxy) {
    let server = PostgresServer::start().expect("a PostgreSQL");
    server
        .sql("CREATE TABLE effect (number BIGINT)")
        .expect("a table");
    let proxy = FaultProxy::options().raw().start(server.port());
    (server, proxy.expect("a proxy"))
}

async fn start(proxy: &FaultProxy, job: Job) -> Scheduler {
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let scheduler = Scheduler::builder(url).job(job).start().await;
    scheduler.expect("started")
}

fn effects(server: &PostgresServer) -> usize {
    let count = server.sql("SELECT count(*) FROM effect").expect("a count");
    count.trim().parse().expect("a number")
}

/// Each statement is quick for the server, and its way there and back takes long.
#[tokio::test(flavor = "multi_thread")]
async fn the_round_trips_of_all_statements_have_a_bound() {
    let (server, proxy) = server();
    let job = Job::every("pay", ONCE, async |effects: Effects| {
        for _ in 0..100 {
            effects.add(Statement::new(INSERT));
        }
    });
    let scheduler = start(&proxy, job).await;
    let ended = |lines: &[LedgerEntry], outcome| lines.iter().any(|line| line.outcome == outcome);
    let lines = async || scheduler.ledger("pay", 100).await.unwrap_or_default();
    wait_until_async("statements commit", BOUND, async || {
        ended(&lines().await, Outcome::Ok)
    })
    .await;
    let delay = Duration::from_millis(30);
    proxy.delay_requests(delay, delay);
    wait_until_async("an attempt fails", BOUND, async || {
        ended(&lines().await, Outcome::Failed)
    })
    .await;
    proxy.heal().expect("healed");
    scheduler.shutdown(BOUND).await;
    let lines = scheduler.ledger("pay", 1_000).await.expect("a ledger");
    let failed = lines.iter().find(|line| line.outcome == Outcome::Failed);
    let error = &failed.expect("it has failed").error;
    assert!(
        error.contains("all statements of an outcome, with their round trips, have 1.2s"),
        "{error}"
    );
    let ok = lines.iter().filter(|line| line.outcome == Outcome::Ok);
    assert_eq!(effects(&server), 100 * ok.count());
}

/// A commit that has no reply is repeated, but not by a scheduler that has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_has_ended_commits_nothing() {
    let (server, proxy) = server();
    let proxy = Arc::new(proxy);
    let (runs, of_function) = (Arc::new(AtomicU32::new(0)), Arc::clone(&proxy));
    let of_job = Arc::clone(&runs);
    let job = Job::every("pay", ONCE, move |effects: Effects| {
        of_function.lose_requests();
        of_job.fetch_add(1, Ordering::Relaxed);
        effects.add(Statement::new(INSERT));
        async {}
    });
    let scheduler = start(&proxy, job).await;
    wait_until_async("a run has begun", BOUND, async || {
        runs.load(Ordering::Relaxed) > 0
    })
    .await;
    scheduler.shutdown(Duration::from_secs(1)).await;
    drop(scheduler);
    // The job has the other one.
    wait_until_async("nothing of the scheduler is left", BOUND, async || {
        Arc::strong_count(&runs) == 1
    })
    .await;
    proxy.heal().expect("healed");
    assert_eq!(effects(&server), 0);
}
