//! Retries and timeouts: runs that fail, panic or take too long.

use std::time::Duration;

use anyhow::bail;
use scheduled_one_runtime::{JobContext, LedgerEntry, Outcome, State, scheduled_one};

use crate::INTENDED;
use crate::kit::{GRACE, Notes, ledger, node, wait_for};
use crate::scene::Scene;

const JOBS: [&str; 4] = [
    "attempts/flaky",
    "attempts/buggy",
    "attempts/slow",
    "attempts/slow_each_time",
];

#[scheduled_one(
    every = "4s",
    retries = 3,
    backoff = "100ms..1s",
    retry_on = [error],
    name = "attempts/flaky"
)]
async fn flaky(ctx: JobContext, State(notes): State<Notes>) -> anyhow::Result<()> {
    notes.begin(&ctx);
    match ctx.attempt() {
        1 | 2 => bail!("the mail server is busy"),
        _ => Ok(()),
    }
}

#[scheduled_one(every = "4s", retries = 3, retry_on = [error], name = "attempts/buggy")]
async fn buggy() {
    panic!("{INTENDED}");
}

#[scheduled_one(
    every = "4s",
    timeout = "300ms",
    lease = "500ms",
    name = "attempts/slow"
)]
async fn slow() {
    std::future::pending().await
}

#[scheduled_one(
    every = "4s",
    timeout = "300ms",
    timeout_total = "900ms",
    retries = 9,
    backoff = "0s..0s",
    lease = "500ms",
    name = "attempts/slow_each_time"
)]
async fn slow_each_time(ctx: JobContext) {
    ctx.cancelled().await;
}

pub(crate) async fn play() -> anyhow::Result<Scene> {
    let notes = Notes::default();
    let node = node("attempts", "A", &JOBS, &notes).start().await?;
    for job in JOBS {
        wait_for(&node, job, |line| !line.retried).await?;
    }
    node.shutdown(GRACE).await;

    let mut scene = Scene::new("retries, backoff, retry_on, timeout, timeout_total: attempts");
    scene.say("One tick of each job.");
    let lines = async |job| ledger(&node, job).await.map(first_tick);
    retried(&mut scene, &lines(JOBS[0]).await?);
    not_retried(&mut scene, &lines(JOBS[1]).await?)?;
    timed_out(&mut scene, &lines(JOBS[2]).await?);
    timed_out_in_all(&mut scene, &lines(JOBS[3]).await?);
    Ok(scene)
}

fn retried(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(
        r#"every = "4s", retries = 3, backoff = "100ms..1s", retry_on = [error]"#,
        lines,
    );
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome, line.retried))
        .collect();
    let wanted = [
        (Outcome::Failed, true),
        (Outcome::Failed, true),
        (Outcome::Ok, false),
    ];
    scene.check(
        ends == wanted,
        "it failed, was tried again, failed, was tried again, and ended well",
    );
    scene.check(
        lines
            .iter()
            .all(|line| line.fencing_token == lines[0].fencing_token),
        "all under one lease, with one fencing token",
    );
}

fn not_retried(scene: &mut Scene, lines: &[LedgerEntry]) -> anyhow::Result<()> {
    scene.job(r#"every = "4s", retries = 3, retry_on = [error]"#, lines);
    let [line] = lines else {
        bail!("not one line: {lines:?}");
    };
    scene.check(
        line.outcome == Outcome::Panicked,
        "a panic was not tried again",
    );
    Ok(())
}

fn timed_out(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "4s", timeout = "300ms", lease = "500ms""#, lines);
    scene.check(
        lines[0].outcome == Outcome::TimedOut && took(&lines[..1]) < Duration::from_millis(800),
        "signalled after 0.3 s it did not stop, and was dropped a fifth of its lease later",
    );
}

fn timed_out_in_all(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(
        r#"every = "4s", timeout = "300ms", timeout_total = "900ms", retries = 9, backoff = "0s..0s""#,
        lines,
    );
    scene.check(
        lines.iter().all(|line| line.outcome == Outcome::TimedOut)
            && (2..=4).contains(&lines.len()),
        "each attempt was signalled after 0.3 s, and returned",
    );
    scene.check(
        took(lines) < Duration::from_millis(1_400),
        "after 0.9 s in all there were no more attempts",
    );
}

/// The lines of the first tick.
fn first_tick(mut lines: Vec<LedgerEntry>) -> Vec<LedgerEntry> {
    let first = lines.first().map(|line| line.tick);
    lines.retain(|line| Some(line.tick) == first);
    lines
}

/// From the first start to the last end.
fn took(lines: &[LedgerEntry]) -> Duration {
    let (first, last) = (lines.first(), lines.last());
    let began = first.and_then(|line| line.fired_at);
    let took = began.zip(last).map(|(began, last)| last.ended_at - began);
    took.and_then(|took| Duration::try_from(took).ok())
        .unwrap_or_default()
}
