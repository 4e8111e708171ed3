//! What can be wrong with a file, and what becomes of requests then.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod busy;
mod versions;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::message::{Caller, Heartbeat, Occasion, Register};
use scheduled_one_protocol::{
    Bucket, DiagnosticContext, LedgerRecord, Severity, SkipReason, Store, StoreError, TickMs,
    UnitName,
};
use scheduled_one_sqlite::{OpenError, SqliteStore};
use tempfile::TempDir;

/// A folder, and a store in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Place { folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("jobs.db").display().to_string()
    }

    fn store(&self) -> SqliteStore {
        let url = format!("sqlite://{}", self.path());
        SqliteStore::new(&url, "test", Arc::new(SystemClock)).unwrap()
    }

    /// A connection of somebody else.
    fn stranger(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    async fn error(&self) -> String {
        let error = Store::preflight(&self.store()).await.unwrap_err();
        assert_eq!(error.finding.severity, Severity::Severe);
        let error = error.cause.downcast::<OpenError>().unwrap();
        let text = error.to_string();
        assert!(
            text.contains(self.folder.path().to_str().unwrap()),
            "{text}"
        );
        text
    }
}

fn caller() -> Caller {
    Caller {
        node: "node".to_owned(),
        name: "Node".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    }
}

fn registration(unit: &str) -> Register {
    Register {
        unit: UnitName::from(unit),
        first_seen_ms: 1,
        lease_ms: 1,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: Default::default(),
        next_due_ms: None,
        requests: Vec::new(),
    }
}

async fn serving(store: &SqliteStore) -> String {
    let reply = store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    reply.head.serving
}

#[tokio::test]
async fn a_file_that_cannot_be_the_store_is_refused_at_start() {
    let place = Place::new();
    fs::write(place.path(), "no database at all".repeat(100)).unwrap();
    assert!(place.error().await.contains("no SQLite database"));

    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    assert!(place.error().await.contains("it is a folder"));

    let mut place = Place::new();
    place
        .stranger()
        .execute_batch("CREATE TABLE orders (id)")
        .unwrap();
    assert!(place.error().await.contains("it has the table orders"));

    place = Place::new();
    place
        .stranger()
        .pragma_update(None, "application_id", 7)
        .unwrap();
    assert!(place.error().await.contains("its application id is 7"));

    place = Place::new();
    Store::preflight(&place.store()).await.unwrap();
    place
        .stranger()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(
        place
            .error()
            .await
            .contains("version 99, this is version 1")
    );

    let url = format!("sqlite://{}/no/jobs.db", place.folder.path().display());
    let store = SqliteStore::new(&url, "test", Arc::new(SystemClock)).unwrap();
    let error = Store::preflight(&store).await.unwrap_err().to_string();
    assert!(error.contains("/no: make it"), "{error}");
}

#[tokio::test]
async fn a_reopened_file_is_the_same_store_and_a_new_one_is_another() {
    let place = Place::new();
    let store = place.store();
    let first = serving(&store).await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    assert_eq!(serving(&place.store()).await, first);

    // Removed while it is open, as by a cleaner of temporary files.
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{end}", place.path())).unwrap();
    }
    let second = serving(&store).await;
    assert_ne!(second, first);
    assert_eq!(serving(&place.store()).await, second);
    let reply = store
        .inspect(&caller(), &[UnitName::from("a")])
        .await
        .unwrap();
    assert_eq!(reply.body[0].marks.first_seen_ms, None);
}

#[tokio::test]
async fn a_copy_put_in_its_place_is_another_store() {
    let place = Place::new();
    let first = serving(&place.store()).await;
    let copy = place.folder.path().join("copy");
    place
        .stranger()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    fs::remove_file(place.path()).unwrap();
    fs::rename(copy, place.path()).unwrap();
    assert_ne!(serving(&place.store()).await, first);
}

#[tokio::test]
async fn a_refusal_saves_nothing() {
    let place = Place::new();
    let store = place.store();
    serving(&store).await;
    let other = Caller {
        buckets: 2,
        ..caller()
    };
    let error = store
        .register(&other, &[registration("a")])
        .await
        .unwrap_err();
    assert_eq!(error, StoreError::OtherBuckets { found: 1, ours: 2 });
    let units: i64 = place
        .stranger()
        .query_row("SELECT count(*) FROM unit", [], |row| row.get(0))
        .unwrap();
    assert_eq!(units, 0);
}

