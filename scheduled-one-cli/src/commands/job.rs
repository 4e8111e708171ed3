//! `job`: what there is to know of a job.

use std::collections::BTreeMap;
use std::fmt::Write;

use scheduled_one_control::{JobDescription, PauseOf};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::text::{escape, instant};
use crate::view::{self, Line};

#[derive(Serialize)]
struct View {
    job: String,
    directive_version: u64,
    pauses: Vec<PauseView>,
    nodes: BTreeMap<String, Vec<String>>,
    running: Option<RunningView>,
    waiting: Vec<String>,
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
struct RunningView {
    tick: String,
    token: Option<u64>,
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

impl From<&JobDescription> for View {
    fn from(job: &JobDescription) -> Self {
        let status = &job.status;
        let nodes = job.nodes.iter();
        View {
            job: job.job.clone(),
            directive_version: job.version,
            pauses: job.pauses.iter().map(PauseView::from).collect(),
            nodes: nodes
                .map(|(schedule, nodes)| (schedule.to_string(), nodes.clone()))
                .collect(),
            running: status.running.map(|tick| RunningView {
                tick: instant(tick.ms()),
                token: status.token.map(|token| token.get()),
            }),
            waiting: status
                .waiting
                .iter()
                .map(|tick| instant(tick.ms()))
                .collect(),
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
    let show = || text(&job, &session.output);
    session
        .output
        .one("job", &View::from(&job), &job.job, show)?;
    Ok(Exit::Done)
}

fn text(job: &JobDescription, output: &Output) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {}", escape(&value));
    };
    row("job", job.job.clone());
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
    match (status.running, status.token) {
        (Some(tick), Some(token)) => row(
            "running",
            format!("{}, token {token}", output.when(tick.ms())),
        ),
        (Some(tick), None) => row("running", output.when(tick.ms())),
        (None, _) => row("running", "no".to_owned()),
    }
    if !status.waiting.is_empty() {
        let ticks: Vec<String> = status
            .waiting
            .iter()
            .map(|tick| output.when(tick.ms()))
            .collect();
        row("waiting", ticks.join(" "));
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
