//! The effect of a job and the outcome of its run commit in one transaction, in the database that is the store.
//!
//! ```sh
//! cargo run --example effect_commits   # ends by itself after a few seconds; nothing to install
//! ```
//!
//! A process of its own pays interest ten times a second, and is killed five times, at instants that it does not
//! choose. At the end the balance is compared with the ledger: each run that is `ok` has paid once, and no other run
//! has. The store is a file of SQLite here; with `postgres://…` only the signs of the values are others (`$1`).
//!
//! Where the effect is in another database than the store, `effect_once` shows the way.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use scheduled_one_runtime::{
    Effects, Job, JobContext, Outcome, Scheduler, Statement, scheduled_one,
};
use tokio::time::{sleep, timeout};

/// The file, in the environment of the process that is killed.
const FILE: &str = "EFFECT_COMMITS_FILE";
const KILLS: usize = 5;

#[scheduled_one(every = "100ms", name = "interest", on_node_loss = rerun(2))]
async fn interest(ctx: JobContext, effects: Effects) {
    let add = Statement::new("UPDATE account SET balance = balance + ?1 WHERE id = ?2");
    effects.add(add.bind(1).bind(7).rows(1));
    let note = Statement::new("INSERT INTO payment (tick_ms, attempt) VALUES (?1, ?2)");
    let tick_ms = ctx.scheduled_at().as_millisecond();
    effects.add(note.bind(tick_ms).bind(ctx.attempt()));
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(path) = std::env::var_os(FILE) {
        let scheduler = start(Path::new(&path)).await?;
        scheduler.run_until_signal().await?;
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("jobs.db");
    let db = make_tables(&path).await?;
    for number in 1..=KILLS {
        let before = payments(&db)?;
        let mut process = process(&path)?;
        let paid = timeout(Duration::from_secs(30), async {
            while payments(&db)? < before + 3 {
                sleep(Duration::from_millis(7)).await;
            }
            anyhow::Ok(())
        });
        paid.await.context("no payment within 30 s")??;
        // At another time of the period for each.
        sleep(Duration::from_millis(23) * number as u32).await;
        process.kill()?;
        process.wait()?;
        println!(
            "killed {number} of {KILLS} times, after {} payments",
            payments(&db)?
        );
    }
    compare(&path, &db).await
}

async fn start(path: &Path) -> Result<Scheduler, scheduled_one_runtime::Error> {
    let url = format!("sqlite://{}", path.display());
    Scheduler::builder(url)
        .lease(Duration::from_secs(2))
        .start()
        .await
}

/// The scheduler makes the file, then the program its tables in it.
async fn make_tables(path: &Path) -> anyhow::Result<Connection> {
    let url = format!("sqlite://{}", path.display());
    let idle = Job::manual("idle", async || {});
    let first = Scheduler::builder(url).job(idle).only(["idle"]);
    first.start().await?.shutdown(Duration::from_secs(1)).await;
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.execute_batch(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL); \
         INSERT INTO account VALUES (7, 0); \
         CREATE TABLE payment (tick_ms INTEGER, attempt INTEGER)",
    )?;
    Ok(db)
}

/// This program again, as the process that is killed.
fn process(path: &Path) -> anyhow::Result<Child> {
    let program: PathBuf = std::env::current_exe()?;
    let mut command = Command::new(program);
    Ok(command.env(FILE, path).stdout(Stdio::null()).spawn()?)
}

fn payments(db: &Connection) -> anyhow::Result<i64> {
    Ok(db.query_row("SELECT count(*) FROM payment", [], |row| row.get(0))?)
}

/// The balance, the payments and the ledger say the same.
async fn compare(path: &Path, db: &Connection) -> anyhow::Result<()> {
    let scheduler = start(path).await?;
    scheduler.shutdown(Duration::from_secs(5)).await;
    let lines = scheduler.ledger("interest", 1_000).await?;
    let ok = lines.iter().filter(|line| line.outcome == Outcome::Ok);
    let ok = i64::try_from(ok.count())?;
    let select = "SELECT balance FROM account WHERE id = 7";
    let balance: i64 = db.query_row(select, [], |row| row.get(0))?;
    println!(
        "{ok} runs ended ok, {} payments are noted, and the balance is {balance}",
        payments(db)?
    );
    ensure!(
        balance == ok && payments(db)? == ok,
        "an effect without its outcome, or the other way round"
    );
    Ok(())
}
