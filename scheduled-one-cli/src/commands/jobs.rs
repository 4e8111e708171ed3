//! `jobs`: all jobs at a glance.

use scheduled_one_control::{CatalogedJob, JobSummary};
use scheduled_one_protocol::{LedgerRecord, Outcome};
use serde::Serialize;

use crate::args::Jobs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::{Cell, Colour, Table};
use crate::view::{self, Line};
use crate::watch;

#[derive(Serialize)]
struct View {
    job: String,
    schedule: Option<String>,
    group: Option<String>,
    description: Option<String>,
    state: &'static str,
    paused: bool,
    nodes: usize,
    schedules: Vec<String>,
    last: Option<Line>,
}

struct Row {
    job: JobSummary,
    last: Option<LedgerRecord>,
}

impl Row {
    fn state(&self) -> &'static str {
        match self.job.is_paused {
            true => "paused",
            false if self.job.is_missing() => "no node",
            false if self.job.schedules.len() > 1 => "drift",
            false if self.is_disabled() => "disabled",
            false => "active",
        }
    }

    fn is_disabled(&self) -> bool {
        let cataloged = self.job.cataloged.as_ref();
        cataloged.is_some_and(CatalogedJob::is_disabled)
    }

    fn has_problem(&self) -> bool {
        let is_fine = |line: &LedgerRecord| matches!(line.outcome, Outcome::Ok | Outcome::Skipped);
        !matches!(self.state(), "active" | "disabled") || !self.last.as_ref().is_none_or(is_fine)
    }

    fn schedule(&self) -> Option<&str> {
        let cataloged = self.job.cataloged.as_ref();
        cataloged.map(|job| job.schedule.as_str())
    }

    fn group(&self) -> Option<&str> {
        let cataloged = self.job.cataloged.as_ref();
        cataloged.and_then(|job| job.group.as_deref())
    }

    fn view(&self) -> View {
        let cataloged = self.job.cataloged.as_ref();
        View {
            job: self.job.job.clone(),
            schedule: self.schedule().map(str::to_owned),
            group: self.group().map(str::to_owned),
            description: cataloged.and_then(|job| job.description.clone()),
            state: self.state(),
            paused: self.job.is_paused,
            nodes: self.job.nodes,
            schedules: self.job.schedules.iter().map(ToString::to_string).collect(),
            last: self.last.as_ref().map(Line::from),
        }
    }
}

pub(crate) async fn run(session: &Session, args: &Jobs) -> Result<Exit, Failure> {
    let output = &session.output;
    if args.watch {
        return watch::run(output, async || {
            Ok(table(session, &rows(session, args).await?))
        })
        .await;
    }
    let rows = rows(session, args).await?;
    let views: Vec<View> = rows.iter().map(Row::view).collect();
    let show = || table(session, &rows);
    output.list("jobs", &views, |view| view.job.clone(), show)?;
    Ok(Exit::Done)
}

/// The jobs that are wanted.
async fn rows(session: &Session, args: &Jobs) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut jobs = session.ask(session.control.jobs()).await?;
    if let Some(group) = &args.group {
        let in_group = session.ask(session.control.group(group)).await?;
        jobs.retain(|job| in_group.contains(&job.job));
    }
    for job in jobs {
        let newest = session.ask(session.control.history(&job.job, 1)).await;
        let last = match newest {
            Ok(lines) => lines.into_iter().next(),
            // It was forgotten meanwhile.
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        rows.push(Row { job, last });
    }
    rows.retain(|row| !args.problems || row.has_problem());
    Ok(rows)
}

fn table(session: &Session, rows: &[Row]) -> Table {
    let output = &session.output;
    let headings: &[&str] = match output.is_wide() {
        true => &[
            "JOB",
            "SCHEDULE",
            "GROUP",
            "STATE",
            "NODES",
            "LAST",
            "ENDED",
            "SCHEDULES",
            "DETAIL",
        ],
        false => &["JOB", "SCHEDULE", "STATE", "NODES", "LAST", "ENDED"],
    };
    let mut table = Table::new(headings);
    for row in rows {
        let colour = match row.state() {
            "active" | "disabled" => Colour::None,
            _ => Colour::Yellow,
        };
        let last = row.last.as_ref();
        let ended = last.map(|line| output.when(line.ended_at_ms));
        let mut cells: Vec<Cell> = vec![
            row.job.job.as_str().into(),
            row.schedule().unwrap_or_default().into(),
        ];
        if output.is_wide() {
            cells.push(row.group().unwrap_or_default().into());
        }
        cells.extend([
            Cell::coloured(row.state(), colour),
            row.job.nodes.to_string().into(),
            last.map_or_else(|| "".into(), view::outcome),
            ended.unwrap_or_default().into(),
        ]);
        if output.is_wide() {
            let schedules: Vec<String> =
                row.job.schedules.iter().map(ToString::to_string).collect();
            cells.push(schedules.join(" ").into());
            cells.push(last.map(view::detail).unwrap_or_default().into());
        }
        table.row(cells);
    }
    table
}
