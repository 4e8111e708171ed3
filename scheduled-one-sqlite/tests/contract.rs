//! The contract suite against a file, with a memory loss now and then.

use std::sync::Arc;

use rusqlite::Connection;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::{BoxFuture, Store};
use scheduled_one_sqlite::SqliteStore;
use scheduled_one_testkit::contract::{self, Options, Subject};
use tempfile::TempDir;

/// As many as `redis_agreement` sends to Redis.
const OPERATIONS: u64 = 120_000;

struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("jobs.db")
    }
}

impl Subject for Sqlite {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let url = format!("sqlite://{}", self.path().display());
        let store = SqliteStore::new(&url, "test", Arc::new(SystemClock)).expect("a URL");
        Box::pin(async { Arc::new(store) as Arc<dyn Store> })
    }

    fn lose_memory(&mut self) -> BoxFuture<'_, bool> {
        let connection = Connection::open(self.path()).expect("the file");
        let delete = "DELETE FROM meta; DELETE FROM unit; DELETE FROM node; \
                      DELETE FROM job_list; DELETE FROM job; DELETE FROM ledger; \
                      DELETE FROM request; DELETE FROM asked; DELETE FROM trail; \
                      DELETE FROM checkpoint";
        connection.execute_batch(delete).expect("deleted");
        Box::pin(async { true })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_the_contract() {
    let mut subject = Sqlite {
        folder: tempfile::tempdir().expect("a folder"),
    };
    let options = Options {
        operations: OPERATIONS,
        ..Options::default()
    };
    let report = contract::check(&mut subject, options).await;
    let report = report.unwrap_or_else(|breach| panic!("{breach}"));
    // One or two of the rarest depend on the speed of the machine; all of them come up in `redis_agreement`.
    let missing = report.missing();
    assert!(missing.len() < 3, "missing: {missing:?}");
    assert!(report.raced > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_units_than_a_heartbeat_names_are_named_in_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let store = SqliteStore::new(&url, "test", Arc::new(SystemClock)).expect("a URL");
    let checked = contract::check_in_turn(&store, Arc::new(SystemClock)).await;
    assert_eq!(checked, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_without_a_next_tick_is_not_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let store = SqliteStore::new(&url, "test", Arc::new(SystemClock)).expect("a URL");
    let checked = contract::check_last_tick(&store, Arc::new(SystemClock)).await;
    assert_eq!(checked, Ok(()));
}
