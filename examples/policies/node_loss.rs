//! The loss of a node in the middle of a run.

use std::time::Duration;

use anyhow::Context as _;
use scheduled_one_runtime::{JobContext, Outcome, Scheduler, State, scheduled_one};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::kit::{GRACE, Notes, ledger, node, wait_for};
use crate::scene::Scene;

const JOBS: [&str; 2] = ["node_loss/record", "node_loss/rerun"];

#[scheduled_one(every = "6s", lease = "1s", on_node_loss = record, name = "node_loss/record")]
async fn record(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

#[scheduled_one(every = "6s", lease = "1s", on_node_loss = rerun(2), name = "node_loss/rerun")]
async fn rerun(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

/// Never returns on node A, which dies during the run.
async fn work(ctx: &JobContext, notes: &Notes) {
    let _going = notes.begin(ctx);
    if ctx.node() == "A" {
        std::future::pending().await
    }
}

/// A node that can die without a chance to say so. (What dies is its Tokio runtime, with all that it
/// has: in `cargo run --example cluster` it is a process.)
struct Mortal {
    runtime: Runtime,
    node: Scheduler,
}

impl Mortal {
    async fn start(name: &'static str, notes: &Notes) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let starting = node("node_loss", name, &JOBS, notes);
        let node = runtime.spawn(starting.start()).await??;
        Ok(Mortal { runtime, node })
    }

    fn die(self) {
        self.runtime.shutdown_background();
        drop(self.node);
    }
}

pub(crate) async fn play() -> anyhow::Result<Scene> {
    let notes = Notes::default();
    let a = Mortal::start("A", &notes).await?;
    while JOBS.iter().any(|job| notes.starts(job).is_empty()) {
        sleep(Duration::from_millis(20)).await;
    }
    let b = node("node_loss", "B", &JOBS, &notes).start().await?;
    sleep(Duration::from_millis(300)).await;
    a.die();
    wait_for(&b, "node_loss/record", |line| line.outcome == Outcome::Lost).await?;
    wait_for(&b, "node_loss/rerun", |line| line.outcome == Outcome::Ok).await?;
    b.shutdown(GRACE).await;

    let mut scene = Scene::new("on_node_loss: the node of a run dies");
    scene.say("A has begun both runs and dies. B sees them stand still for most of a lease.");
    let lines = ledger(&b, "node_loss/record").await?;
    scene.job(
        r#"every = "6s", lease = "1s", on_node_loss = record"#,
        &lines,
    );
    let lost = lines.first().context("no line")?;
    scene.check(
        lost.outcome == Outcome::Lost && lost.node == "A",
        "B recorded that what became of A's run is not known",
    );
    scene.check(
        notes
            .starts("node_loss/record")
            .iter()
            .all(|ctx| ctx.scheduled_at() != lost.tick || ctx.node() == "A"),
        "nobody ran that tick again",
    );

    let lines = ledger(&b, "node_loss/rerun").await?;
    scene.job(
        r#"every = "6s", lease = "1s", on_node_loss = rerun(2)"#,
        &lines,
    );
    let [taken_over, again, ..] = &lines[..] else {
        anyhow::bail!("only {lines:?}");
    };
    scene.check(
        taken_over.outcome == Outcome::TakenOver
            && (again.outcome, again.attempt, again.tick)
                == (Outcome::Ok, Some(2), taken_over.tick),
        "B made another attempt at the same tick",
    );
    scene.check(
        again.fencing_token > taken_over.fencing_token,
        "with a higher fencing token",
    );
    Ok(scene)
}
