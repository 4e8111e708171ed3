//! The console: how long the page of jobs takes with many jobs, next to one with few. The bound is for 10,000 jobs; of
//! 100,000, the page is measured without one: it lists all jobs of the namespace, to search in them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::request::Parts;
use http::{Request, StatusCode};
use scheduled_one_console::access::{Decision, User};
use scheduled_one_console::{Console, Rights};
use scheduled_one_runtime::Scheduler;
use test_support::RedisServer;
use tower::ServiceExt as _;

use crate::child;
use crate::dormant::dormant;
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};

/// Jobs of the reference: one page.
const FEW: usize = 50;
const REQUESTS: usize = 50;

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let [_, jobs, _, most] = scale.jobs;
    let of = |jobs: usize| -> Result<Found> {
        let redis = RedisServer::start()?;
        child::run("console", &Task::new(&redis.url(), jobs, scale))
    };
    let reference = of(FEW)?;
    let mut rows = Vec::new();
    for (jobs, bound) in [(jobs, Bound::AtMost(200.0)), (most, Bound::None)] {
        let ours = of(jobs)?;
        let row = |what: &str, name: &str, bound| -> Result<Row> {
            let jobs = number(jobs as f64);
            let figure = format!("console, first byte of Jobs, {jobs} jobs, {what}");
            Ok(Row::new(figure, "ms", bound, ours.get(name)?).beside(reference.get(name)?))
        };
        rows.push(row("median", "median_ms", bound)?);
        rows.push(row("slowest", "slowest_ms", Bound::None)?);
    }
    Ok(rows)
}

fn everybody(_: &Parts) -> Decision {
    Decision::Allow(User::new("bench", Rights::all()))
}

/// In a child process: a scheduler with many jobs, and requests to its console, one after the other.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let builder = Scheduler::builder(&task.url)
        .namespace("bench")
        .lease(task.lease);
    let builder = (0..task.jobs).fold(builder, |builder, index| builder.job(dormant(index)));
    let scheduler = builder.start().await?;
    let control = scheduler.control()?;
    while control
        .jobs()
        .await?
        .iter()
        .filter(|job| job.cataloged.is_some())
        .count()
        < task.jobs
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let console = Console::new(control).access(everybody);
    let mut took = Vec::new();
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let request = Request::builder().uri("/").body(String::new())?;
        let answer = console.clone().oneshot(request).await?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(
            answer.status() == StatusCode::OK,
            "the page is {}",
            answer.status()
        );
    }
    took.sort_by(f64::total_cmp);
    let mut found = Found::default();
    found.set("median_ms", took[took.len() / 2]);
    found.set("slowest_ms", took[took.len() - 1]);
    scheduler.shutdown(Duration::ZERO).await;
    Ok(found)
}
