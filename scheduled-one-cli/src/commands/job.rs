//! `job`: what there is to know of a job.

use std::collections::BTreeMap;
use std::fmt::Write;

use scheduled_one_control::{ActiveRun, JobDescription, PauseOf};
use serde::Serialize;

use super::next::ms;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::text::{escape, instant};
use crate::view::{self, Line};

/// Ticks to come that are shown.
const NEXT_TICKS: usize = 3;

#[derive(Serialize)]
struct View {
    job: String,
    schedule: Option<String>,
    group: Option<String>,
    description: Option<String>,
    next: Vec<String>,
    directive_version: u64,
    pauses: Vec<PauseView>,
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
            next: next.iter().map(|ms| instant(*ms)).collect(),
            directive_version: job.version,
            pauses: job.pauses.iter().map(PauseView::from).collect(),
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
    row("directive", format!("version {}", job.version));
    if job.nodes.is_empty() {
        row("nodes", "none: no living node has this job".to_owned());
    }
    for (schedule, nodes) in &job.nodes {
        row(
            "nodes",
            format!("{} (schedule {schedule})", nodes.join(" ")),
        );
    }
    if job.nodes.len() > 1 {
        row(
            "drift",
            "nodes have different schedules of this job; the one registered last decides"
                .to_owned(),
        );
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
