//! A lost lease: a process is paused for longer than the leases of its runs, and resumes.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use scheduled_one_runtime::{JobContext, Outcome, State, scheduled_one};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::sleep;

use crate::kit::{GRACE, Notes, ledger, node, wait_for};
use crate::scene::Scene;
use crate::switches::this_program;

const JOBS: [&str; 2] = ["lease_lost/cancel", "lease_lost/finish"];
/// The line that the process prints when its runs are active.
const GOING: &str = "going";
const STEPS: u32 = 10;

#[scheduled_one(every = "4s", lease = "1s", on_lease_lost = cancel, name = "lease_lost/cancel")]
async fn cancel(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

/// For work that does no harm if it is done twice, at the same time.
#[scheduled_one(every = "4s", lease = "1s", on_lease_lost = finish, name = "lease_lost/finish")]
async fn finish(ctx: JobContext, State(notes): State<Notes>) {
    work(&ctx, &notes).await;
}

async fn work(ctx: &JobContext, notes: &Notes) {
    let _going = notes.begin(ctx);
    for _ in 0..STEPS {
        sleep(Duration::from_millis(100)).await;
    }
}

/// Starts the process, pauses it, and has it go on.
pub(crate) async fn direct() -> anyhow::Result<Scene> {
    let mut process = this_program("lease_lost")?.spawn()?;
    let mut output = BufReader::new(process.stdout.take().context("a process without output")?);
    let mut text = String::new();
    output.read_line(&mut text).await?;
    if text.trim_end() == GOING {
        text.clear();
        let id = process.id().context("the process is gone")?;
        let pid = Pid::from_raw(id as i32).context("no process id")?;
        kill_process(pid, Signal::STOP)?;
        sleep(Duration::from_secs(2)).await;
        kill_process(pid, Signal::CONT)?;
    }
    output.read_to_string(&mut text).await?;
    Ok(Scene::of_process(text, process.wait().await?.success()))
}

/// The process that is paused.
pub(crate) async fn play() -> anyhow::Result<Scene> {
    let notes = Notes::default();
    let node = node("lease_lost", "A", &JOBS, &notes).start().await?;
    while JOBS.iter().any(|job| notes.starts(job).is_empty()) {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(300)).await;
    println!("{GOING}");
    for job in JOBS {
        wait_for(&node, job, |_| true).await?;
    }
    node.shutdown(GRACE).await;

    let mut scene = Scene::new("on_lease_lost: nobody could renew the lease");
    scene
        .say("A process is paused (SIGSTOP) for 2 s in the middle of two runs with leases of 1 s.");
    scene.say("When it goes on, their leases are over: another node may have begun the next run.");
    let lines = ledger(&node, JOBS[0]).await?;
    scene.job(
        r#"every = "4s", lease = "1s", on_lease_lost = cancel"#,
        &lines[..1],
    );
    scene.check(
        lines[0].outcome == Outcome::Cancelled && lines[0].reason.ends_with("dropped"),
        "the run was dropped: not one more line of it was executed",
    );
    let lines = ledger(&node, JOBS[1]).await?;
    scene.job(
        r#"every = "4s", lease = "1s", on_lease_lost = finish"#,
        &lines[..1],
    );
    scene.check(
        lines[0].outcome == Outcome::Ok && lines[0].took() > Some(Duration::from_secs(2)),
        "the run went on to its end; as nobody had its place, that was recorded",
    );
    Ok(scene)
}
