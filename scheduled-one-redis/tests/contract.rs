//! The contract suite of the test kit against Redis. What is stored is compared in `redis_agreement`, with more
//! operations.

use std::sync::Arc;

use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::{BoxFuture, Store};
use scheduled_one_redis::RedisStore;
use scheduled_one_testkit::contract::{self, Options, Subject};
use test_support::RedisServer;

struct Redis {
    server: RedisServer,
}

impl Subject for Redis {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async {
            let store = RedisStore::connect(&self.server.url(), "contract").await;
            Arc::new(store.expect("a store")) as Arc<dyn Store>
        })
    }

    fn lose_memory(&mut self) -> BoxFuture<'_, bool> {
        self.server.flush().expect("flushed");
        Box::pin(async { true })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract() {
    let server = RedisServer::start().expect("a redis-server");
    let options = Options {
        operations: 20_000,
        seed: 6,
        ..Options::default()
    };
    let report = contract::check(&mut Redis { server }, options).await;
    let report = report.unwrap_or_else(|breach| panic!("{breach}"));
    // The rarest ones need more operations, and come up in `redis_agreement`.
    let missing = report.missing();
    assert!(
        missing.len() < 4 && report.raced > 0,
        "missing: {missing:?}"
    );
}

#[tokio::test]
async fn more_units_than_a_heartbeat_names_are_named_in_turn() {
    let server = RedisServer::start().expect("a redis-server");
    let store = RedisStore::connect(&server.url(), "in-turn").await;
    let checked = contract::check_in_turn(&store.expect("a store"), Arc::new(SystemClock)).await;
    assert_eq!(checked, Ok(()));
}

#[tokio::test]
async fn a_unit_without_a_next_tick_is_not_named() {
    let server = RedisServer::start().expect("a redis-server");
    let store = RedisStore::connect(&server.url(), "last-tick").await;
    let store = store.expect("a store");
    let checked = contract::check_last_tick(&store, Arc::new(SystemClock)).await;
    assert_eq!(checked, Ok(()));
}
