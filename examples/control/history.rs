//! What was, what will be, and what is made up for.

use std::time::{Duration, SystemTime};

use scheduled_one_runtime::Outcome;
use scheduled_one_runtime::TickStatus;

use crate::world::{Row, World, until};

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn next(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("next, matching");
    let control = &world.control;
    row.asks(r#"control.next("report", 3), control.matching("report", hour)"#);
    let next = control.next("report", 3).await?;
    let is_each_second = next
        .windows(2)
        .all(|two| two[0] + Duration::from_secs(1) == two[1]);
    row.states(
        next.len() == 3 && is_each_second,
        "the next ticks, one a second",
    );
    let now = SystemTime::now();
    let hour = control.matching("slow", now..now + HOUR).await?;
    row.states(hour.len() == 1, "the ticks of a range: one in an hour");
    Ok(row)
}

pub(crate) async fn backfill(world: &mut World) -> anyhow::Result<Row> {
    let mut row = Row::new("backfill");
    let from = SystemTime::now();
    world.outage(Duration::from_secs(5)).await?;
    let control = &world.control;
    until("the outage is recorded", async || {
        let audit = control.audit("report", from..SystemTime::now()).await?;
        Ok(audit
            .iter()
            .any(|tick| tick.status == TickStatus::Decided(Outcome::Missed)))
    })
    .await?;
    row.asks(r#"control.backfill("report", outage).dry_run()"#);
    let range = from..SystemTime::now();
    let planned = control.backfill("report", range.clone()).dry_run().await?;
    let count = planned.ticks.len();
    row.states(
        count >= 3,
        format!("nodes were down for 5 s: {count} ticks were missed"),
    );
    row.asks(r#"control.backfill("report", outage).by("ann").note("outage")"#);
    let begun = control
        .backfill("report", range.clone())
        .by("ann")
        .note("outage")
        .await?;
    row.states(
        begun.ticks == planned.ticks,
        "it runs what the dry run has listed",
    );
    until("the backfill is over", async || {
        let state = control.backfill_state("report").await?;
        Ok(state.is_some_and(|state| state.is_over()))
    })
    .await?;
    let lines = control.history("report", 100).await?;
    let of_backfill = lines
        .iter()
        .filter(|line| line.cause.map(|cause| cause.as_str()) == Some("backfill"));
    row.states(
        of_backfill.count() == count,
        "each ran once, as a request with its instant",
    );
    let again = control.backfill("report", range).await?;
    row.states(
        again.ticks.is_empty(),
        "asked for again, there is nothing left to run",
    );
    Ok(row)
}

pub(crate) async fn describe(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("describe");
    let control = &world.control;
    row.asks(r#"control.describe("report")"#);
    until("both nodes are known", async || {
        let nodes = control.describe("report").await?.nodes;
        Ok(nodes.values().map(Vec::len).sum::<usize>() == 2)
    })
    .await?;
    let job = control.describe("report").await?;
    let schedule = job.cataloged.as_ref().map(|job| job.schedule.as_str());
    row.states(
        !job.drifts(),
        format!("schedule, on both nodes: {}", schedule.unwrap_or("?")),
    );
    row.states(!job.newest.is_empty(), "its newest lines");
    Ok(row)
}

pub(crate) async fn trail(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("the trail");
    row.asks(r#"control.trail().actor("ann")"#);
    let trail = world.control.trail().actor("ann").await?;
    let actions: Vec<&str> = trail
        .entries
        .iter()
        .map(|entry| entry.action.as_str())
        .collect();
    let expected = [
        "pause",
        "resume",
        "pause",
        "pause",
        "resume",
        "resume",
        "run",
        "rerun",
        "cancel",
        "reschedule",
        "reset",
        "backfill",
        "forget",
    ];
    row.states(
        actions == expected,
        format!("what ann did: {}", actions.join(", ")),
    );
    let news = world.control.trail().after(trail.cursor).await?;
    row.states(
        news.entries.is_empty(),
        "nothing is behind the cursor of the last entry",
    );
    Ok(row)
}
