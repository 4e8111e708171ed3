//! Many jobs on real servers: what buckets bring on a Redis Cluster, how long a start takes, and how long it takes
//! after
//! the store has lost everything until jobs run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scheduled_one_runtime::{Job, JobContext, Scheduler};
use test_support::{RedisCluster, RedisServer};

use crate::child;
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::ticks::now_us;

/// Numbers of buckets; the first is the reference of the others.
const BUCKETS: [i64; 3] = [1, 3, 6];
/// Of each job of the figure `failover`. Jobs are due in so many groups, one each second.
const PERIOD_S: u64 = 20;
/// How long jobs may take to run again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Half of the jobs of the figure `burst`, each second, on a Redis Cluster of three primaries.
pub(crate) fn buckets(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[1] / 2;
    let mut rows = Vec::new();
    let mut first: Option<[f64; 4]> = None;
    for buckets in BUCKETS {
        let cluster = RedisCluster::start()?;
        let mut task = Task::new(&cluster.url(), jobs, scale);
        task.from_s = buckets;
        let before = busy_s(&cluster)?;
        let began = Instant::now();
        let found = child::run("lateness", &task)?;
        let took_s = began.elapsed().as_secs_f64();
        let after = busy_s(&cluster)?;
        ensure!(found.get("twice")? == 0.0, "a tick ran twice");
        let busy = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after - before);
        let busiest = busy.clone().fold(0.0, f64::max);
        let all: f64 = busy.sum();
        let measured = [
            found.get("p50_us")? / 1000.0,
            found.get("p99_us")? / 1000.0,
            100.0 * busiest / took_s,
            100.0 * all / took_s,
        ];
        let names = [
            ("lateness p50", "ms"),
            ("lateness p99", "ms"),
            ("processor of the busiest primary", "% of a core"),
            ("processor of all servers", "% of a core"),
        ];
        for (nth, (name, unit)) in names.into_iter().enumerate() {
            let jobs = number(jobs as f64);
            let figure =
                format!("Redis Cluster, {jobs} jobs each second, buckets({buckets}): {name}");
            let row = Row::new(figure, unit, Bound::None, measured[nth]);
            rows.push(row.maybe_beside(first.map(|first| first[nth])));
        }
        first = first.or(Some(measured));
    }
    Ok(rows)
}

/// Processor time of each server so far.
fn busy_s(cluster: &RedisCluster) -> Result<Vec<f64>> {
    let of_server = |server: &RedisServer| -> Result<f64> {
        let cpu = server.command(&["INFO", "cpu"])?;
        let of = |name: &str| -> f64 {
            let line = cpu.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or(0.0)
        };
        Ok(of("used_cpu_user:") + of("used_cpu_sys:"))
    };
    cluster.servers().iter().map(of_server).collect()
}

/// `Scheduler::start` on a real Redis, next to the start of the reference, which has no store.
pub(crate) fn start(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[2];
    let redis = RedisServer::start()?;
    let task = Task::new(&redis.url(), jobs, scale);
    // The first start makes the records, the second finds them.
    let (new, known) = (child::run("start", &task)?, child::run("start", &task)?);
    let peer = child::run("peer-start", &task)?.get("start_ms")?;
    let row = |what: &str, found: &Found| -> Result<Row> {
        let figure = format!("start on Redis, {} jobs, {what}", number(jobs as f64));
        let row = Row::new(figure, "ms", Bound::None, found.get("start_ms")?);
        Ok(row.beside(peer))
    };
    Ok(vec![
        row("of an empty namespace", &new)?,
        row("of a known one", &known)?,
    ])
}

/// In a child: starts, and ends at once.
pub(crate) async fn ours_start(task: &Task) -> Result<Found> {
    let began = Instant::now();
    let mut builder = Scheduler::builder(&task.url).lease(task.lease);
    for number in 0..task.jobs {
        let name = format!("job-{number:06}");
        builder = builder.job(Job::cron(name, "0 0 3 * * *", || async {}));
    }
    let scheduler = builder.start().await?;
    let mut found = Found::default();
    found.set("start_ms", began.elapsed().as_secs_f64() * 1000.0);
    scheduler.shutdown(Duration::from_secs(1)).await;
    Ok(found)
}

