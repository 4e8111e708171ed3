//! A transaction of somebody else that stays open.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use test_support::wait_until;

use super::{Database, SERVER};

const BOUND: Duration = Duration::from_secs(30);

/// A transaction that is open until [`end`](Self::end).
pub(crate) struct Stranger {
    name: String,
    mark: String,
    thread: JoinHandle<()>,
}

impl Stranger {
    /// Runs the statements in a transaction, and keeps it open.
    pub(crate) fn new(database: &Database, statements: &str) -> Self {
        let name = database.name.clone();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("stranger_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let script =
            format!("SET application_name = '{mark}'; BEGIN; {statements}; SELECT pg_sleep(600)");
        let thread = thread::spawn({
            let name = name.clone();
            move || drop(SERVER.sql_in(&name, &script))
        });
        let stranger = Stranger { name, mark, thread };
        let sleeping = stranger.with("count(*)", "AND wait_event = 'PgSleep'");
        wait_until("the transaction is open", BOUND, || {
            SERVER.sql(&sleeping).unwrap() == "1"
        });
        stranger
    }

    fn with(&self, wanted: &str, more: &str) -> String {
        let Stranger { name, mark, .. } = self;
        format!(
            "SELECT {wanted} FROM pg_stat_activity WHERE datname = '{name}' AND application_name = '{mark}' {more}"
        )
    }

    pub(crate) fn end(self) {
        SERVER
            .sql(&self.with("pg_terminate_backend(pid)", ""))
            .unwrap();
        self.thread.join().unwrap();
    }
}

impl Database {
    /// How many wait for a lock.
    pub(crate) fn waiting(&self) -> u32 {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.sql(count).parse().unwrap()
    }
}
