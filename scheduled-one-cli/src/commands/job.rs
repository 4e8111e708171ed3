//! `job`: what there is to know of a job.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use scheduled_one_control::{
    ActiveRun, BackfillState, CatalogedJob, JobDescription, OverrideOf, PauseOf,
};
use serde::Serialize;

use super::next::ms;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::text::{escape, instant};
use crate::view::{self, Line};

/// Keys of the catalog that are no policies.
const NO_POLICIES: [&str; 16] = [
    "schedule",
    "identity",
    "cron",
    "every_ms",
    "offset_ms",
    "manual",
    "tz",
    "zone_data",
    "start",
    "end",
    "within",
    "except",
    "description",
    "group",
    "application",
    "ledger_limit",
];
/// Ticks to come that are shown.
const NEXT_TICKS: usize = 3;

#[derive(Serialize)]
struct View {
    job: String,
    schedule: Option<String>,
    group: Option<String>,
    description: Option<String>,
    policies: BTreeMap<String, String>,
    next: Vec<String>,
    directive_version: u64,
    pauses: Vec<PauseView>,
    overridden: Option<OverrideView>,
    gone_since: Option<String>,
    nodes: BTreeMap<String, Vec<String>>,
    backfill: Option<BackfillView>,
    shards: u32,
    running: usize,
    waiting: usize,
    runs: Vec<RunView>,
    first_seen: Option<String>,
    decided_to: Option<String>,
    deciding_schedule: Option<String>,
    deciding_generation: Option<u32>,
    newest: Vec<Line>,
}

#[derive(Serialize)]
struct PauseView {
    of: &'static str,
    since: String,
    until: Option<String>,
    by: String,
    note: String,
    directive_version: u64,
}

/// A schedule that somebody wants in place of that in the code.
#[derive(Serialize)]
struct OverrideView {
    /// Empty if that in the code is in force again.
    schedule: String,
    zone: String,
    since: String,
    by: String,
    void: bool,
}

/// The backfill that goes on.
#[derive(Serialize)]
struct BackfillView {
    total: u64,
    asked: u64,
    open: usize,
    paused: bool,
    by: String,
}

#[derive(Serialize)]
struct RunView {
    shard: u32,
    tick: String,
    /// Of a run that waits there is none.
    token: Option<u64>,
    requested: bool,
}

impl From<&ActiveRun> for RunView {
    fn from(run: &ActiveRun) -> Self {
        RunView {
            shard: run.shard,
            tick: instant(run.tick_ms),
            token: run.token,
            requested: run.is_requested,
        }
    }
}

impl From<&OverrideOf> for OverrideView {
    fn from(other: &OverrideOf) -> Self {
        OverrideView {
            schedule: other.wanted.text.clone(),
            zone: other.wanted.zone.clone(),
            since: instant(other.wanted.since_ms),
            by: other.wanted.by.clone(),
            void: other.is_void,
        }
    }
}

impl From<&PauseOf> for PauseView {
    fn from(pause: &PauseOf) -> Self {
        PauseView {
            of: match pause.of_all {
                true => "all",
                false => "job",
            },
            since: instant(pause.pause.since_ms),
            until: pause.pause.until_ms.map(instant),
            by: pause.by.clone(),
            note: pause.note.clone(),
            directive_version: pause.version,
        }
    }
}

