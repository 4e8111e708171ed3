//! What is behind each page.

mod alerts;
mod cluster;
mod run;
mod timeline;
mod trail;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use scheduled_one_control::{Action, Error, JobDescription, JobGlance, JobSummary, PauseOf};
use scheduled_one_protocol::StoreError;
use serde::Deserialize;

use crate::app::{App, Shared, Shown, permit};
use crate::failure::{Failure, failed, is_api};
use crate::gate::Visitor;
use crate::live::follow;
use crate::page::{
    self, CalendarPage, Cell, Health, JobPage, JobsPage, Range, Row, Search, Section,
};
use crate::plan::{Plan, instant, ticks_in, zone_of};

pub(crate) use alerts::alerts;
pub(crate) use cluster::{cluster, examine};
pub(crate) use run::{run, tick};
pub(crate) use timeline::timeline;
pub(crate) use trail::trail;

/// Jobs of a page.
const JOBS: usize = 50;
/// Outcomes in the strip of a job.
const STRIP: usize = 30;
/// Most ledgers that are read in the search for problems.
const LOOKED_AT: usize = 512;
/// Lines of a ledger that the page of a job, or of a run, looks at.
const LINES: usize = 10_000;

/// `GET /`
pub(crate) async fn jobs(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Query(search): Query<Search>,
) -> Response {
    let shown = jobs_page(&app, &visitor, search).await;
    app.answer(&visitor, shown)
}

async fn jobs_page(app: &App, visitor: &Visitor, search: Search) -> Result<Shown, Failure> {
    let mut found = visitor.control.jobs().await?;
    let known = found.len();
    let paused = found.iter().filter(|job| job.is_paused).count();
    let pause_of_all = pause_of_all(visitor, &found).await?;
    let groups = found
        .iter()
        .filter_map(|job| job.cataloged.as_ref()?.group.clone())
        .collect();
    let wanted = search.q.to_lowercase();
    let is_in_group = |job: &JobSummary| {
        let group = job.cataloged.as_ref().and_then(|job| job.group.as_deref());
        search.group.is_empty() || group == Some(&search.group)
    };
    found.retain(|job| job.job.to_lowercase().contains(&wanted) && is_in_group(job));
    let matching = found.len();
    found.retain(|job| job.job > search.after);
    let only_problems = !search.problems.is_empty();
    let now_ms = app.now_ms();
    let mut rows: Vec<Row> = Vec::new();
    let mut looked_at = 0;
    for batch in found.chunks(JOBS) {
        for row in rows_of(app, visitor, batch, now_ms).await? {
            if rows.len() == JOBS {
                break;
            }
            looked_at += 1;
            if !only_problems || row.health.is_problem() {
                rows.push(row);
            }
        }
        if rows.len() == JOBS || looked_at >= LOOKED_AT {
            break;
        }
    }
    let last = looked_at.checked_sub(1).map(|last| found[last].job.clone());
    let glances: Vec<JobGlance> = rows.iter().map(|row| row.glance.clone()).collect();
    let page = JobsPage {
        next: last.filter(|_| looked_at < found.len()),
        search,
        known,
        paused,
        pause_of_all,
        groups,
        matching,
        looked_at,
        rows,
        now_ms,
    };
    Ok(Shown {
        section: Section::Jobs,
        title: "Jobs".to_owned(),
        follows: Some(follow(&glances)),
        content: page::jobs(visitor, &page),
    })
}

