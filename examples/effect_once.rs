//! The effect of a job and the proof that it happened commit together, in a database of your own.
//!
//! ```sh
//! cargo run --example effect_once   # ends by itself after about 6 s; nothing to install
//! ```
//!
//! A process can die when the effect is committed and the outcome is not yet in the store. Then the run counts as lost,
//! or is run again. No scheduler can close this gap from outside: effect and outcome are in two places. It is closed by
//! a row `(job, tick)` in the transaction of the effect. Another attempt at the tick finds the row, does nothing, and
//! reports `ok`, so the ledger becomes right, too. On PostgreSQL the statements are the same.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rusqlite::{Connection, params};
use scheduled_one_runtime::{JobContext, Outcome, Scheduler, State, scheduled_one};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// Stands for a pool of connections.
#[derive(Clone)]
struct Db(Arc<Mutex<Connection>>);

impl Db {
    fn open() -> anyhow::Result<Self> {
        let connection = Connection::open_in_memory()?;
        let make = "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL); \
                    INSERT INTO account VALUES (7, 0); \
                    CREATE TABLE done (job TEXT, tick_ms INTEGER, PRIMARY KEY (job, tick_ms))";
        connection.execute_batch(make)?;
        Ok(Db(Arc::new(Mutex::new(connection))))
    }

    /// Adds the interest of one tick, once. Returns false if that was done before.
    fn add_interest(&self, job: &str, tick_ms: i64) -> anyhow::Result<bool> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        // Two attempts at the same time: the second waits here until the first has committed.
        let is_new = transaction.execute(
            "INSERT INTO done VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![job, tick_ms],
        )?;
        if is_new == 0 {
            return Ok(false); // the transaction is rolled back
        }
        let add = "UPDATE account SET balance = balance + 1 WHERE id = 7";
        transaction.execute(add, [])?;
        transaction.commit()?;
        Ok(true)
    }

    fn balance(&self) -> anyhow::Result<i64> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let select = "SELECT balance FROM account WHERE id = 7";
        Ok(connection.query_row(select, [], |row| row.get(0))?)
    }
}

/// Fails in the gap at its first attempt, as if the process had died there.
#[scheduled_one(every = "2s", retries = 2, backoff = "50ms..100ms", on_node_loss = rerun(2), name = "interest")]
async fn interest(ctx: JobContext, State(db): State<Db>) -> anyhow::Result<()> {
    let (job, tick_ms) = (ctx.job().to_owned(), ctx.scheduled_at().as_millisecond());
    let is_new = spawn_blocking(move || db.add_interest(&job, tick_ms)).await??;
    let tick = ctx.scheduled_at().strftime("%T");
    match is_new {
        true => println!(
            "tick {tick}, attempt {}: the interest is added",
            ctx.attempt()
        ),
        false => println!(
            "tick {tick}, attempt {}: it was added before, so this is ok",
            ctx.attempt()
        ),
    }
    if ctx.attempt() == 1 {
        bail!("between effect and outcome");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let db = Db::open()?;
    let scheduler = Scheduler::builder("memory://")
        .state(db.clone())
        .start()
        .await?;
    let ran = timeout(Duration::from_secs(20), async {
        // A failed attempt that is retried has a line of its own.
        while scheduler.ledger("interest", 10).await?.len() < 4 {
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    });
    ran.await.context("no two ticks within 20 s")??;
    scheduler.shutdown(Duration::from_secs(1)).await;
    let ledger = scheduler.ledger("interest", 100).await?;
    let ok = ledger
        .iter()
        .filter(|line| line.outcome == Outcome::Ok)
        .count();
    let balance = db.balance()?;
    println!("{ok} ticks ended ok, and the balance is {balance}");
    ensure!(
        usize::try_from(balance) == Ok(ok),
        "an effect happened twice, or not at all"
    );
    Ok(())
}
