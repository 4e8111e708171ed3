//! Overlap: a tick comes due while the run before it is active, on any node.

use std::time::Duration;

use scheduled_one_runtime::{JobContext, LedgerEntry, Outcome, Scheduler, State, scheduled_one};
use tokio::time::sleep;

use crate::kit::{GRACE, Notes, ledger, node};
use crate::scene::Scene;

/// Duration of a run: much longer than the period of the jobs, which is a second.
const TAKES: Duration = Duration::from_millis(2_400);
/// A run that is later than this has waited.
const WAITED: Duration = Duration::from_millis(500);
const JOBS: [&str; 5] = [
    "overlap/skip",
    "overlap/queue_one",
    "overlap/queue_all",
    "overlap/cancel_running",
    "overlap/allow",
];

#[scheduled_one(every = "1s", overlap = skip, name = "overlap/skip")]
async fn skip(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

#[scheduled_one(every = "1s", overlap = queue_one, name = "overlap/queue_one")]
async fn queue_one(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

#[scheduled_one(every = "1s", overlap = queue_all(3), name = "overlap/queue_all")]
async fn queue_all(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

/// A run is signalled by the reply to its next renewal.
#[scheduled_one(every = "1s", overlap = cancel_running, lease = "1s", name = "overlap/cancel_running")]
async fn cancel_running(ctx: JobContext, State(notes): State<Notes>) {
    tokio::select! {
        () = work(&ctx, &notes) => {}
        () = ctx.cancelled() => {}
    }
}

#[scheduled_one(every = "1s", overlap = allow(2), name = "overlap/allow")]
async fn allow(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

async fn work(ctx: &JobContext, notes: &Notes) {
    let _going = notes.begin(ctx);
    sleep(TAKES).await;
}

pub(crate) async fn play() -> anyhow::Result<Scene> {
    let notes = Notes::default();
    let a = node("overlap", "A", &JOBS, &notes).start().await?;
    let b = node("overlap", "B", &JOBS, &notes).start().await?;
    sleep(Duration::from_secs(8)).await;
    tokio::join!(a.shutdown(GRACE), b.shutdown(GRACE));
    let mut scene = Scene::new("overlap: the run before is still going");
    scene.say("Two nodes, A and B, for 8 s. The jobs are due each second and take 2.4 s.");
    describe(&mut scene, &a, &notes).await?;
    Ok(scene)
}

async fn describe(scene: &mut Scene, node: &Scheduler, notes: &Notes) -> anyhow::Result<()> {
    skips(scene, &ledger(node, "overlap/skip").await?, notes);
    queues_one(scene, &ledger(node, "overlap/queue_one").await?, notes);
    queues_three(scene, &ledger(node, "overlap/queue_all").await?, notes);
    cancels(scene, &ledger(node, "overlap/cancel_running").await?, notes);
    allows_two(scene, &ledger(node, "overlap/allow").await?, notes);
    Ok(())
}

fn skips(scene: &mut Scene, lines: &[LedgerEntry], notes: &Notes) {
    scene.job(r#"every = "1s", overlap = skip"#, lines);
    scene.check(
        skipped(lines, "overlap"),
        "ticks were skipped while a run was going",
    );
    scene.check(!late(lines, WAITED), "what ran, ran on time");
    scene.check(
        notes.most_at_once("overlap/skip") == 1,
        "no two runs at once",
    );
}

fn queues_one(scene: &mut Scene, lines: &[LedgerEntry], notes: &Notes) {
    scene.job(r#"every = "1s", overlap = queue_one"#, lines);
    scene.check(
        late(lines, WAITED),
        "a tick waited for the run before it, and ran late",
    );
    scene.check(
        skipped(lines, "queue full"),
        "while one waited, others were skipped",
    );
    scene.check(
        notes.most_at_once("overlap/queue_one") == 1,
        "no two runs at once",
    );
}

fn queues_three(scene: &mut Scene, lines: &[LedgerEntry], notes: &Notes) {
    scene.job(r#"every = "1s", overlap = queue_all(3)"#, lines);
    scene.check(late(lines, TAKES), "a tick waited for more than one run");
    scene.check(
        skipped(lines, "queue full"),
        "while three waited, others were skipped",
    );
    scene.check(
        notes.most_at_once("overlap/queue_all") == 1,
        "no two runs at once",
    );
}

fn cancels(scene: &mut Scene, lines: &[LedgerEntry], notes: &Notes) {
    scene.job(
        r#"every = "1s", overlap = cancel_running, lease = "1s""#,
        lines,
    );
    let superseded = |line: &LedgerEntry| {
        line.outcome == Outcome::Cancelled && line.reason.starts_with("superseded by the next tick")
    };
    scene.check(
        lines.iter().any(superseded),
        "runs were cancelled by the next tick",
    );
    scene.check(
        notes.most_at_once("overlap/cancel_running") == 1,
        "which began when they had ended",
    );
}

fn allows_two(scene: &mut Scene, lines: &[LedgerEntry], notes: &Notes) {
    scene.job(r#"every = "1s", overlap = allow(2)"#, lines);
    scene.check(
        notes.most_at_once("overlap/allow") == 2,
        "two runs went at once, not three",
    );
    scene.check(
        skipped(lines, "overlap"),
        "while two were going, others were skipped",
    );
}

/// Whether a tick was skipped for this reason.
fn skipped(lines: &[LedgerEntry], why: &str) -> bool {
    let skipped = |line: &LedgerEntry| line.outcome == Outcome::Skipped && line.reason == why;
    lines.iter().any(skipped)
}

/// Whether a run started later than `least` after its tick.
fn late(lines: &[LedgerEntry], least: Duration) -> bool {
    let late = |line: &LedgerEntry| line.lateness().is_some_and(|late| late > least);
    lines.iter().any(late)
}
