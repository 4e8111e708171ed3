//! The jobs of the service. Nothing refers to these functions: the attribute makes them known to
//! `Scheduler::builder` in `main.rs`.
//!
//! As a crate of its own, this module would need `use my_jobs as _;` in the crate of `main`: otherwise the linker would
//! drop it.

use std::time::Duration;

use scheduled_one_runtime::{JobContext, State, scheduled_one};
use tracing::info;

use crate::db::Db;

/// Errors end up in the ledger and in the log, and the next tick runs as usual.
#[scheduled_one(
    every = "5s",
    name = "rollup",
    timeout = "3s",
    description = "Adds fresh visits to the total"
)]
async fn rollup(State(db): State<Db>) -> anyhow::Result<()> {
    let fresh = db.roll_up().await?;
    info!(fresh, "rolled up"); // the log line carries job, tick, node and token: see its span
    Ok(())
}

/// Cron fields: second, minute, hour, day, month, weekday. Daylight saving is taken care of.
#[scheduled_one(
    cron = "0 0 9 * * MON",
    tz = "Asia/Shanghai",
    name = "weekly_report",
    description = "Mails the figures of the week"
)]
async fn weekly_report(ctx: JobContext, State(db): State<Db>) -> anyhow::Result<()> {
    // The day of the tick, not today: a late start must not report on another week.
    let monday = ctx.scheduled_at_local().date();
    let (total, _) = db.visits().await?;
    info!(%monday, total, "weekly report");
    Ok(())
}

/// The job works in steps, and stops between two of them once it is signalled: because the service shuts down, or
/// because the lease cannot be proven any more.
#[scheduled_one(
    cron = "*/20 * * * * *",
    name = "reindex",
    description = "Rebuilds the search index, shard by shard"
)]
async fn reindex(ctx: JobContext) -> anyhow::Result<()> {
    const SHARDS: u32 = 12;
    for shard in 0..SHARDS {
        if ctx.is_cancelled() {
            anyhow::bail!("stopped after {shard} of {SHARDS} shards");
        }
        tokio::time::sleep(Duration::from_millis(500)).await; // the work
    }
    info!(shards = SHARDS, "reindexed");
    Ok(())
}

/// It fails in each second minute, so that there is something to be alerted to.
#[scheduled_one(
    every = "5s",
    name = "flaky",
    description = "Fails for a minute, then is well for a minute",
    alert(failed = 3, runbook = "https://wiki.example/flaky")
)]
async fn flaky(ctx: JobContext) -> anyhow::Result<()> {
    let minute = ctx.scheduled_at().as_second() / 60;
    anyhow::ensure!(minute % 2 == 1, "the other service is away");
    Ok(())
}
