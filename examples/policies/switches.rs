//! Settings of jobs in the environment of a process.

use std::process::Stdio;
use std::time::Duration;

use scheduled_one_runtime::{JobContext, Outcome, State, scheduled_one};
use tokio::process::Command;
use tokio::time::sleep;

use crate::kit::{GRACE, Notes, ledger, node, wait_for};
use crate::scene::Scene;

const JOBS: [&str; 3] = [
    "switches/enabled",
    "switches/enabled_env",
    "switches/cron_env",
];
const ENABLED: &str = "POLICIES_ENABLED";
const CRON: &str = "POLICIES_CRON";

#[scheduled_one(
    every = "1s",
    enabled = false,
    start_deadline = "500ms",
    name = "switches/enabled"
)]
async fn disabled(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(
    every = "1s",
    enabled_env = "POLICIES_ENABLED",
    start_deadline = "500ms",
    name = "switches/enabled_env"
)]
async fn disabled_by_env(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(
    cron = "0 0 3 * * *",
    cron_env = "POLICIES_CRON",
    name = "switches/cron_env"
)]
async fn nightly(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

/// This program again, for one scene.
pub(crate) fn this_program(scene: &str) -> anyhow::Result<Command> {
    let mut program = Command::new(std::env::current_exe()?);
    program.arg(scene).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(program)
}

/// Starts a process with another environment.
pub(crate) async fn direct() -> anyhow::Result<Scene> {
    let mut process = this_program("switches")?;
    process.env(ENABLED, "off").env(CRON, "*/2 * * * * *");
    let output = process.spawn()?.wait_with_output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Scene::of_process(text, output.status.success()))
}

/// That process.
pub(crate) async fn play() -> anyhow::Result<Scene> {
    let notes = Notes::default();
    let node = node("switches", "A", &JOBS, &notes).start().await?;
    for job in &JOBS[..2] {
        wait_for(&node, job, |line| line.outcome == Outcome::Skipped).await?;
    }
    sleep(Duration::from_secs(1)).await;
    node.shutdown(GRACE).await;

    let mut scene = Scene::new("enabled, enabled_env, cron_env: what the environment says");
    let (enabled, cron) = (std::env::var(ENABLED)?, std::env::var(CRON)?);
    scene.say(&format!(
        "A process with {ENABLED}={enabled} and {CRON}='{cron}'."
    ));
    let told = [
        r#"every = "1s", enabled = false, start_deadline = "500ms""#,
        r#"every = "1s", enabled_env = "POLICIES_ENABLED", start_deadline = "500ms""#,
    ];
    for (job, told) in JOBS.into_iter().zip(told) {
        let lines = ledger(&node, job).await?;
        scene.job(told, &lines);
        let disabled = lines
            .iter()
            .all(|line| line.outcome == Outcome::Skipped && line.reason == "disabled");
        scene.check(
            disabled && notes.starts(job).is_empty(),
            "it did not run; ticks that no other node ran either are recorded, a few seconds later",
        );
    }
    let lines = ledger(&node, JOBS[2]).await?;
    scene.job(
        r#"cron = "0 0 3 * * *", cron_env = "POLICIES_CRON""#,
        &lines,
    );
    let even = |ctx: &JobContext| ctx.scheduled_at().as_second() % 2 == 0;
    let starts = notes.starts(JOBS[2]);
    scene.check(
        starts.len() >= 2 && starts.iter().all(even),
        "it ran each even second, not at three in the night",
    );
    Ok(scene)
}