/// The store forgets 100,000 units while they run. Redis has as many records again as units are registered, so the
/// parent
/// sees when all of them are.
pub(crate) fn failover(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[3];
    let redis = RedisServer::start()?;
    let task = Task::new(&redis.url(), jobs, scale);
    let watch = || -> Result<f64> {
        redis.command(&["FLUSHALL"])?;
        let began = Instant::now();
        loop {
            let keys: usize = redis.command(&["DBSIZE"])?.trim().parse()?;
            // Each job has a record.
            if keys >= jobs {
                return Ok(began.elapsed().as_secs_f64());
            }
            ensure!(began.elapsed() < PATIENCE, "{keys} keys after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let (found, registered_s) = child::run_watched("failover", &task, watch)?;
    let quarantine_s = task.lease.as_secs_f64() + 1.0;
    let figure = |what: &str| format!("the store forgets {} units: {what}", number(jobs as f64));
    Ok(vec![
        Row::new(
            figure("until all are registered again (the quarantine)"),
            "s",
            Bound::AtMost(quarantine_s),
            registered_s,
        ),
        Row::new(
            figure("until the first tick starts"),
            "s",
            Bound::None,
            found.get("first_s")?,
        ),
        Row::new(
            figure(&format!(
                "until each has run again (each is due every {PERIOD_S} s)"
            )),
            "s",
            Bound::None,
            found.get("all_s")?,
        ),
        Row::new(
            figure("ticks that started twice"),
            "",
            Bound::AtMost(0.0),
            found.get("twice")?,
        ),
    ])
}

/// The newest starts of jobs.
struct Newest {
    /// The newest tick that started, by job.
    ticks: Vec<AtomicI64>,
    /// Starts of ticks that are not newer.
    twice: AtomicU64,
    /// The first start since the last reset, in µs.
    first_us: AtomicI64,
}

/// In a child: runs jobs, says that it does, and waits until all of them have run again after a loss.
pub(crate) async fn ours_failover(task: &Task) -> Result<Found> {
    let newest = Arc::new(Newest {
        ticks: (0..task.jobs).map(|_| AtomicI64::new(0)).collect(),
        twice: AtomicU64::new(0),
        first_us: AtomicI64::new(i64::MAX),
    });
    let mut builder = Scheduler::builder(&task.url).lease(task.lease);
    for number in 0..task.jobs {
        let newest = Arc::clone(&newest);
        let function = move |ctx: JobContext| {
            let tick_ms = ctx.scheduled_at().as_millisecond();
            if newest.ticks[number].swap(tick_ms, Ordering::Relaxed) >= tick_ms {
                newest.twice.fetch_add(1, Ordering::Relaxed);
            }
            newest.first_us.fetch_min(now_us(), Ordering::Relaxed);
            async {}
        };
        let job = Job::every(
            format!("job-{number:06}"),
            Duration::from_secs(PERIOD_S),
            function,
        );
        builder = builder.job(job.offset(Duration::from_secs(number as u64 % PERIOD_S)));
    }
    let scheduler = builder.start().await?;
    let period = Duration::from_secs(PERIOD_S);
    tokio::time::sleep(task.lease + Duration::from_secs(1) + period + task.settle).await;
    child::signal_ready();
    let lost_us = now_us();
    // Runs that were granted before the loss may still start.
    tokio::time::sleep(task.lease / 2).await;
    newest.first_us.store(i64::MAX, Ordering::Relaxed);
    let began_ms = lost_us / 1000 + task.lease.as_millis() as i64 / 2;
    let mut found = Found::default();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let ticks = newest.ticks.iter().map(|tick| tick.load(Ordering::Relaxed));
        if ticks.min().is_some_and(|oldest| oldest >= began_ms) {
            break;
        }
        let left = PATIENCE.as_micros() as i64 - (now_us() - lost_us);
        ensure!(left > 0, "not all jobs have run again after {PATIENCE:?}");
    }
    let first_us = newest.first_us.load(Ordering::Relaxed);
    found.set("first_s", (first_us - lost_us) as f64 / 1e6);
    found.set("all_s", (now_us() - lost_us) as f64 / 1e6);
    found.set("twice", newest.twice.load(Ordering::Relaxed) as f64);
    scheduler.shutdown(Duration::from_secs(1)).await;
    Ok(found)
}
