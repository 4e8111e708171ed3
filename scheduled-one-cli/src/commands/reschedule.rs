//! `reschedule` and `reset`.

use std::time::{SystemTime, UNIX_EPOCH};

use scheduled_one_control::{ChangeDirective, Changed, SchedulePreview};
use serde::Serialize;

use crate::args::reschedule::{Change, Reschedule, Reset};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::Table;
use crate::text::instant;

/// What became of the schedule of a job.
#[derive(Serialize)]
struct View {
    job: String,
    action: &'static str,
    changed: bool,
    directive_version: u64,
    dry_run: bool,
    /// The schedule that is in force, or would be.
    schedule: String,
    /// Its next ticks.
    next: Vec<String>,
}

pub(crate) async fn reschedule(session: &Session, args: &Reschedule) -> Result<Exit, Failure> {
    let change = session.control.reschedule(&args.name, &args.schedule);
    let change = match &args.tz {
        Some(zone) => change.tz(zone),
        None => change,
    };
    make(session, &args.name, "reschedule", change, &args.change).await
}

pub(crate) async fn reset(session: &Session, args: &Reset) -> Result<Exit, Failure> {
    let change = session.control.reset(&args.name);
    make(session, &args.name, "reset", change, &args.change).await
}

async fn make(
    session: &Session,
    job: &str,
    action: &'static str,
    change: ChangeDirective,
    args: &Change,
) -> Result<Exit, Failure> {
    let change = change.by(&session.by).note(&args.note);
    let change = match session.force {
        true => change.force(),
        false => change,
    };
    let change = match args.expect {
        Some(version) => change.expect(version),
        None => change,
    };
    let preview = session.ask(change.clone().preview()).await?;
    let (changed, version) = match args.dry_run {
        true => (!preview.already, preview.version),
        false => {
            let Changed {
                version, already, ..
            } = session.ask(async { change.await }).await?;
            (!already, version)
        }
    };
    let SchedulePreview { schedule, next, .. } = preview;
    let view = View {
        job: job.to_owned(),
        action,
        changed,
        directive_version: version,
        dry_run: args.dry_run,
        schedule,
        next: next.into_iter().map(text).collect(),
    };
    show(session, &view)
}

fn show(session: &Session, view: &View) -> Result<Exit, Failure> {
    let table = || {
        let mut table = Table::new(&["JOB", "RESULT", "SCHEDULE", "NEXT", "VERSION"]);
        let result = match (view.changed, view.dry_run) {
            (false, _) => "in force already",
            (true, true) => "would be in force",
            (true, false) => "in force",
        };
        table.row([
            view.job.clone().into(),
            result.into(),
            view.schedule.clone().into(),
            view.next.first().cloned().unwrap_or_default().into(),
            view.directive_version.to_string().into(),
        ]);
        table
    };
    let views = std::slice::from_ref(view);
    session
        .output
        .list("changes", views, |view| view.job.clone(), table)?;
    Ok(Exit::Done)
}

fn text(tick: SystemTime) -> String {
    let since_epoch = tick.duration_since(UNIX_EPOCH).unwrap_or_default();
    instant(since_epoch.as_millis().try_into().unwrap_or(i64::MAX))
}
