//! The reference of most figures: tokio-cron-scheduler, in one process, without coordination.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::dormant::NEXT_YEAR;
use crate::footprint;
use crate::task::{Found, Task};
use crate::ticks::{Board, now_us};

/// Its jobs do not learn their tick, so the tick is taken to be the second in which they start: a
/// start that is more than a second late looks earlier than it is. That flatters the reference.
pub(crate) async fn lateness(task: &Task) -> Result<Found> {
    let board = Arc::new(Board::new(task));
    // Its channels drop messages when they are full; these never are.
    let mut scheduler = JobScheduler::new_with_channel_size(task.jobs * 4).await?;
    for index in 0..task.jobs {
        let board = Arc::clone(&board);
        let job = Job::new_async("* * * * * *", move |_, _| {
            let board = Arc::clone(&board);
            Box::pin(async move {
                let second_us = now_us() / 1_000_000 * 1_000_000;
                board.started(index, second_us);
            })
        })?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    tokio::time::sleep(task.settle).await;
    let found = board.watch().await?;
    scheduler.shutdown().await?;
    Ok(found)
}

/// How long a start takes with jobs of which none is due.
pub(crate) async fn start(task: &Task) -> Result<Found> {
    let began = Instant::now();
    let mut scheduler = JobScheduler::new().await?;
    for _ in 0..task.jobs {
        let job = Job::new_async(NEXT_YEAR, |_, _| Box::pin(async {}))?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    let mut found = Found::default();
    found.set("start_ms", began.elapsed().as_secs_f64() * 1000.0);
    scheduler.shutdown().await?;
    Ok(found)
}

pub(crate) async fn memory(task: &Task) -> Result<Found> {
    let before = footprint::before()?;
    let mut scheduler = JobScheduler::new().await?;
    for _ in 0..task.jobs {
        let job = Job::new_async(NEXT_YEAR, |_, _| Box::pin(async {}))?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    let found = footprint::after(before, task).await?;
    scheduler.shutdown().await?;
    Ok(found)
}
