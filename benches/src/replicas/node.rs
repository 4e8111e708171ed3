//! The nodes of one process, in a child; and what they count in the window.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use scheduled_one_runtime::{MetricValue, Route, Scheduler, SchedulerBuilder};

use crate::lateness;
use crate::task::{Found, Task};
use crate::ticks::{Board, now_us};

/// Prefix of the names under which a node reports its histogram.
pub(crate) const LATE: &str = "late_";
/// Name under which it reports how many claims it sent for the ticks of the window.
pub(crate) const CLAIMS: &str = "claims";
/// What a start takes at least: one node starts 200 runs within a millisecond.
const START_US: i64 = 4;
/// Claims are counted from so long before the window on, and until so long before its end: they are sent ahead.
const AHEAD_S: f64 = 0.5;

/// Runs the nodes of one process; in a child. `route`: on which node a job is run.
pub(crate) async fn run(task: &Task, route: Route) -> Result<Found> {
    let board = Arc::new(Board::new(task));
    let mut nodes = Vec::new();
    for _ in 0..task.nodes {
        nodes.push(builder_of(task, &board, route).start().await?);
    }
    let claims = claims_in_window(task, &nodes);
    let (found, claims) = tokio::join!(watch(task, &board), claims);
    let mut found = found?;
    found.set(CLAIMS, claims);
    for node in nodes {
        node.shutdown(Duration::from_secs(1)).await;
    }
    Ok(found)
}

/// A node with the jobs of the task.
pub(crate) fn builder(task: &Task, board: &Arc<Board>) -> SchedulerBuilder {
    builder_of(task, board, Route::default())
}

fn builder_of(task: &Task, board: &Arc<Board>, route: Route) -> SchedulerBuilder {
    let mut builder = Scheduler::builder(&task.url)
        .namespace(&task.namespace)
        .lease(task.lease);
    for index in 0..task.jobs {
        builder = builder.job(lateness::job(index, task.every_s, board).route(route));
    }
    builder
}

/// Sleeps until each tick, and notes when it was woken, once for each job, one after the other; in a child.
pub(crate) async fn sleep(task: &Task) -> Result<Found> {
    let board = Arc::new(Board::new(task));
    let (of_thread, jobs, ticks) = (Arc::clone(&board), task.jobs, 0..task.seconds as i64);
    let from_s = task.from_s;
    let thread = std::thread::spawn(move || {
        for tick_us in ticks.map(|tick| (from_s + tick) * 1_000_000) {
            let left_us = tick_us - now_us();
            std::thread::sleep(Duration::from_micros(left_us.max(0) as u64));
            for job in 0..jobs {
                of_thread.started(job, tick_us);
                let until_us = now_us() + START_US;
                while now_us() < until_us {}
            }
        }
    });
    let found = watch(task, &board).await;
    thread.join().expect("it does not panic");
    found
}

/// Waits for the end of the window, and returns how late its starts were.
pub(crate) async fn watch(task: &Task, board: &Board) -> Result<Found> {
    let mut found = Found::default();
    found.set(CLAIMS, 0.0);
    for (late_us, count) in board.watch_from(task.from_s).await? {
        found.set(&format!("{LATE}{late_us}"), count as f64);
    }
    Ok(found)
}

/// How many claims of the ticks of the window have had a reply.
async fn claims_in_window(task: &Task, nodes: &[Scheduler]) -> f64 {
    let claims = || -> f64 {
        let families = nodes.iter().flat_map(Scheduler::metrics);
        let of_claims = families.filter(|family| family.name == "scheduled_one_claims");
        let values = of_claims.flat_map(|family| family.samples);
        let number = |value| match value {
            MetricValue::Number(number) => number,
            _ => 0.0,
        };
        values.map(|sample| number(sample.value)).sum()
    };
    wait_until(task.from_s as f64 - AHEAD_S).await;
    let before = claims();
    wait_until((task.from_s + task.seconds as i64) as f64 - AHEAD_S).await;
    claims() - before
}

pub(crate) async fn wait_until(instant_s: f64) {
    let left_s = instant_s - now_us() as f64 / 1e6;
    tokio::time::sleep(Duration::from_secs_f64(left_s.max(0.0))).await;
}
