//! What somebody asks for is notified of, and nothing else is; a connection that is lost is made again; behind a pooler
//! nobody listens.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_postgres::{PostgresStore, schema};
use scheduled_one_protocol::message::{Ask, Cause, Heartbeat, Request};
use scheduled_one_protocol::{Bucket, LedgerRecord, Severity, SkipReason, Store, TickMs, UnitName};
use test_support::{PgBouncer, PostgresServer, wait_until};
use tokio::time::timeout;

use super::doctor::needs;
use super::{Database, SERVER, caller, in_time, registration};

const BOUND: Duration = Duration::from_secs(60);

/// The last statement of a connection that has begun to listen.
const LISTENERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE \
                         'UNLISTEN \"scheduled!_one!_%' ESCAPE '!'";

/// Somebody asks for a run.
async fn ask(store: &dyn Store, id: &str) {
    let ask = [Ask {
        unit: UnitName::from("a"),
        request: Request {
            id: id.to_owned(),
            cause: Cause::Manual,
            actor: "ann".to_owned(),
            note: String::new(),
            logical: None,
            on_busy: None,
            parameters: String::new(),
        },
    }];
    let asked = in_time(async || store.ask(&caller(), &ask).await).await;
    asked.unwrap();
}

/// What nodes do all the time.
async fn run_ticks(store: &dyn Store) {
    let caller = caller();
    let unit = [registration("a")];
    let line = [LedgerRecord::skipped(
        &unit[0].unit,
        TickMs(1),
        SkipReason::Overlap,
        "node",
        1,
    )];
    let registered = in_time(async || store.register(&caller, &unit).await).await;
    registered.unwrap();
    let alive = in_time(async || store.heartbeat(&caller, Heartbeat::alive()).await).await;
    alive.unwrap();
    let recorded = in_time(async || store.record(&caller, &line).await).await;
    recorded.unwrap();
}

/// Waits for another number of news.
async fn news(store: &dyn Store, seen: u64) -> u64 {
    let news = timeout(BOUND, store.news(seen)).await;
    news.expect("news came")
}

/// Waits until a store that waits for news has begun to listen.
async fn wait_for_listener(database: &Database, store: &Arc<PostgresStore>) {
    let waiting = Arc::clone(store);
    let waiting = tokio::spawn(async move { Store::news(&*waiting, 0).await });
    let count = format!("SELECT count(*) {LISTENERS}");
    wait_until("a connection listens", BOUND, || {
        database.sql(&count) == "1"
    });
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_asks_for_is_news_and_what_nodes_do_is_not() {
    let database = Database::new();
    // The documented rights are enough.
    let user = format!("listener_{}", database.name);
    SERVER.sql(&format!("CREATE ROLE {user} LOGIN")).unwrap();
    database.sql(&schema("scheduled_one", Some(&user)));
    let open = || PostgresStore::new(&database.url_of(&user), "test").unwrap();
    let (store, other) = (Arc::new(open()), open());
    Store::preflight(&*store).await.unwrap();
    wait_for_listener(&database, &store).await;
    ask(&other, "first").await;
    assert_eq!(news(&*store, 0).await, 1);
    run_ticks(&other).await;
    ask(&other, "second").await;
    // Notifications come in the order of the commits: when this one is there, those before are.
    let bucket = Bucket::all(2).last().unwrap();
    let (in_bucket, there) = (Store::open(&*store, bucket), Store::open(&other, bucket));
    let mut elsewhere = Box::pin(in_bucket.news(0));
    assert!(timeout(Duration::ZERO, &mut elsewhere).await.is_err());
    ask(&*there, "third").await;
    timeout(BOUND, elsewhere).await.expect("news of the bucket");
    assert_eq!(news(&*store, 1).await, 2, "only what was asked for");
    // One connection listens for all buckets.
    assert_eq!(database.sql(&format!("SELECT count(*) {LISTENERS}")), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_connection_that_was_terminated_is_made_again() {
    let database = Database::new();
    let store = Arc::new(database.ready_store().await);
    wait_for_listener(&database, &store).await;
    let before = database.sql(&format!("SELECT pid {LISTENERS}"));
    database.sql(&format!("SELECT pg_terminate_backend({before})"));
    run_ticks(&*store).await;
    // What was asked for meanwhile is found, although nobody was notified of it.
    let seen = news(&*store, 0).await;
    let after = database.sql(&format!("SELECT pid {LISTENERS}"));
    assert_ne!(before, after);
    ask(&*store, "later").await;
    assert_eq!(news(&*store, seen).await, seen + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_transaction_mode_nobody_listens() {
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    let pooler = PgBouncer::start(&server, 3).unwrap();
    let pooled = PostgresStore::new(&pooler.url(), "test").unwrap();
    let direct = PostgresStore::new(&server.url(), "test").unwrap();
    Store::preflight(&pooled).await.unwrap();
    let mut waiting = Box::pin(Store::news(&pooled, 0));
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    let report = Store::diagnose(&pooled, &needs()).await;
    let found = report.finding("listening").unwrap();
    assert_eq!(found.severity, Severity::Info, "{report}");
    assert!(found.found.contains("pooler"), "{report}");
    run_ticks(&pooled).await;
    // Who listens directly is notified through the pooler, too.
    let mut direct_news = Box::pin(Store::news(&direct, 0));
    assert!(timeout(Duration::ZERO, &mut direct_news).await.is_err());
    let count =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'UNLISTEN \"%' AND state = 'idle'";
    wait_until("a connection listens", BOUND, || {
        server.sql(count).unwrap() == "1"
    });
    ask(&pooled, "first").await;
    assert_eq!(timeout(BOUND, direct_news).await.expect("news"), 1);
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    let listens = Store::diagnose(&direct, &needs()).await;
    let found = listens.finding("listening").unwrap();
    assert_eq!(found.severity, Severity::Ok, "{listens}");
}
