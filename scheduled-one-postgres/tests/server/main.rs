//! A real PostgreSQL: its rights, its faults, its neighbours; and what becomes of requests then.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod beat;
mod commit;
mod conflicts;
mod directives;
mod doctor;
mod each_right;
mod encodings;
mod encryption;
mod failover;
mod faults;
mod fencing;
mod for_control;
mod forget_rights;
mod history;
mod libpq;
mod limited;
mod listening;
mod login;
mod looks;
mod pooler;
mod provider;
mod reads;
mod rights;
mod stranger;
mod tables;
mod upgrade;
mod way_back;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::{Caller, Heartbeat, Occasion, Register};
use scheduled_one_protocol::{Store, StoreError, UnitName};
use test_support::PostgresServer;

/// The server of most tests; each has a database of its own.
static SERVER: LazyLock<PostgresServer> = LazyLock::new(|| {
    let options = PostgresServer::options().setting("fsync", "off");
    options.start().expect("a PostgreSQL")
});

/// A database that no other test uses.
struct Database {
    name: String,
}

impl Database {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        SERVER.sql(&format!("CREATE DATABASE {name}")).unwrap();
        Database { name }
    }

    fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, user: &str) -> String {
        let url = SERVER.url_of(user);
        let (server, _) = url.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    fn store(&self) -> PostgresStore {
        PostgresStore::new(&self.url(), "test").unwrap()
    }

    /// A store whose tables are made.
    async fn ready_store(&self) -> PostgresStore {
        let store = self.store();
        make_tables(&store).await;
        store
    }

    /// Runs statements as the superuser.
    fn sql(&self, statements: &str) -> String {
        SERVER.sql_in(&self.name, statements).unwrap()
    }
}

/// Makes the tables. On a busy machine that may take longer than a start waits.
async fn make_tables(store: &PostgresStore) {
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = Store::preflight(store).await {
        let is_slow = error.to_string().contains("its replies took more than");
        assert!(is_slow && Instant::now() < until, "{error}");
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

/// Whether no reply came in time, because the machine is busy, and the request may be repeated.
fn is_late<T>(result: &Result<T, StoreError>, until: Instant) -> bool {
    match result {
        Err(StoreError::Unavailable(text) | StoreError::Unknown(text)) => {
            text.contains("did not reply within") && Instant::now() < until
        }
        _ => false,
    }
}

/// Until when a request is repeated that begins now.
fn patience() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Repeats a request as long as no reply comes in time. Any other result is returned.
async fn in_time<T>(
    mut request: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let until = patience();
    loop {
        let result = request().await;
        if !is_late(&result, until) {
            return result;
        }
    }
}

/// The identity of the serving history.
async fn serving(store: &PostgresStore) -> String {
    let until = patience();
    loop {
        let result = store.heartbeat(&caller(), Heartbeat::alive()).await;
        if !is_late(&result, until) {
            return result.unwrap().head.serving;
        }
    }
}

/// The text of an error that repeating may end.
fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("not unavailable: {other:?}"),
    }
}
