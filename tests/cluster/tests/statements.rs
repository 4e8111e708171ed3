//! Statements that commit with the outcome of a run, on a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use scheduled_one_runtime::{
    BoxError, Effects, Error, Job, JobContext, LedgerEntry, Outcome, Scheduler, Scope, Statement,
};
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(60);
const ONCE: Duration = Duration::from_millis(100);

/// A file with a table of the program in it.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    /// The scheduler makes the file: it takes none of another program.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        let file = File {
            _folder: folder,
            path,
        };
        let first = file.start(Job::manual("first", async || {})).await;
        first.expect("started").shutdown(BOUND).await;
        let table = "CREATE TABLE effect (tick INTEGER PRIMARY KEY, attempt INTEGER)";
        Connection::open(&file.path)
            .and_then(|program| program.execute_batch(table))
            .expect("a table");
        file
    }

    async fn start(&self, job: Job) -> Result<Scheduler, Error> {
        Scheduler::builder(url(&self.path)).job(job).start().await
    }

    fn count(&self) -> i64 {
        let connection = Connection::open(&self.path).expect("the file");
        connection.busy_timeout(BOUND).expect("a time");
        connection
            .query_row("SELECT count(*) FROM effect", [], |row| row.get(0))
            .expect("a count")
    }
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn insert(ctx: &JobContext) -> Statement {
    Statement::new("INSERT INTO effect VALUES (?1, ?2)")
        .bind(ctx.scheduled_at().as_millisecond())
        .bind(ctx.attempt())
}

/// The ledger, once it has such a line.
async fn ledger(scheduler: &Scheduler, has: impl Fn(&LedgerEntry) -> bool) -> Vec<LedgerEntry> {
    let until = Instant::now() + BOUND;
    loop {
        // While a statement takes long, the file is busy.
        let lines = scheduler.ledger("pay", 100).await;
        if let Ok(lines) = &lines
            && lines.iter().any(&has)
        {
            return lines.clone();
        }
        assert!(Instant::now() < until, "{lines:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_statement_that_fails_fails_the_attempt_and_a_retry_commits() {
    let file = File::new().await;
    let job = Job::every("pay", ONCE, async |ctx: JobContext, effects: Effects| {
        effects.add(insert(&ctx));
        if ctx.attempt() == 1 {
            effects.add(insert(&ctx)); // the same key
        }
    });
    let job = job.retries(2).backoff(ONCE / 10, ONCE / 10);
    let scheduler = file.start(job).await.expect("started");
    let lines = ledger(&scheduler, |line| line.outcome == Outcome::Ok).await;
    scheduler.shutdown(Duration::from_secs(5)).await;
    let ok = lines.iter().find(|line| line.outcome == Outcome::Ok);
    let ok = ok.expect("just found");
    assert_eq!(ok.attempt, Some(2));
    let failed = lines
        .iter()
        .find(|line| line.tick == ok.tick && line.attempt == Some(1));
    let failed = failed.expect("the first attempt");
    assert_eq!(failed.outcome, Outcome::Failed);
    let error = &failed.error;
    assert!(
        error.contains("a statement of the job failed: statement 2: UNIQUE constraint failed"),
        "{error}"
    );
    let all = scheduler.ledger("pay", 1_000).await.expect("a ledger");
    let all = all.iter().filter(|line| line.outcome == Outcome::Ok);
    assert_eq!(file.count(), all.count() as i64);
}

#[tokio::test]
async fn a_function_that_fails_has_no_effect() {
    let file = File::new().await;
    let job = Job::every("pay", ONCE, async |ctx: JobContext, effects: Effects| {
        effects.add(insert(&ctx));
        Err::<(), BoxError>("no money".into())
    });
    let scheduler = file.start(job).await.expect("started");
    ledger(&scheduler, |line| line.outcome == Outcome::Failed).await;
    scheduler.shutdown(Duration::from_secs(5)).await;
    assert_eq!(file.count(), 0);
}

#[tokio::test]
async fn a_statement_that_takes_long_is_ended() {
    let file = File::new().await;
    const FOREVER: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   INSERT INTO effect SELECT max(i), 1 FROM n";
    let job = Job::every("pay", ONCE, async |effects: Effects| {
        effects.add(Statement::new(FOREVER));
    });
    let scheduler = file.start(job).await.expect("started");
    let lines = ledger(&scheduler, |line| line.outcome == Outcome::Failed).await;
    scheduler.shutdown(Duration::from_secs(5)).await;
    let failed = lines.iter().find(|line| line.outcome == Outcome::Failed);
    let error = &failed.expect("just found").error;
    assert!(
        error.contains("all statements of an outcome have"),
        "{error}"
    );
    assert_eq!(file.count(), 0);
}

#[tokio::test]
async fn a_store_without_transactions_is_refused_at_start() {
    let job = Job::every("pay", ONCE, async |_: Effects| {});
    let refused = Scheduler::builder("memory://").job(job).start().await;
    let error = refused.expect_err("refused").to_string();
    assert_eq!(
        error,
        "job `pay`: its effects are to commit with its outcome, which takes a store with transactions: postgres:// \
         or sqlite://"
    );
}

#[tokio::test]
async fn a_run_on_every_node_has_no_outcome_to_commit_with() {
    let file = File::new().await;
    let runs = Arc::new(AtomicU32::new(0));
    let job = Job::every("pay", ONCE, move |ctx: JobContext, effects: Effects| {
        // Without statements there is nothing to commit.
        if runs.fetch_add(1, Ordering::Relaxed) > 0 {
            effects.add(insert(&ctx));
        }
        async {}
    });
    let scheduler = file
        .start(job.scope(Scope::EveryNode))
        .await
        .expect("started");
    let lines = ledger(&scheduler, |line| line.outcome == Outcome::Failed).await;
    scheduler.shutdown(Duration::from_secs(5)).await;
    assert!(lines.iter().any(|line| line.outcome == Outcome::Ok));
    let failed = lines.iter().find(|line| line.outcome == Outcome::Failed);
    let error = &failed.expect("just found").error;
    assert!(error.contains("every_node"), "{error}");
    assert_eq!(file.count(), 0);
}
