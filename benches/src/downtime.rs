//! After a downtime of all nodes: how long until each job starts on time again, next to a restart after a second.
//!
//! The embedded store, because its clock can be moved ahead by hours; the rest is real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scheduled_one_protocol::BoxFuture;
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::{Job, JobContext, Scheduler};

use crate::child;
use crate::options::Scale;
use crate::process;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};

const DOWNTIME_S: i64 = 8 * 3600;
/// A start that is less late is on time: clearly before the next tick, on a busy machine, too.
const ON_TIME_MS: i64 = 900;
/// When the measurement gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[1];
    let after = |downtime_s: i64| {
        let mut task = Task::new("", jobs, scale);
        task.from_s = downtime_s;
        child::run("downtime", &task)
    };
    let (hours, second) = (after(DOWNTIME_S)?, after(1)?);
    let row = |what: &str, name: &str, unit, bound| -> Result<Row> {
        let figure = format!(
            "8 h of downtime, next to 1 s, {} jobs, each second: {what}",
            number(jobs as f64)
        );
        Ok(Row::new(figure, unit, bound, hours.get(name)?).beside(second.get(name)?))
    };
    Ok(vec![
        row(
            "started → all are on time",
            "back_ms",
            "ms",
            Bound::AtMost(2_000.0),
        )?,
        row("processor until then", "cpu_ms", "ms", Bound::None)?,
        row("time to start", "start_ms", "ms", Bound::None)?,
    ])
}

/// The clocks of the machine, moved ahead.
#[derive(Clone, Debug, Default)]
struct Ahead {
    seconds: Arc<AtomicU64>,
}

impl Ahead {
    fn ahead(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }
}

impl Clock for Ahead {
    fn boottime(&self) -> Duration {
        SystemClock.boottime() + self.ahead()
    }

    fn wall(&self) -> Duration {
        SystemClock.wall() + self.ahead()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time)
    }
}

/// In a child process: stops, moves the clock, and starts again. `from_s` is the length of the downtime in seconds.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let clock = Ahead::default();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let began = Instant::now();
    // When each job started on time for the first time, in ms since the measurement began; before that, less than 0.
    let on_time: Arc<Vec<AtomicI64>> =
        Arc::new((0..task.jobs).map(|_| AtomicI64::new(-1)).collect());
    let start = async || {
        let mut builder = Scheduler::builder("memory://")
            .clock(clock.clone())
            .lease(task.lease);
        builder = builder.store(store.clone());
        for number in 0..task.jobs {
            let (clock, on_time) = (clock.clone(), Arc::clone(&on_time));
            let function = move |ctx: JobContext| {
                let late_ms = clock.wall().as_millis() as i64 - ctx.scheduled_at().as_millisecond();
                let now_ms = began.elapsed().as_millis() as i64;
                if late_ms <= ON_TIME_MS {
                    let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
                    let _ = on_time[number].compare_exchange(-1, now_ms, set, read);
                }
                async {}
            };
            builder = builder.job(Job::cron(
                format!("job-{number:05}"),
                "* * * * * *",
                function,
            ));
        }
        builder.start().await
    };
    let first = start().await?;
    tokio::time::sleep(task.settle).await;
    ensure!(
        first.shutdown(PATIENCE).await.recorded,
        "outcomes are not recorded"
    );
    clock.seconds.store(task.from_s as u64, Ordering::Relaxed);
    on_time
        .iter()
        .for_each(|first| first.store(-1, Ordering::Relaxed));

    let (before, cpu_before) = (Instant::now(), process::cpu_time()?);
    let second = start().await?;
    let mut found = Found::default();
    found.set("start_ms", before.elapsed().as_secs_f64() * 1000.0);
    let started_ms = began.elapsed().as_millis() as i64;
    let last_ms = loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let firsts = on_time.iter().map(|first| first.load(Ordering::Relaxed));
        if let Some(last_ms) = firsts
            .clone()
            .max()
            .filter(|_| firsts.clone().all(|first| first >= 0))
        {
            break last_ms;
        }
        ensure!(
            before.elapsed() < PATIENCE,
            "not all jobs are on time after {PATIENCE:?}"
        );
    };
    let cpu = process::cpu_time()?.saturating_sub(cpu_before);
    found.set("cpu_ms", cpu.as_secs_f64() * 1000.0);
    found.set("back_ms", (last_ms - started_ms) as f64);
    second.shutdown(Duration::from_secs(1)).await;
    Ok(found)
}
