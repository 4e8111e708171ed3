//! `job`: what there is to know of a job.

mod records;
mod view;

use std::collections::BTreeSet;
use std::fmt::Write;

use scheduled_one_control::{
    BackfillState, CatalogedJob, JobDescription, NextTicks, OpenRun, OverrideOf, PauseOf,
};

use super::next::ms;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::text::escape;
use crate::view as texts;
use records::records;
use view::{View, policies};

/// Ticks to come that are shown.
const NEXT_TICKS: usize = 3;

pub(crate) async fn run(session: &Session, name: &str) -> Result<Exit, Failure> {
    let job = session.ask(session.control.describe(name)).await?;
    let runs = match job.shards_left_out {
        0 => job.open_runs().collect(),
        _ => session.ask(session.control.active_runs(name)).await?,
    };
    let backfill = session.ask(session.control.backfill_state(name)).await?;
    let shown = Shown {
        backfill: backfill.filter(|state| !state.is_over()),
        job,
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
    /// Of all shards.
    runs: Vec<OpenRun>,
    backfill: Option<BackfillState>,
}

fn text(shown: &Shown, output: &Output) -> String {
    let (job, runs) = (&shown.job, &shown.runs);
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
    row("next", next(&job.next, output));
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
    if job.shards > 1 {
        row("shards", in_shards(job.shards, runs));
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
    for (name, value) in records(job, output) {
        row(&name, value);
    }
    if !job.newest.is_empty() {
        text.push('\n');
        text.push_str(&output.part(texts::lines(&job.newest, output)));
    }
    text
}

/// The next ticks, or why there are none.
fn next(next: &NextTicks, output: &Output) -> String {
    let shown = next.ticks().iter().take(NEXT_TICKS);
    let shown: Vec<String> = shown.map(|tick| output.when(ms(*tick))).collect();
    match shown.is_empty() {
        true => next.to_string(),
        false => shown.join(", "),
    }
}

/// What the job says of itself.
fn described(job: &CatalogedJob) -> Vec<(&'static str, String)> {
    let mut rows = vec![("schedule", job.schedule.clone())];
    if !job.words.is_empty() {
        rows.push(("in words", job.words.clone()));
    }
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
    let versions = job
        .versions
        .iter()
        .filter(|(version, _)| !version.is_empty());
    rows.extend(versions.map(|(version, nodes)| {
        let nodes = nodes.join(" ");
        ("version", format!("{version}: {nodes}"))
    }));
    if job.is_missing() {
        rows.push(("nodes", "none: no living node has this job".to_owned()));
    } else if job.nodes.is_empty() {
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
fn in_shards(shards: u32, runs: &[OpenRun]) -> String {
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

fn active(run: &OpenRun, output: &Output) -> String {
    let what = match run.is_requested {
        true => "requested",
        false => "tick",
    };
    let token = match run.token {
        Some(token) => format!("token {}", token.get()),
        None => "waits".to_owned(),
    };
    format!(
        "{what} {}, shard {}, {token}",
        output.when(run.tick.ms()),
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
