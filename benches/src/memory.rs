//! What a registered job costs in memory: how much more of it is in RAM when so many are started.

use std::time::Duration;

use anyhow::Result;
use scheduled_one_runtime::{Job, Scheduler};
use test_support::RedisServer;

use crate::child::{self, Found, Task};
use crate::options::Scale;
use crate::process;
use crate::report::{Bound, Row, number};

/// A schedule whose tick does not come while something is measured (but at New Year).
pub(crate) const NEXT_YEAR: &str = "0 0 0 1 1 *";

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[3];
    let redis = RedisServer::start()?;
    let ours = child::run("memory", &Task::new(&redis.url(), jobs, scale))?;
    drop(redis);
    let peer = child::run("peer-memory", &Task::new("", jobs, scale))?;
    let row = |what: &str, name: &str, unit, bound| -> Result<Row> {
        let figure = format!("{what}, {} cron jobs", number(jobs as f64));
        Ok(Row::new(figure, unit, bound, ours.get(name)?).beside(peer.get(name)?))
    };
    Ok(vec![
        row("memory of a job", "bytes", "B", Bound::AtMost(1024.0))?,
        row("time to register and start", "seconds", "s", Bound::None)?,
    ])
}

/// Starts many jobs; in the child.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let before = before()?;
    let mut builder = Scheduler::builder(&task.url)
        .namespace("bench")
        .lease(task.lease);
    for index in 0..task.jobs {
        builder = builder.job(dormant(index));
    }
    let scheduler = builder.start().await?;
    let found = after(before, task).await?;
    scheduler.shutdown(Duration::ZERO).await;
    Ok(found)
}

/// A job that is not due.
pub(crate) fn dormant(index: usize) -> Job {
    Job::cron(format!("job-{index:06}"), NEXT_YEAR, || async {})
}

/// What was before the jobs.
pub(crate) struct Before {
    bytes: u64,
    began: std::time::Instant,
}

pub(crate) fn before() -> Result<Before> {
    Ok(Before {
        bytes: process::resident_bytes()?,
        began: std::time::Instant::now(),
    })
}

/// What each job added.
pub(crate) async fn after(before: Before, task: &Task) -> Result<Found> {
    let mut found = Found::default();
    found.set("seconds", before.began.elapsed().as_secs_f64());
    tokio::time::sleep(task.settle).await;
    let bytes = process::resident_bytes()?.saturating_sub(before.bytes);
    found.set("bytes", bytes as f64 / task.jobs as f64);
    Ok(found)
}
