//! Pauses, runs that somebody asks for, and cancels.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_runtime::Outcome;
use scheduled_one_runtime::control::{CancelledRun, RunState};
use tokio::time::sleep;

use crate::world::{Row, World, until};

const BOUND: Duration = Duration::from_secs(20);

pub(crate) async fn pause_and_resume(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("pause, resume");
    let control = &world.control;
    until("ticks run", async || Ok(world.ok("report").await? > 1)).await?;
    row.asks(r#"control.pause("report").by("ann").note("db migration")"#);
    control
        .pause("report")
        .by("ann")
        .note("db migration")
        .await?;
    sleep(Duration::from_millis(1_200)).await; // a run that was granted before the pause ends
    let before = world.ok("report").await?;
    sleep(Duration::from_millis(2_500)).await;
    let during = world.ok("report").await?;
    row.states(
        before == during,
        format!("no tick of 2.5 s ran; {during} ran before"),
    );
    let pauses = control.describe("report").await?.pauses;
    let says = pauses
        .first()
        .map(|pause| format!("{}: {}", pause.by, pause.note));
    row.states(
        says.as_deref() == Some("ann: db migration"),
        "`describe` says who paused it and why",
    );
    row.asks(r#"control.resume("report").by("ann")"#);
    control.resume("report").by("ann").await?;
    until("ticks run again", async || {
        Ok(world.ok("report").await? > during)
    })
    .await?;
    let lines = control.history("report", 100).await?;
    let skipped: Vec<_> = lines
        .iter()
        .filter(|line| line.reason == "paused")
        .collect();
    row.states(
        skipped.len() == 1 && skipped[0].count > 1,
        "the ticks of the pause are one line: skipped, paused",
    );
    Ok(row)
}

pub(crate) async fn pause_group(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("a group");
    let control = &world.control;
    row.asks(r#"control.pause_group("billing")"#);
    control.pause_group("billing").by("ann").await?;
    let paused = async || -> anyhow::Result<Vec<String>> {
        let jobs = control.jobs().await?.into_iter();
        Ok(jobs
            .filter(|job| job.is_paused)
            .map(|job| job.job)
            .collect())
    };
    row.states(
        paused().await? == ["invoice", "report"],
        "both jobs of the group are paused",
    );
    control.resume_group("billing").by("ann").await?;
    row.asks(r#"control.resume_group("billing")"#);
    row.states(paused().await?.is_empty(), "and resumed");
    Ok(row)
}

pub(crate) async fn pause_all(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("all jobs, for a while");
    let control = &world.control;
    row.asks(r#"control.pause_all().until(in_two_seconds).by("ann")"#);
    let in_two_seconds = SystemTime::now() + Duration::from_secs(2);
    let pause = control.pause_all().until(in_two_seconds);
    pause.by("ann").await?;
    let jobs = control.jobs().await?;
    row.states(jobs.iter().all(|job| job.is_paused), "each job is paused");
    let before = world.ok("report").await?;
    until("nothing is paused", async || {
        let jobs = control.jobs().await?;
        Ok(jobs.iter().all(|job| !job.is_paused))
    })
    .await?;
    until("ticks run again", async || {
        Ok(world.ok("report").await? > before + 1)
    })
    .await?;
    row.states(true, "nobody resumed them: the pause has ended by itself");

    row.asks(r#"control.resume("invoice").catch_up()"#);
    let skipped = async || -> anyhow::Result<usize> {
        let lines = control.history("invoice", 100).await?;
        Ok(lines.iter().filter(|line| line.reason == "paused").count())
    };
    until("the ticks of that pause are recorded", async || {
        Ok(skipped().await? > 0)
    })
    .await?;
    let skipped_before = skipped().await?;
    control.pause("invoice").by("ann").await?;
    sleep(Duration::from_millis(2_500)).await;
    control.resume("invoice").catch_up().by("ann").await?;
    let resumed = world.ok("invoice").await?;
    until("ticks run again", async || {
        Ok(world.ok("invoice").await? > resumed + 1)
    })
    .await?;
    row.states(
        skipped().await? == skipped_before,
        "its ticks of the pause count as missed, not as skipped: `misfire` decides about them",
    );
    Ok(row)
}

pub(crate) async fn run(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("run now, with parameters and an id");
    let run = || {
        let run = world.control.run("import").id("deploy-42").by("ann");
        run.params_json(r#"{"customer": 42}"#)
    };
    row.asks(
        r#"control.run("import").id("deploy-42").by("ann").params_json("{\"customer\": 42}")"#,
    );
    let first = run().await?;
    let lines = first.finished(BOUND).await?;
    row.states(
        lines[0].outcome == Outcome::Ok,
        "the handle has waited for the outcome: ok",
    );
    let again = run().await?;
    row.states(
        again.already(),
        "asked for again with the same id, nothing is added",
    );
    again.finished(BOUND).await?;
    row.states(world.imported() == [42], "the customer was imported once");
    Ok(row)
}

pub(crate) async fn rerun(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("run a tick again");
    let control = &world.control;
    let lines = control.history("report", 100).await?;
    let ok = lines.iter().find(|line| line.outcome == Outcome::Ok);
    let tick = ok.map_or(0, |line| line.tick.ms());
    row.asks(r#"control.rerun("report", tick).by("ann")"#);
    let instant = UNIX_EPOCH + Duration::from_millis(tick.unsigned_abs());
    let run = control.rerun("report", instant).by("ann");
    let run = run
        .on_busy(scheduled_one_runtime::control::OnBusy::Wait)
        .await?;
    let lines = run.finished(BOUND).await?;
    row.states(
        lines[0].tick.ms() == tick && lines[0].cause.map(|cause| cause.as_str()) == Some("rerun"),
        "the function saw the same instant; the ledger says `rerun`, by ann",
    );
    Ok(row)
}

pub(crate) async fn cancel(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("cancel one run");
    let control = &world.control;
    let run = control.run("slow").by("bob").await?;
    let mut token = 0;
    for _ in 0..1_000 {
        match run.states().await?.first() {
            Some(RunState::Running { token: found }) => {
                token = *found;
                break;
            }
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
    row.asks(r#"control.cancel("slow", token).by("ann").note("wrong input")"#);
    let other = control.cancel("slow", token + 1).by("ann").await?;
    row.states(
        matches!(other, CancelledRun::Gone { .. }),
        "with another token nothing is cancelled",
    );
    control
        .cancel("slow", token)
        .by("ann")
        .note("wrong input")
        .await?;
    let lines = run.finished(BOUND).await?;
    row.states(
        lines[0].outcome == Outcome::Cancelled && lines[0].reason.contains("by ann: wrong input"),
        format!("cancelled, {}", lines[0].reason),
    );
    Ok(row)
}

pub(crate) async fn manual(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("a job that runs only on request");
    row.asks(r#"Job::manual("import", …), or #[scheduled_one(schedule = manual)]"#);
    let next = world.control.next("import", 5).await?;
    row.states(next.is_empty(), "it has no next tick");
    let lines = world.control.history("import", 100).await?;
    let are_asked_for = lines.iter().all(|line| line.cause.is_some());
    row.states(
        are_asked_for && !lines.is_empty(),
        "it ran because somebody asked for it",
    );
    Ok(row)
}