/// What the job says of its runs: the catalog has it next to the parts of the schedule, and to what is shown elsewhere.
fn policies(job: &CatalogedJob) -> BTreeMap<String, String> {
    let said = job.descriptor.iter();
    said.filter(|(key, _)| !NO_POLICIES.contains(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

impl View {
    fn of(
        Shown {
            job,
            next,
            runs,
            backfill,
        }: &Shown,
    ) -> Self {
        let status = &job.status;
        let cataloged = job.cataloged.as_ref();
        let nodes = job.nodes.iter();
        View {
            job: job.job.clone(),
            schedule: cataloged.map(|job| job.schedule.clone()),
            group: cataloged.and_then(|job| job.group.clone()),
            description: cataloged.and_then(|job| job.description.clone()),
            policies: cataloged.map(policies).unwrap_or_default(),
            next: next.iter().map(|ms| instant(*ms)).collect(),
            directive_version: job.version,
            pauses: job.pauses.iter().map(PauseView::from).collect(),
            overridden: job.overridden.as_ref().map(OverrideView::from),
            gone_since: job.gone_since_ms.map(instant),
            nodes: nodes
                .map(|(schedule, nodes)| (schedule.to_string(), nodes.clone()))
                .collect(),
            backfill: backfill.as_ref().map(|state| BackfillView {
                total: state.total,
                asked: state.asked,
                open: state.open,
                paused: state.is_paused,
                by: state.by.clone(),
            }),
            shards: shards(job),
            running: runs.iter().filter(|run| run.token.is_some()).count(),
            waiting: runs.iter().filter(|run| run.token.is_none()).count(),
            runs: runs.iter().map(RunView::from).collect(),
            first_seen: status.marks.first_seen_ms.map(instant),
            decided_to: status.marks.decided.map(|tick| instant(tick.ms())),
            deciding_schedule: status
                .decides
                .as_ref()
                .map(|decides| decides.id.to_string()),
            deciding_generation: status.decides.as_ref().map(|decides| decides.generation),
            newest: job.newest.iter().map(Line::from).collect(),
        }
    }
}

pub(crate) async fn run(session: &Session, name: &str) -> Result<Exit, Failure> {
    let job = session.ask(session.control.describe(name)).await?;
    let runs = session.ask(session.control.active_runs(name)).await?;
    // A schedule that this process cannot compute has no next ticks here; `next` says why.
    let next = session.control.next(name, NEXT_TICKS).await;
    let next: Vec<i64> = next.unwrap_or_default().into_iter().map(ms).collect();
    let backfill = session.ask(session.control.backfill_state(name)).await?;
    let shown = Shown {
        backfill: backfill.filter(|state| !state.is_over()),
        job,
        next,
        runs,
    };
    let (view, show) = (View::of(&shown), || text(&shown, &session.output));
    session.output.one("job", &view, &shown.job.job, show)?;
    Ok(Exit::Done)
}

const DRIFT: &str = "nodes have different schedules of this job; the one registered last decides";
const NOT_LISTED: &str = "not listed: nodes name the jobs that they share";
const GONE: &str = ": it has no ticks until a node has it again";

/// What was read of a job.
struct Shown {
    job: JobDescription,
    next: Vec<i64>,
    runs: Vec<ActiveRun>,
    backfill: Option<BackfillState>,
}

/// How many shards the job has.
fn shards(job: &JobDescription) -> u32 {
    let cataloged = job.cataloged.as_ref();
    let said = cataloged.and_then(|job| job.descriptor.get("shards"));
    said.and_then(|it| it.parse().ok()).unwrap_or(1)
}

fn text(shown: &Shown, output: &Output) -> String {
    let (job, next, runs) = (&shown.job, &shown.next, &shown.runs);
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {}", escape(&value));
    };
    row("job", job.job.clone());
    if let Some(cataloged) = &job.cataloged {
        for (name, value) in described(cataloged) {
            row(name, value);
        }
    }
    if !next.is_empty() {
        let next: Vec<String> = next.iter().map(|ms| output.when(*ms)).collect();
        row("next", next.join(", "));
    }
    if job.pauses.is_empty() {
        row("paused", "no".to_owned());
    }
    for pause in &job.pauses {
        row("paused", paused(pause, output));
    }
    if let Some(other) = job.overridden.as_ref().filter(|it| !it.wanted.is_reset()) {
        row("override", overridden(other, output));
    }
    if let Some(since_ms) = job.gone_since_ms {
        let since = output.when(since_ms);
        row("gone", format!("since {since}{GONE}"));
    }
    row("directive", format!("version {}", job.version));
    for (name, value) in of_nodes(job) {
        row(name, value);
    }
    let status = &job.status;
    if let Some(state) = &shown.backfill {
        row("backfill", backfilling(state));
    }
    if shards(job) > 1 {
        row("shards", in_shards(shards(job), runs));
    }
    if runs.is_empty() {
        row("runs", "none now".to_owned());
    }
    for run in runs {
        row("runs", active(run, output));
    }
    let marks = [
        ("first seen", status.marks.first_seen_ms),
        ("decided to", status.marks.decided.map(|tick| tick.ms())),
    ];
    for (name, ms) in marks {
        if let Some(ms) = ms {
            row(name, output.when(ms));
        }
    }
    if !job.newest.is_empty() {
        text.push('\n');
        text.push_str(&output.part(view::lines(&job.newest, output)));
    }
    text
}

/// What the job says of itself.
fn described(job: &CatalogedJob) -> Vec<(&'static str, String)> {
    let mut rows = vec![("schedule", job.schedule.clone())];
    let said = [("for", &job.description), ("group", &job.group)];
    let said = said.into_iter();
    rows.extend(said.filter_map(|(name, value)| Some((name, value.clone()?))));
    let policies = policies(job).into_iter();
    rows.extend(policies.map(|(name, value)| ("policy", format!("{name} = {value}"))));
    rows
}

/// Which nodes have the job, with which schedules.
fn of_nodes(job: &JobDescription) -> Vec<(&'static str, String)> {
    let of_schedule = job.nodes.iter().map(|(schedule, nodes)| {
        let nodes = nodes.join(" ");
        ("nodes", format!("{nodes} (schedule {schedule})"))
    });
    let mut rows: Vec<_> = of_schedule.collect();
    if job.is_missing() {
        rows.push(("nodes", "none: no living node has this job".to_owned()));
    } else if rows.is_empty() {
        rows.push(("nodes", NOT_LISTED.to_owned()));
    }
    if job.nodes.len() > 1 {
        rows.push(("drift", DRIFT.to_owned()));
    }
    let decides = job.status.decides.as_ref();
    if let Some(decides) = decides.filter(|it| it.generation > 0) {
        rows.push(("generation", decides.generation.to_string()));
    }
    rows
}

/// How many shards run, and in how many something waits.
fn in_shards(shards: u32, runs: &[ActiveRun]) -> String {
    let those = |is_running: bool| {
        let of = runs.iter().filter(|run| run.token.is_some() == is_running);
        of.map(|run| run.shard).collect::<BTreeSet<u32>>().len()
    };
    let (running, waiting) = (those(true), those(false));
    format!("{shards}: {running} running, {waiting} with something that waits")
}

fn backfilling(state: &BackfillState) -> String {
    let BackfillState {
        total, asked, open, ..
    } = state;
    let paused = if state.is_paused { ", paused" } else { "" };
    let by = match state.by.as_str() {
        "" => String::new(),
        by => format!(", by {by}"),
    };
    format!("{asked} of {total} ticks asked for, {open} requests wait or run{paused}{by}")
}

fn active(run: &ActiveRun, output: &Output) -> String {
    let what = match run.is_requested {
        true => "requested",
        false => "tick",
    };
    let token = match run.token {
        Some(token) => format!("token {token}"),
        None => "waits".to_owned(),
    };
    format!(
        "{what} {}, shard {}, {token}",
        output.when(run.tick_ms),
        run.shard
    )
}

fn overridden(other: &OverrideOf, output: &Output) -> String {
    let wanted = &other.wanted;
    let mut text = format!("{} in {}", wanted.text, wanted.zone);
    let _ = write!(text, ", since {}", output.when(wanted.since_ms));
    if !wanted.by.is_empty() {
        let _ = write!(text, ", by {}", wanted.by);
    }
    if other.is_void {
        text.push_str("; void: the code has another schedule now");
    }
    text
}

fn paused(pause: &PauseOf, output: &Output) -> String {
    let mut text = format!("since {}", output.when(pause.pause.since_ms));
    if pause.of_all {
        text.push_str(", as all jobs");
    }
    if let Some(until_ms) = pause.pause.until_ms {
        let _ = write!(text, ", until {}", output.when(until_ms));
    }
    if !pause.by.is_empty() {
        let _ = write!(text, ", by {}", pause.by);
    }
    if !pause.note.is_empty() {
        let _ = write!(text, ": {}", pause.note);
    }
    text
}
