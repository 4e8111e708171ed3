//! A file that is removed, replaced or restored while processes use it, or while none does.

#![cfg(target_os = "linux")] // looks at the files that this process has open
#![allow(clippy::unwrap_used)] // in the helpers of tests, too
#![allow(
    clippy::print_stdout,
    reason = "the other process talks to its test by its output"
)]

mod other_process;
mod restored;

use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::message::{Caller, Heartbeat, Occasion, Register};
use scheduled_one_protocol::{Store, StoreError, UnitName};
use scheduled_one_sqlite::SqliteStore;
use tempfile::TempDir;

use other_process::OtherProcess;

/// Generous: within this, something that works has happened.
const BOUND: Duration = Duration::from_secs(60);

/// A folder, and the path of a file in it.
struct Place {
    _folder: TempDir,
    path: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db").display().to_string();
        Place {
            _folder: folder,
            path,
        }
    }

    fn next_to_it(&self, end: &str) -> String {
        format!("{}{end}", self.path)
    }

    /// A connection of somebody else.
    fn stranger(&self) -> Connection {
        let connection = Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    /// Makes a backup as an operator does.
    fn back_up(&self) -> String {
        let backup = self.next_to_it(".backup");
        self.stranger()
            .execute("VACUUM INTO ?1", [&backup])
            .unwrap();
        backup
    }

    /// The pages of the file fit together, and it has these units.
    fn check(&self, units: &[&str]) {
        let stranger = self.stranger();
        let check: String = stranger
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        let mut select = stranger
            .prepare("SELECT name FROM unit ORDER BY name")
            .unwrap();
        let found: Vec<String> = select
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(found, units);
    }
}

pub(crate) fn store(path: &str) -> SqliteStore {
    let url = format!("sqlite://{path}");
    SqliteStore::new(&url, "test", Arc::new(SystemClock)).unwrap()
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

/// As a node does, a request is repeated until it has a reply.
fn repeat_after(error: &StoreError, begun: Instant) {
    assert!(begun.elapsed() < BOUND, "{error}");
}

/// The identity of the store.
pub(crate) async fn serving(store: &SqliteStore) -> String {
    let caller = caller();
    let begun = Instant::now();
    loop {
        match store.heartbeat(&caller, Heartbeat::alive()).await {
            Ok(reply) => return reply.head.serving,
            Err(error) => repeat_after(&error, begun),
        }
    }
}

pub(crate) async fn register(store: &SqliteStore, unit: &str) {
    let registration = Register {
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
    };
    let caller = caller();
    let registrations = [registration];
    let begun = Instant::now();
    while let Err(error) = store.register(&caller, &registrations).await {
        repeat_after(&error, begun);
    }
}

/// Enough for a log of many pages: an index of another log would be seen.
async fn register_many(store: &SqliteStore) -> Vec<String> {
    let units: Vec<String> = (100..200).map(|number| format!("u{number}")).collect();
    for unit in &units {
        register(store, unit).await;
    }
    units
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND * 2, what).await.expect("hangs")
}

