//! Lateness of the starts, and a check that each tick starts once.
//!
//! Lateness is what the function sees: the wall clock at its first instruction, minus the tick.
//! Redis reads the same clock, on the same machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use scheduled_one_runtime::{Job, JobContext, Scheduler};
use test_support::{PostgresServer, RedisServer};

use crate::child;
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::ticks::Board;

/// The store grants nothing for a lease and this, if it is new to a namespace.
const QUARANTINE_MARGIN: Duration = Duration::from_secs(1);

/// Highest lateness that is good.
#[derive(Default)]
struct Targets {
    p50_ms: Option<f64>,
    p99_ms: f64,
    /// As a part of the reference's; the rows are left out without a target.
    p50_part: Option<f64>,
    p99_part: Option<f64>,
}

pub(crate) fn of_thousand(scale: &Scale) -> Result<Vec<Row>> {
    let targets = Targets {
        p50_ms: Some(3.0),
        p99_ms: 15.0,
        p50_part: Some(0.02),
        p99_part: Some(0.05),
    };
    measure(scale.jobs[0], scale, &targets)
}

pub(crate) fn of_ten_thousand(scale: &Scale) -> Result<Vec<Row>> {
    let targets = Targets {
        p99_ms: 120.0,
        p99_part: Some(0.10),
        ..Targets::default()
    };
    measure(scale.jobs[1], scale, &targets)
}

/// The same on PostgreSQL, as it is installed, next to the same on Redis.
pub(crate) fn on_postgres(scale: &Scale) -> Result<Vec<Row>> {
    let targets = Targets {
        p50_ms: Some(8.0),
        p99_ms: 50.0,
        ..Targets::default()
    };
    let jobs = scale.jobs[0];
    let postgres = PostgresServer::start()?;
    let ours = child::run("lateness", &Task::new(&postgres.url(), jobs, scale))?;
    drop(postgres);
    next_to_redis("PostgreSQL", jobs, scale, &ours, &targets)
}

/// A fifth of the jobs on a file of SQLite, next to the same on Redis.
pub(crate) fn on_sqlite(scale: &Scale) -> Result<Vec<Row>> {
    let targets = Targets {
        p99_ms: 100.0,
        ..Targets::default()
    };
    let jobs = scale.jobs[0] / 5;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let ours = child::run("lateness", &Task::new(&url, jobs, scale))?;
    next_to_redis("SQLite", jobs, scale, &ours, &targets)
}

fn next_to_redis(
    store: &str,
    jobs: usize,
    scale: &Scale,
    ours: &Found,
    targets: &Targets,
) -> Result<Vec<Row>> {
    let redis = RedisServer::start()?;
    let reference = child::run("lateness", &Task::new(&redis.url(), jobs, scale))?;
    ensure!(ours.get("twice")? == 0.0, "a tick ran twice on {store}");
    rows(
        &format!("{store}, next to Redis, "),
        jobs,
        ours,
        &reference,
        targets,
    )
}

fn measure(jobs: usize, scale: &Scale, targets: &Targets) -> Result<Vec<Row>> {
    let redis = RedisServer::start()?;
    let ours = child::run("lateness", &Task::new(&redis.url(), jobs, scale))?;
    drop(redis);
    let peer = child::run("peer-lateness", &Task::new("", jobs, scale))?;
    ensure!(ours.get("twice")? == 0.0, "a tick ran twice");
    rows("", jobs, &ours, &peer, targets)
}

fn rows(
    store: &str,
    jobs: usize,
    ours: &Found,
    peer: &Found,
    targets: &Targets,
) -> Result<Vec<Row>> {
    let p50 = targets.p50_ms.map_or(Bound::None, Bound::AtMost);
    let kinds = [
        ("p50", "p50_us", p50),
        ("p99", "p99_us", Bound::AtMost(targets.p99_ms)),
        ("max", "max_us", Bound::None),
    ];
    let mut rows = Vec::new();
    for (label, name, bound) in kinds {
        let figure = format!(
            "{store}tick → function starts, {} jobs, {label}",
            number(jobs as f64)
        );
        let (ours, peer) = (ours.get(name)? / 1000.0, peer.get(name)? / 1000.0);
        rows.push(Row::new(figure, "ms", bound, ours).beside(peer));
        let part = match label {
            "p50" => targets.p50_part,
            "p99" => targets.p99_part,
            _ => None,
        };
        if let Some(part) = part {
            let figure = format!("the same, {label}, as a part of the reference's");
            rows.push(Row::new(figure, "", Bound::AtMost(part), ours / peer));
        }
    }
    for (label, name, bound) in [
        ("ticks missing", "missing", Bound::AtMost(0.0)),
        ("ticks run twice", "twice", Bound::AtMost(0.0)),
        ("ticks started early", "early", Bound::AtMost(0.0)),
        ("processor", "cpu_percent", Bound::None),
    ] {
        let (of_all, unit) = match name {
            "cpu_percent" => (String::new(), "% of a core"),
            _ => (format!(" of {}", number(ours.get("ticks")?)), ""),
        };
        let figure = format!("the same, {label}{of_all}");
        rows.push(Row::new(figure, unit, bound, ours.get(name)?).beside(peer.get(name)?));
    }
    Ok(rows)
}

/// How often somebody reads the metrics: Prometheus does it as often in its own examples.
const SCRAPE_EVERY: Duration = Duration::from_secs(15);

/// What becomes of the metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// Nothing is measured.
    Off,
    /// Nobody reads them.
    On,
    /// Somebody reads their text.
    Read,
}

/// Runs our scheduler; in the child.
pub(crate) async fn ours(task: &Task, metrics: Metrics) -> Result<Found> {
    let board = Arc::new(Board::new(task));
    let mut builder = Scheduler::builder(&task.url)
        .namespace("bench")
        .buckets(task.from_s.max(1) as u32) // no window is shared here
        .lease(task.lease);
    if metrics == Metrics::Off {
        builder = builder.without_metrics();
    }
    for index in 0..task.jobs {
        builder = builder.job(job(index, task.every_s, &board));
    }
    let scheduler = builder.start().await?;
    let measured = async {
        tokio::time::sleep(task.lease + QUARANTINE_MARGIN + task.settle).await;
        board.watch().await
    };
    let found = tokio::select! {
        found = measured => found?,
        () = scrape(&scheduler), if metrics == Metrics::Read => unreachable!("it has no end"),
    };
    // The rows are about the window; on a busy machine its last outcomes take a while.
    let stopped = scheduler.shutdown(Duration::from_secs(10)).await;
    ensure!(stopped.recorded, "outcomes are not recorded at the end");
    Ok(found)
}

/// Reads the metrics from the start on: what nobody reads is in part not measured, as ledgers are read for them.
async fn scrape(scheduler: &Scheduler) {
    let mut every = tokio::time::interval(SCRAPE_EVERY);
    loop {
        every.tick().await;
        std::hint::black_box(scheduler.openmetrics());
    }
}

/// A job that is due each so many seconds; as many of the jobs in each second as in any other.
pub(crate) fn job(index: usize, every_s: u64, board: &Arc<Board>) -> Job {
    let board = Arc::clone(board);
    let function = move |ctx: JobContext| {
        let board = Arc::clone(&board);
        async move { board.started(index, ctx.scheduled_at().as_microsecond()) }
    };
    let every = Duration::from_secs(every_s);
    let offset = Duration::from_secs(index as u64 % every_s);
    Job::every(format!("job-{index:05}"), every, function).offset(offset)
}
