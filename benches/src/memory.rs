//! Memory of a registered job: the growth of the resident set at the start of many jobs, divided by their number.

use std::time::Duration;

use anyhow::Result;
use scheduled_one_runtime::Scheduler;
use test_support::RedisServer;

use crate::child;
use crate::dormant::dormant;
use crate::footprint::{after, before};
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};

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

/// In a child process: starts many jobs.
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
