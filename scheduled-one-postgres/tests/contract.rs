//! The contract suite against a real PostgreSQL, with a memory loss now and then. `SCHEDULED_ONE_OPS` makes it shorter
//! or longer.

use std::sync::Arc;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::{BoxFuture, Store};
use scheduled_one_testkit::contract::{self, Options, Subject};
use test_support::PostgresServer;

/// As many as `redis_agreement` sends to Redis.
const OPERATIONS: u64 = 120_000;

struct Postgres {
    server: PostgresServer,
}

impl Subject for Postgres {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = PostgresStore::new(&self.server.url(), "test").expect("a URL");
        Box::pin(async { Arc::new(store) as Arc<dyn Store> })
    }

    fn lose_memory(&mut self) -> BoxFuture<'_, bool> {
        let tables = [
            "meta",
            "unit",
            "node",
            "job_list",
            "ledger",
            "request",
            "asked",
            "job",
            "trail",
            "checkpoint",
        ]
        .map(|table| format!("scheduled_one.{table}"));
        let truncate = format!("TRUNCATE {}", tables.join(", "));
        self.server.sql(&truncate).expect("truncated");
        Box::pin(async { true })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_keeps_the_contract() {
    let server = PostgresServer::options()
        .setting("fsync", "off")
        .start()
        .expect("a PostgreSQL");
    let mut subject = Postgres { server };
    let wanted = std::env::var("SCHEDULED_ONE_OPS").ok();
    let wanted = wanted.map(|text| text.parse().expect("a number of operations"));
    let operations = wanted.unwrap_or(OPERATIONS);
    let options = Options {
        operations,
        ..Options::default()
    };
    let report = contract::check(&mut subject, options).await;
    let report = report.unwrap_or_else(|breach| panic!("{breach}"));
    // One or two of the rarest depend on the speed of the machine; all of them come up in `redis_agreement`.
    let missing = report.missing();
    let is_whole = operations >= OPERATIONS;
    assert!(!is_whole || missing.len() < 3, "missing: {missing:?}");
    assert!(report.raced > 0);
}
