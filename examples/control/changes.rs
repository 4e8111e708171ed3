//! Other schedules, jobs that pause themselves, and jobs that are gone.

use std::time::{Duration, SystemTime};

use scheduled_one_runtime::control::Error;
use scheduled_one_runtime::{Job, JobContext, Scheduler};

use crate::world::{GRACE, Row, STORE, World, until};

const MINUTE: Duration = Duration::from_secs(60);
/// The job of a release that is dropped later.
const FRAGILE: &str = "fragile";

pub(crate) async fn reschedule(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("reschedule, reset");
    let control = &world.control;
    let apart = async || -> anyhow::Result<Duration> {
        let next = control.next("slow", 2).await?;
        Ok(next[1].duration_since(next[0])?)
    };
    row.asks(r#"control.reschedule("slow", "every 5m").by("ann")"#);
    let change = control.reschedule("slow", "every 5m").by("ann");
    let preview = change.clone().preview().await?;
    row.states(
        !preview.already && apart().await? == 60 * MINUTE,
        "`preview` shows its next ticks, and changes nothing",
    );
    change.await?;
    row.states(
        apart().await? == 5 * MINUTE,
        "each hour in the code, and now every 5 minutes, on all nodes",
    );
    let now = SystemTime::now();
    row.asks(r#"control.matching("slow", hour)"#);
    let hour = control.matching("slow", now..now + 60 * MINUTE).await?;
    row.states(
        hour.len() >= 11,
        format!("what it would do in the next hour: {} ticks", hour.len()),
    );
    row.asks(r#"control.reset("slow").by("ann")"#);
    control.reset("slow").by("ann").await?;
    row.states(
        apart().await? == 60 * MINUTE,
        "the schedule in the code is in force again",
    );
    Ok(row)
}

/// A node of another release, whose job always fails.
async fn fragile() -> anyhow::Result<Scheduler> {
    let second = Duration::from_secs(1);
    let job = Job::every(FRAGILE, second, |_: JobContext| async {
        Err::<(), _>("no disk space")
    });
    let builder = Scheduler::builder(STORE).node_name("C").lease(second);
    let builder = builder.only([FRAGILE]).job(job.pause_after(2));
    Ok(Box::pin(builder.start()).await?)
}

pub(crate) async fn pause_after_and_forget(world: &World) -> anyhow::Result<[Row; 2]> {
    let control = &world.control;
    let node = fragile().await?;
    let mut failures = Row::new("failures in a row");
    failures
        .asks(r#"Job::every("fragile", …).pause_after(2), or pause_after = 2 in the attribute"#);
    until("the job is paused", async || {
        Ok(!control.describe(FRAGILE).await?.pauses.is_empty())
    })
    .await?;
    let pauses = control.describe(FRAGILE).await?.pauses;
    failures.states(
        pauses[0].note.contains("no disk space"),
        format!("two failures have paused it: {}", pauses[0].note),
    );

    let mut row = Row::new("forget a job that no node has");
    row.asks(r#"control.forget("fragile").by("ann")"#);
    let refused = control.forget(FRAGILE).by("ann").await;
    row.states(
        matches!(&refused, Err(Error::NotGone { nodes, .. }) if nodes == &["C"]),
        "refused while a node has it: C",
    );
    node.shutdown(GRACE).await;
    row.asks("control.gone()");
    let gone = control.gone().await?;
    row.states(
        gone.len() == 1 && gone[0].job == FRAGILE && gone[0].ledger_lines > 0,
        format!(
            "its node is gone, and it left {} ledger lines and a pause",
            gone.first().map_or(0, |job| job.ledger_lines)
        ),
    );
    control.forget(FRAGILE).by("ann").note("release 8").await?;
    let is_unknown = matches!(
        control.describe(FRAGILE).await,
        Err(Error::UnknownJob { .. })
    );
    row.states(
        is_unknown && control.gone().await?.is_empty(),
        "nothing is left of it: a job of that name is a new one",
    );
    Ok([failures, row])
}
