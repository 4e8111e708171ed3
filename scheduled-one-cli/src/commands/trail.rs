//! `trail`: who asked for what.

use scheduled_one_control::TrailEntry;
use serde::Serialize;

use crate::args::{Format, Trail};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::{Cell, Table};
use crate::text;

#[derive(Serialize)]
struct View {
    at: String,
    action: String,
    /// `*` for all jobs.
    subject: String,
    by: Option<String>,
    note: Option<String>,
    request: Option<String>,
    directive_version: Option<u64>,
    version_before: Option<u64>,
    token: Option<u64>,
    instant: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    entries: &'a [View],
    cursor: String,
}

impl From<&TrailEntry> for View {
    fn from(entry: &TrailEntry) -> Self {
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let directive = Some(entry.version).filter(|version| *version > 0);
        View {
            at: text::instant(entry.at_ms),
            action: entry.action.clone(),
            subject: entry.subject.clone(),
            by: said(&entry.actor),
            note: said(&entry.note),
            request: said(&entry.request),
            directive_version: directive,
            version_before: directive.map(|_| entry.before),
            token: entry.token.map(|token| token.get()),
            instant: entry.instant_ms.map(text::instant),
        }
    }
}

pub(crate) async fn run(session: &Session, args: &Trail) -> Result<Exit, Failure> {
    let mut trail = session.control.trail().limit(args.lines);
    if let Some(name) = &args.name {
        trail = trail.job(name);
    }
    if let Some(actor) = &args.actor {
        trail = trail.actor(actor);
    }
    if let Some(action) = &args.action {
        trail = trail.action(action);
    }
    if let Some(after) = &args.after {
        trail = trail.after(after.parse()?);
    }
    let mut page = session.ask(async { trail.await }).await?;
    if args.after.is_none() {
        page.entries.reverse();
    }
    let views: Vec<View> = page.entries.iter().map(View::from).collect();
    let cursor = page.cursor.to_string();
    let output = &session.output;
    if output.format == Format::Jsonl {
        views.iter().try_for_each(|view| output.json_line(view))?;
        return Ok(Exit::Done);
    }
    let whole = Page {
        entries: &views,
        cursor: cursor.clone(),
    };
    let table = || output.part(table(session, &page.entries));
    output.one("trail", &whole, &cursor, table)?;
    Ok(Exit::Done)
}

fn table(session: &Session, entries: &[TrailEntry]) -> Table {
    let output = &session.output;
    let headings: &[&str] = match output.is_wide() {
        true => &[
            "AT", "ACTION", "JOB", "BY", "VERSION", "BEFORE", "NOTE", "DETAIL",
        ],
        false => &["AT", "ACTION", "JOB", "BY", "NOTE", "DETAIL"],
    };
    let mut table = Table::new(headings);
    for entry in entries {
        let job = match entry.subject.as_str() {
            "*" => "all jobs",
            job => job.strip_suffix('!').unwrap_or(job),
        };
        let mut cells: Vec<Cell> = vec![
            output.when(entry.at_ms).into(),
            entry.action.as_str().into(),
            job.into(),
            entry.actor.as_str().into(),
        ];
        if output.is_wide() {
            let number = |number: u64| match number {
                0 => String::new(),
                number => number.to_string(),
            };
            cells.push(number(entry.version).into());
            cells.push(number(entry.before).into());
        }
        cells.push(entry.note.as_str().into());
        cells.push(detail(session, entry).into());
        table.row(cells);
    }
    table
}

/// What else is known: the request, the run, an instant.
fn detail(session: &Session, entry: &TrailEntry) -> String {
    let instant = entry.instant_ms.map(|ms| match entry.action.as_str() {
        "pause" => format!("until {}", session.output.when(ms)),
        _ => format!("for {}", session.output.when(ms)),
    });
    let request = Some(&entry.request).filter(|id| !id.is_empty());
    let parts = [
        request.map(|id| format!("id {id}")),
        entry.token.map(|token| format!("token {token}")),
        instant,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
