//! The fencing token in a database of your own: the effect and the check of the token are one statement.
//!
//! ```sh
//! cargo run --example fencing_token   # ends by itself after about 5 s; nothing to install
//! ```
//!
//! A run ends at its timeout, but a blocking call of it does not: nobody can stop a thread. It writes when the next
//! run has begun, and changes no row, because the row has a higher token by then. On PostgreSQL the statement is the
//! same, with `$1` and `$2`.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, params};
use scheduled_one_runtime::{JobContext, Scheduler, State, scheduled_one};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Stands for a pool of connections.
#[derive(Clone)]
struct Db(Arc<Mutex<Connection>>);

impl Db {
    fn open() -> anyhow::Result<Self> {
        let connection = Connection::open_in_memory()?;
        // One more column, in the row that the job writes.
        let make = "CREATE TABLE report (id INTEGER PRIMARY KEY, body TEXT NOT NULL, token INTEGER NOT NULL); \
                    INSERT INTO report VALUES (7, '', 0)";
        connection.execute_batch(make)?;
        Ok(Db(Arc::new(Mutex::new(connection))))
    }

    /// Writes, unless a newer run wrote before. All attempts of a run share a token, so an attempt may write again.
    fn write_report(&self, token: u64, body: &str) -> anyhow::Result<bool> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = i64::try_from(token)?; // tokens are microseconds since 1970, or a little more
        let changed = connection.execute(
            "UPDATE report SET body = ?2, token = ?1 WHERE id = 7 AND token <= ?1",
            params![token, body],
        )?;
        Ok(changed == 1)
    }

    fn report(&self) -> anyhow::Result<(String, i64)> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let select = "SELECT body, token FROM report WHERE id = 7";
        Ok(connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }
}

/// The first run blocks for longer than it may.
#[scheduled_one(every = "2s", timeout = "500ms", name = "report")]
async fn report(
    ctx: JobContext,
    State(db): State<Db>,
    State(told): State<Told>,
) -> anyhow::Result<()> {
    let token = ctx.fencing_token();
    let first = told.is_first();
    println!("the run with the token {token} begins");
    spawn_blocking(move || {
        if first {
            std::thread::sleep(Duration::from_secs(3)); // a query that takes long
        }
        let written = db.write_report(token, if first { "old" } else { "new" })?;
        println!(
            "the run with the token {token} {}",
            match written {
                true => "has written",
                false => "comes too late: a newer run has written, and its row stays",
            }
        );
        told.tell(written);
        anyhow::Ok(())
    })
    .await?
}

/// What the runs wrote.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(u32, Vec<bool>)>>);

impl Told {
    fn is_first(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.0 += 1;
        told.0 == 1
    }

    fn tell(&self, written: bool) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.1.push(written);
    }

    async fn wait_for_a_late_one(&self) {
        loop {
            let told = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .1
                .clone();
            if told.contains(&false) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (db, told) = (Db::open()?, Told::default());
    let scheduler = Scheduler::builder("memory://")
        .state(db.clone())
        .state(told.clone())
        .start()
        .await?;
    let late = timeout(Duration::from_secs(20), told.wait_for_a_late_one());
    late.await.context("no run came too late within 20 s")?;
    scheduler.shutdown(Duration::from_secs(1)).await;
    let (body, token) = db.report()?;
    println!("the row is {body:?}, with the token {token}");
    anyhow::ensure!(body == "new", "an old run has overwritten newer data");
    Ok(())
}
