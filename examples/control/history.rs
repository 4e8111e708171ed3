//! What was, what will be, and what is made up for.

use std::time::{Duration, SystemTime};

use scheduled_one_runtime::Outcome;
use scheduled_one_runtime::TickStatus;
use scheduled_one_runtime::control::{BackfillOnly, BackfillState, NextTicks};

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

/// The job never ends by itself, so its backfill goes on until somebody stops it.
pub(crate) async fn stop_backfill(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("pause and stop a backfill");
    let control = &world.control;
    let now = SystemTime::now();
    row.asks(r#"control.backfill("slow", six_hours).only(BackfillOnly::Never).at_a_time(1)"#);
    let begun = control.backfill("slow", now - 6 * HOUR..now);
    let begun = begun.only(BackfillOnly::Never).at_a_time(1).by("ann");
    let count = begun.await?.ticks.len();
    row.states(
        count > 2,
        format!("{count} ticks, of which no run is known, one after the other"),
    );
    let state = async || -> anyhow::Result<BackfillState> {
        let state = control.backfill_state("slow").await?;
        state.ok_or_else(|| anyhow::anyhow!("there is no backfill"))
    };
    row.asks(r#"control.pause_backfill("slow", true, "ann")"#);
    control.pause_backfill("slow", true, "ann").await?;
    row.states(
        state().await?.is_paused,
        "paused: nothing more is asked for",
    );
    control.pause_backfill("slow", false, "ann").await?;
    row.states(!state().await?.is_paused, "and it goes on");
    row.asks(r#"control.stop_backfill("slow", "ann", "wrong day")"#);
    let was_open = control.stop_backfill("slow", "ann", "wrong day").await?;
    until("what was asked for before has ended", async || {
        for run in control.open_runs("slow").await? {
            if let Some(token) = run.token {
                control.cancel("slow", token.get()).by("bob").await?;
            }
        }
        Ok(state().await?.is_over())
    })
    .await?;
    let ended = state().await?.ended;
    row.states(
        was_open && ended.contains("ann"),
        format!("it has ended before its last tick: {ended}"),
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
    let next = job.next.ticks().len();
    row.states(next == 10, format!("its next {next} ticks"));
    let manual = control.describe("import").await?.next;
    row.states(
        manual == NextTicks::Manual,
        format!("of a job that runs on request: {manual}"),
    );
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
        "pause",
        "pause",
        "resume",
        "run",
        "rerun",
        "cancel",
        "reschedule",
        "reset",
        "backfill",
        "backfill",
        "pause backfill",
        "resume backfill",
        "stop backfill",
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