/// The pause of all jobs, if it is in force: each paused job says so.
async fn pause_of_all(visitor: &Visitor, jobs: &[JobSummary]) -> Result<Option<PauseOf>, Failure> {
    let Some(paused) = jobs.iter().find(|job| job.is_paused) else {
        return Ok(None);
    };
    match visitor.control.describe(&paused.job).await {
        Ok(described) => Ok(described.pauses.into_iter().find(|pause| pause.of_all)),
        // Gone meanwhile, or damaged: its row says so.
        Err(Error::UnknownJob { .. } | Error::Store(StoreError::Refused(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn rows_of(
    app: &App,
    visitor: &Visitor,
    jobs: &[JobSummary],
    now_ms: i64,
) -> Result<Vec<Row>, Failure> {
    let names: Vec<String> = jobs.iter().map(|job| job.job.clone()).collect();
    // First, so that what happens meanwhile is news to the page.
    let glances = visitor.control.glance(&names).await?;
    let mut ledgers = app.ledgers(visitor, &names, STRIP).await?;
    let rows = jobs.iter().zip(glances).map(|(summary, glance)| {
        let ledger = ledgers.remove(&summary.job).unwrap_or(Ok(Vec::new()));
        let refused = glance.refused.clone();
        let refused = refused.or_else(|| ledger.as_ref().err().cloned());
        let lines = ledger.unwrap_or_default();
        Row {
            health: match refused {
                Some(_) => Health::unknown(),
                None => Health::of(summary, &glance, &lines),
            },
            refused,
            plan: Plan::of_summary(summary, now_ms),
            summary: summary.clone(),
            glance,
            lines,
        }
    });
    Ok(rows.collect())
}

/// What the page of a job is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// What was just done: the code of a notice.
    done: String,
    /// How far the calendar goes back.
    range: String,
    /// How many lines of the ledger are listed.
    lines: String,
}

/// `GET /jobs/{job}`
pub(crate) async fn job(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let shown = job_page(&app, &visitor, job, wanted).await;
    app.answer(&visitor, shown)
}

async fn job_page(
    app: &App,
    visitor: &Visitor,
    job: String,
    wanted: Wanted,
) -> Result<Shown, Failure> {
    permit(visitor, Action::View, &job)?;
    let glance = glance(visitor, &job).await?;
    let described = visitor.control.describe(&job).await?;
    let follows = follow(std::slice::from_ref(&glance));
    let open = described.open_runs().collect();
    let backfill = visitor.control.backfill_state(&job).await?;
    let lines = visitor.control.ledger(&job, LINES).await?;
    let now_ms = app.now_ms();
    let pauses = described.pauses.iter().map(|pause| pause.pause.since_ms);
    let paused_since_ms = pauses.min();
    let overridden = described.overridden.as_ref();
    let is_overridden = overridden.is_some_and(|it| it.is_in_force());
    let of_code = described.cataloged.as_ref().filter(|_| !is_overridden);
    let ticks_in = |from_ms| ticks_in(&job, of_code, from_ms, now_ms);
    let page = JobPage {
        calendar: calendar(visitor, &described, Range::from_word(&wanted.range), now_ms).await?,
        health: Health::of_described(&described, &glance, &lines),
        paused_ticks: paused_since_ms.and_then(|since_ms| Some(ticks_in(since_ms)?.len())),
        listed: if wanted.lines.is_empty() {
            page::FEW
        } else {
            page::MANY
        },
        request_id: request_id(),
        done: wanted.done,
        now_ms,
        glance,
        open,
        backfill,
        lines,
        described,
    };
    Ok(Shown {
        section: Section::Jobs,
        follows: Some(follows),
        title: job,
        content: page::job(visitor, &page),
    })
}

/// What the job looks like now. It is read before all else, so that what happens meanwhile is news to the page.
async fn glance(visitor: &Visitor, job: &String) -> Result<JobGlance, Failure> {
    let glances = visitor.control.glance(std::slice::from_ref(job)).await?;
    Ok(glances.into_iter().next().unwrap_or_default())
}

async fn calendar(
    visitor: &Visitor,
    described: &JobDescription,
    range: Option<Range>,
    now_ms: i64,
) -> Result<CalendarPage, Failure> {
    let cataloged = described.cataloged.as_ref();
    let ticks = |range: Range| ticks_in(&described.job, cataloged, now_ms - range.ms(), now_ms + 1);
    let count = |range| ticks(range).map_or(0, |ticks| ticks.len());
    let range = range.unwrap_or_else(|| Range::chosen(count));
    let surplus = count(range).saturating_sub(page::MOST_CELLS);
    let from_ms = match ticks(range).unwrap_or_default().get(surplus) {
        Some(from_ms) if surplus > 0 => *from_ms,
        _ => now_ms - range.ms(),
    };
    let audited = visitor
        .control
        .audit(&described.job, instant(from_ms)..instant(now_ms + 1))
        .await;
    let cells = match audited {
        Ok(audited) => Some(Cell::all(&audited)),
        // Or its ticks are too many, because another schedule is in force than the catalog has.
        Err(Error::Schedule { .. } | Error::Argument { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let first_seen_ms = described.status.marks.first_seen_ms;
    Ok(CalendarPage {
        since_ms: first_seen_ms.filter(|first_ms| *first_ms > from_ms),
        is_cut: surplus > 0,
        zone: zone_of(cataloged),
        cells,
        range,
    })
}

/// The id of the request that the form on a page makes, so that sending the form twice starts one run. Without random
/// numbers from the system there is none, and `Control` says so.
fn request_id() -> String {
    getrandom::u64().map_or_else(|_| String::new(), |random| format!("console-{random:016x}"))
}

/// Every other address.
pub(crate) async fn nothing(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    match is_api(uri.path()) {
        true => (StatusCode::NOT_FOUND, failed(&Failure::NoPage)).into_response(),
        false => app.answer(&visitor, Err(Failure::NoPage)),
    }
}
