//! `job`: what there is to know of a job.

use std::collections::BTreeMap;
use std::fmt::Write;

use scheduled_one_control::{ActiveRun, CatalogedJob, JobDescription, OverrideOf, PauseOf};
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
    runs: Vec<RunView>,
    first_seen: Option<String>,
    decided_to: Option<String>,
    deciding_schedule: Option<String>,
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
    fn of(job: &JobDescription, next: &[i64], runs: &[ActiveRun]) -> Self {
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
            runs: runs.iter().map(RunView::from).collect(),
            first_seen: status.marks.first_seen_ms.map(instant),
            decided_to: status.marks.decided.map(|tick| instant(tick.ms())),
            deciding_schedule: status
                .decides
                .as_ref()
                .map(|decides| decides.id.to_string()),
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
    let show = || text(&job, &next, &runs, &session.output);
    let view = View::of(&job, &next, &runs);
    session.output.one("job", &view, &job.job, show)?;
    Ok(Exit::Done)
}

const DRIFT: &str = "nodes have different schedules of this job; the one registered last decides";
const GONE: &str = ": it has no ticks until a node has it again";

fn text(job: &JobDescription, next: &[i64], runs: &[ActiveRun], output: &Output) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {}", escape(&value));
    };
    row("job", job.job.clone());
    if let Some(cataloged) = &job.cataloged {
        row("schedule", cataloged.schedule.clone());
        let said = [("for", &cataloged.description), ("group", &cataloged.group)];
        for (name, value) in said {
            if let Some(value) = value {
                row(name, value.clone());
            }
        }
        for (name, value) in policies(cataloged) {
            row("policy", format!("{name} = {value}"));
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
    if job.nodes.is_empty() {
        row("nodes", "none: no living node has this job".to_owned());
    }
    for (schedule, nodes) in &job.nodes {
        let nodes = nodes.join(" ");
        row("nodes", format!("{nodes} (schedule {schedule})"));
    }
    if job.nodes.len() > 1 {
        row("drift", DRIFT.to_owned());
    }
    let status = &job.status;
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