fn texts(units: &[String]) -> Vec<&str> {
    units.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_survive_the_removal_of_the_database_alone() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let (claims, renewals) = (store(&place.path), store(&place.path));
    let first = serving(&claims).await;
    assert_eq!(serving(&renewals).await, first);
    register_many(&claims).await;

    // Only this file, and not those next to it. The second handle is idle meanwhile.
    fs::remove_file(&place.path).unwrap();
    let second = in_time(serving(&claims)).await;
    assert_ne!(second, first);
    let mut units = register_many(&claims).await;
    assert_eq!(in_time(serving(&renewals)).await, second);

    // Locks that were lost with the old file would let another process begin the index anew.
    let mut other = OtherProcess::start(
        "two_handles_survive_the_removal_of_the_database_alone",
        &place.path,
    );
    for round in 0..10 {
        for (who, unit) in [(&claims, "w"), (&renewals, "x")] {
            units.push(format!("{unit}{round}"));
            register(who, units.last().unwrap()).await;
        }
        units.push(format!("y{round}"));
        other.request(&format!("register y{round}"));
    }
    other.stop();
    drop((claims, renewals));
    units.sort_unstable();
    place.check(&texts(&units));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_survive_the_removal_of_the_database_alone() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let here = store(&place.path);
    let first = serving(&here).await;
    let mut other = OtherProcess::start(
        "two_processes_survive_the_removal_of_the_database_alone",
        &place.path,
    );
    assert_eq!(other.request("serving"), first);
    register_many(&here).await;

    // The other process is idle meanwhile, as one whose only handle is for renewals. It keeps nobody waiting.
    fs::remove_file(&place.path).unwrap();
    Store::preflight(&here).await.unwrap();
    let second = in_time(serving(&here)).await;
    assert_ne!(second, first);
    let mut units = register_many(&here).await;
    assert_eq!(other.request("serving"), second);
    other.request("register z");
    units.push("z".to_owned());

    drop(here);
    other.request("register z1");
    units.push("z1".to_owned());
    other.stop();
    place.check(&texts(&units));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_after_the_removal_makes_a_new_index() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let mut other = OtherProcess::start(
        "a_process_that_starts_after_the_removal_makes_a_new_index",
        &place.path,
    );
    for number in 0..20 {
        other.request(&format!("register u{number}"));
    }
    let first = other.request("serving");

    // The other process is idle, and has the index of the old log open.
    fs::remove_file(&place.path).unwrap();
    let here = store(&place.path);
    Store::preflight(&here).await.unwrap();
    let second = serving(&here).await;
    assert_ne!(second, first);
    register(&here, "a").await;
    assert_eq!(other.request("serving"), second);
    other.request("register b");
    other.stop();
    drop(here);
    place.check(&["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_opened_is_not_used() {
    let place = Place::new();
    serving(&store(&place.path)).await;
    let backup = place.back_up();
    // Whoever adds a column waits for the lock.
    let stranger = place.stranger();
    stranger
        .execute_batch("ALTER TABLE unit DROP COLUMN run_seq; BEGIN IMMEDIATE")
        .unwrap();

    let slow = store(&place.path);
    let opening = {
        let slow = slow.clone();
        tokio::spawn(async move { serving(&slow).await })
    };
    let begun = Instant::now();
    while times_open(&place.path) < 2 {
        assert!(begun.elapsed() < BOUND, "nobody opens the file");
        thread::yield_now();
    }
    fs::rename(backup, &place.path).unwrap();
    stranger.execute_batch("ROLLBACK").unwrap();

    let found = in_time(opening).await.unwrap();
    drop(stranger);
    assert_eq!(times_open(&format!("{} (deleted)", place.path)), 0);
    assert_eq!(serving(&store(&place.path)).await, found);
    register(&slow, "a").await;
    place.check(&["a"]);
}

/// How often this process has the file open.
fn times_open(path: &str) -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.filter(|to| to.to_str() == Some(path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_removed_is_noticed() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let mut other = OtherProcess::start("a_log_that_is_removed_is_noticed", &place.path);
    other.request("register a");
    let first = other.request("serving");
    // In use: what it has goes into the database.
    for end in ["-wal", "-shm"] {
        fs::remove_file(place.next_to_it(end)).unwrap();
        let here = store(&place.path);
        in_time(serving(&here)).await;
        other.request("register b");
        register(&here, "c").await;
        drop(here);
    }
    let second = other.request("serving");
    assert_ne!(second, first);
    place.check(&["a", "b", "c"]);

    // Left by a killed process: what it has is lost, so the store is another one.
    other.request("register d");
    other.kill();
    fs::remove_file(place.next_to_it("-wal")).unwrap();
    assert_ne!(serving(&store(&place.path)).await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_handle_leaves_nothing_but_the_file_and_its_lock() {
    let place = Place::new();
    let (one, two) = (store(&place.path), store(&place.path));
    let first = serving(&one).await;
    serving(&two).await;
    drop((one, two));
    for (end, is_there) in [
        ("", true),
        ("-wal", false),
        ("-shm", false),
        ("-lock", true),
    ] {
        let found = fs::exists(place.next_to_it(end)).unwrap();
        assert_eq!(found, is_there, "jobs.db{end}");
    }
    assert_eq!(serving(&store(&place.path)).await, first);
}
