//! A pooler in transaction mode: each transaction may be on another connection of the server.

use std::sync::Arc;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::{BoxFuture, Store};
use scheduled_one_testkit::contract::{self, Options, Subject};
use test_support::{PgBouncer, PostgresServer};

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
