//! Misfires: all nodes are down for a while, and ticks come due.

use std::ops::Range;
use std::time::Duration;

use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{
    JobContext, LedgerEntry, Outcome, Scheduler, State, TickStatus, scheduled_one,
};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::kit::{GRACE, Notes, ledger, node, wait_for_phase};
use crate::scene::Scene;

const JOBS: [&str; 5] = [
    "misfire/skip",
    "misfire/run_once",
    "misfire/run_all",
    "misfire/in_time",
    "misfire/late",
];
/// The nodes stop and start so long behind a multiple of 4 s, and are down for 4 s.
const PHASE: Duration = Duration::from_millis(1_300);
const DOWN: Duration = Duration::from_secs(4);

#[scheduled_one(every = "1s", misfire = skip, name = "misfire/skip")]
async fn skip(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(every = "1s", misfire = run_once, catch_up = "1m", name = "misfire/run_once")]
async fn run_once(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

/// The window is the longer of `catch_up` and `start_deadline`, which is 60 s if it is not said.
#[scheduled_one(
    every = "1s",
    misfire = run_all,
    catch_up = "3s",
    start_deadline = "1s",
    name = "misfire/run_all"
)]
async fn run_all(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(every = "4s", start_deadline = "1s", name = "misfire/in_time")]
async fn in_time(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(every = "4s", name = "misfire/late")]
async fn late(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

/// Kept for the audit at the end of the program.
static PLAYED: OnceCell<(Scheduler, Range<Timestamp>)> = OnceCell::const_new();

pub(crate) async fn play() -> anyhow::Result<Scene> {
    let (began, notes) = (Timestamp::now(), Notes::default());
    let a = node("misfire", "A", &JOBS, &notes).start().await?;
    sleep(Duration::from_millis(1_200)).await;
    wait_for_phase(DOWN, PHASE).await;
    a.shutdown(GRACE).await;
    let from = Timestamp::now();
    wait_for_phase(DOWN, PHASE).await;
    let b = node("misfire", "B", &JOBS, &notes).start().await?;
    sleep(Duration::from_millis(1_500)).await;
    let ended = Timestamp::now();
    b.shutdown(GRACE).await;

    let mut scene = Scene::new("misfire and start_deadline: nobody could run the ticks");
    scene.say(&format!(
        "Node A stops at {}. Four seconds later node B starts; until then all nodes are down.",
        from.strftime("%T%.3f")
    ));
    describe(&mut scene, &b, &notes, from).await?;
    let _ = PLAYED.set((b, began..ended));
    Ok(scene)
}

async fn describe(
    scene: &mut Scene,
    node: &Scheduler,
    notes: &Notes,
    from: Timestamp,
) -> anyhow::Result<()> {
    let since = async |job| -> anyhow::Result<Vec<LedgerEntry>> {
        let lines = ledger(node, job).await?;
        Ok(lines.into_iter().filter(|line| line.tick > from).collect())
    };
    skipped(scene, &since("misfire/skip").await?);
    ran_once(scene, &since("misfire/run_once").await?, notes);
    ran_all(scene, &since("misfire/run_all").await?);
    past_its_deadline(scene, &since("misfire/in_time").await?);
    before_its_deadline(scene, &since("misfire/late").await?);
    Ok(())
}

fn skipped(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "1s", misfire = skip"#, lines);
    let gone = lines.iter().find(|line| missed(line));
    scene.check(
        gone.is_some_and(|line| line.count == 3 && line.reason == "no node was up"),
        "three ticks were missed; the newest was less than 60 s late, and ran",
    );
}

fn ran_once(scene: &mut Scene, lines: &[LedgerEntry], notes: &Notes) {
    scene.job(
        r#"every = "1s", misfire = run_once, catch_up = "1m""#,
        lines,
    );
    let stood_for = notes
        .starts("misfire/run_once")
        .iter()
        .map(JobContext::missed)
        .max();
    scene.check(
        stood_for == Some(3)
            && lines
                .iter()
                .find(|line| missed(line))
                .is_some_and(|line| line.count == 3),
        "the newest ran for all; it knew of the three others by `ctx.missed()`",
    );
}

fn ran_all(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(
        r#"every = "1s", misfire = run_all, catch_up = "3s", start_deadline = "1s""#,
        lines,
    );
    let (gone, ran): (Vec<_>, Vec<_>) = lines.iter().partition(|line| missed(line));
    scene.check(
        gone.len() == 1 && gone[0].count == 1,
        "the one tick that was more than 3 s late was missed",
    );
    let in_order = ran
        .windows(2)
        .all(|pair| pair[0].tick < pair[1].tick && Some(pair[0].ended_at) <= pair[1].fired_at);
    let late = |least_ms| {
        ran.iter()
            .filter(move |line| lateness_ms(line) > least_ms)
            .count()
    };
    scene.check(
        in_order && late(1_000) == 2,
        "the others ran late, each of them, oldest first, one after another",
    );
}

fn past_its_deadline(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "4s", start_deadline = "1s""#, lines);
    scene.check(
        lines
            .first()
            .is_some_and(|line| line.outcome == Outcome::Missed),
        "when B started, the tick was 1.3 s late: that is past its start deadline",
    );
}

fn before_its_deadline(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "4s""#, lines);
    scene.check(
        lines
            .first()
            .is_some_and(|line| line.outcome == Outcome::Ok && lateness_ms(line) > 1_000),
        "without one the deadline is 60 s, and the tick ran late",
    );
}

fn missed(line: &LedgerEntry) -> bool {
    line.outcome == Outcome::Missed
}

fn lateness_ms(line: &LedgerEntry) -> u128 {
    line.lateness().unwrap_or_default().as_millis()
}

/// The scene of `Scheduler::audit` for the job `misfire/run_all`.
pub(crate) async fn audit() -> anyhow::Result<Scene> {
    let mut scene = Scene::new("audit: the schedule of `misfire/run_all`, tick by tick");
    let Some((node, range)) = PLAYED.get() else {
        return Ok(scene);
    };
    for tick in node.audit("misfire/run_all", range.clone()).await? {
        let status = match tick.status {
            TickStatus::Decided(outcome) => outcome.as_str().to_owned(),
            other => format!("{other:?}"),
        };
        let late = tick
            .late_by
            .map(|late| format!("{:.2} s late ", late.as_secs_f64()));
        scene.line(&format!(
            "     {}  {status:<7} {}  {}{}",
            tick.tick.strftime("%T"),
            tick.node.unwrap_or_default(),
            late.unwrap_or_default(),
            tick.reason
        ));
    }
    Ok(scene)
}