#[tokio::test]
async fn an_edited_row_is_refused_by_name_and_the_others_are_not() {
    let place = Place::new();
    let store = place.store();
    let both = [registration("a"), registration("b")];
    store.register(&caller(), &both).await.unwrap();
    for (edit, word) in [
        ("run_attempt = -1", "-1 as run_attempt"),
        ("run_attempt = 0, waiting = 'x'", "x as waiting"),
        ("waiting = '', running = 7", "7 as running"),
        (
            "running = 1, run_lease_ms = 9223372036854775807",
            "as lease",
        ),
        ("run_until_ms = -9223372036854775808", "as until"),
    ] {
        let edit = format!("UPDATE unit SET {edit} WHERE name = 'a'");
        place.stranger().execute_batch(&edit).unwrap();
        let error = store.register(&caller(), &both[..1]).await.unwrap_err();
        let StoreError::Refused(text) = error else {
            panic!("{error:?}");
        };
        assert!(
            text.contains("the record of a has") && text.contains(word),
            "{text}"
        );
        store.register(&caller(), &both[1..]).await.unwrap();
        // A damaged run is left out of the list of overdue ones.
        let reply = store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap();
        assert_eq!((reply.body.ready, reply.body.overdue), (vec![], vec![]));
    }
}

#[tokio::test]
async fn a_ledger_keeps_its_newest_lines_and_buckets_are_apart() {
    let place = Place::new();
    let store = place.store();
    let line = |tick| LedgerRecord {
        reason: "a zero \0 byte".to_owned(),
        identity: Some("node".to_owned()),
        ..LedgerRecord::skipped(
            &UnitName::new("a", 0),
            TickMs(tick),
            SkipReason::Overlap,
            "node",
            tick,
        )
    };
    for tick in 1..=20 {
        let written = [line(tick)];
        store.record(&caller(), &written).await.unwrap();
    }
    let lines = Store::ledger(&store, "a", 100).await.unwrap();
    let ticks: Vec<i64> = lines.iter().map(|line| line.tick.ms()).collect();
    assert_eq!(ticks, (12..=20).rev().collect::<Vec<i64>>());
    assert_eq!(lines[0], line(20));

    let bucket = Bucket::all(2).nth(1).unwrap();
    let other = Store::open(&store, bucket);
    assert_eq!(other.ledger("a", 100).await.unwrap(), []);
}

#[tokio::test]
async fn the_doctor_writes_nothing_and_names_what_it_sees() {
    let place = Place::new();
    let store = place.store();
    let needs = DiagnosticContext {
        shortest_lease: Duration::from_secs(5),
        units: vec![UnitName::from("a"), UnitName::from("b")],
        clock: Arc::new(SystemClock),
    };
    let report = Store::diagnose(&store, &needs).await;
    assert!(report.is_usable(), "{report}");
    assert!(
        report
            .finding("file")
            .unwrap()
            .found
            .contains("does not exist yet")
    );
    assert!(
        !fs::exists(place.path()).unwrap(),
        "the doctor made the file"
    );

    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    let report = Store::diagnose(&store, &needs).await;
    let worst = report.findings[0].severity;
    assert_eq!(worst, Severity::Ok, "{report}");
    for check in [
        "file",
        "durability",
        "space",
        "pages",
        "marks",
        "write_lock",
    ] {
        assert!(report.finding(check).is_some(), "{check}: {report}");
    }

    let far = SystemClock.wall().as_millis() as i64 + 600_000;
    let edit = format!("UPDATE unit SET decided_ms = {far}");
    place.stranger().execute_batch(&edit).unwrap();
    let report = Store::diagnose(&store, &needs).await;
    let marks = report.finding("marks").unwrap();
    assert_eq!(marks.severity, Severity::Warning);
    assert!(marks.found.contains("1 of 2 units"), "{report}");

    // Without the write-ahead log, which has all the pages.
    drop(store);
    fs::write(place.path(), "torn".repeat(2_000)).unwrap();
    let report = Store::diagnose(&place.store(), &needs).await;
    assert!(!report.is_usable(), "{report}");
}
