//! A pooler in transaction mode: each transaction may be on another connection of the server.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::Heartbeat;
use scheduled_one_protocol::{BoxFuture, Statement, Store};
use scheduled_one_testkit::contract::{self, Options, Subject, check_blame, check_each};
use test_support::{PgBouncer, PostgresServer, wait_until_async};

use super::caller;

const BOUND: Duration = Duration::from_secs(30);

struct Pooled {
    pooler: PgBouncer,
}

impl Subject for Pooled {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = PostgresStore::new(&self.pooler.url(), "test").unwrap();
        Box::pin(async { Arc::new(store) as Arc<dyn Store> })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_transaction_mode_the_contract_is_kept() {
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    // Fewer connections than the suite has at the same time.
    let pooler = PgBouncer::start(&server, 3).unwrap();
    let options = Options {
        operations: 4_000,
        seed: 5,
        ..Options::default()
    };
    let report = contract::check(&mut Pooled { pooler }, options).await;
    let report = report.unwrap_or_else(|breach| panic!("{breach}"));
    assert!(report.raced > 0);
    let direct = server
        .sql("SELECT count(*) FROM scheduled_one.unit")
        .unwrap();
    assert!(direct.parse::<u32>().unwrap() > 0);
}

/// Session locks of everybody with the number 7.
const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7";

/// The next transaction of this client is on another connection, and the next on this one is anybody's.
#[tokio::test(flavor = "multi_thread")]
async fn statements_leave_nothing_on_the_connections_of_a_pooler() {
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    server
        .sql(
            "CREATE ROLE nobody_of_effects; CREATE TABLE seen (who TEXT, path TEXT); \
             CREATE FUNCTION lock_and_fail() RETURNS void LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_lock(7); RAISE EXCEPTION 'failed'; END $$",
        )
        .unwrap();
    let pooler = PgBouncer::start(&server, 2).unwrap();
    let store = PostgresStore::new(&pooler.url(), "test").unwrap();
    Store::preflight(&store).await.unwrap();
    wait_until_async("both connections are used", BOUND, async || {
        let beat = async || store.heartbeat(&caller(), Heartbeat::alive()).await;
        let _ = tokio::join!(beat(), beat(), beat(), beat());
        let connections = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                           AND pid <> pg_backend_pid()";
        server.sql(connections).unwrap() == "2"
    })
    .await;
    let bad = [Statement::new("SELECT lock_and_fail()")];
    assert_eq!(check_blame(&store, &bad).await, Ok(()));
    assert_eq!(server.sql(LOCKS).unwrap(), "0");
    let leave = [
        "SELECT pg_advisory_lock(7)",
        "SELECT set_config('search_path', 'nowhere', false)",
        "SELECT set_config('role', 'nobody_of_effects', false)",
    ]
    .map(Statement::new);
    let store = PostgresStore::new(&pooler.url(), "another").unwrap();
    assert_eq!(check_each(&store, &leave).await, Ok(()));
    assert_eq!(server.sql(LOCKS).unwrap(), "0");
    let look = "INSERT INTO public.seen SELECT current_user, current_setting('search_path')";
    let look = Statement::new(look);
    assert_eq!(check_each(&store, &[look.clone(), look]).await, Ok(()));
    let seen = server.sql("SELECT DISTINCT who, path FROM seen").unwrap();
    assert_eq!(seen, "postgres|\"$user\", public");
}
