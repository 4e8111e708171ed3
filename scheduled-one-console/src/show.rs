//! What is behind each page.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use scheduled_one_control::JobSummary;
use scheduled_one_protocol::LedgerRecord;
use serde::Deserialize;

use crate::app::{App, Shared, Shown, permit};
use crate::failure::{Failure, failed, is_api};
use crate::gate::Visitor;
use crate::page::{self, Health, JobPage, JobsPage, Row, RunPage, Search, Section};
use crate::rights::Action;
use crate::text::encoded;

/// Jobs of a page.
const JOBS: usize = 50;
/// Outcomes in the strip of a job.
const STRIP: usize = 30;
/// Most ledgers that are read in the search for problems.
const LOOKED_AT: usize = 512;
/// Lines of a ledger on the page of a job.
const LINES: usize = 50;
/// Lines that are looked at for one run.
const LINES_OF_RUN: usize = 10_000;

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
    let all = app.visible_jobs(&visitor.user).await?;
    let known = all.len();
    let wanted = search.q.to_lowercase();
    let mut found = all;
    found.retain(|job| job.job.to_lowercase().contains(&wanted));
    let matching = found.len();
    found.retain(|job| job.job > search.after);
    let only_problems = !search.problems.is_empty();
    let now_ms = app.now_ms();
    let mut rows = Vec::new();
    let mut looked_at = 0;
    for batch in found.chunks(JOBS) {
        for row in rows_of(app, batch, now_ms).await? {
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
    let names: Vec<String> = rows.iter().map(|row| encoded(&row.summary.job)).collect();
    let page = JobsPage {
        next: last.filter(|_| looked_at < found.len()),
        search,
        known,
        matching,
        looked_at,
        rows,
        now_ms,
    };
    Ok(Shown {
        section: Section::Jobs,
        title: "Jobs".to_owned(),
        follows: Some(format!("?jobs={}", names.join(","))),
        content: page::jobs(visitor, &page),
    })
}

async fn rows_of(app: &App, jobs: &[JobSummary], now_ms: i64) -> Result<Vec<Row>, Failure> {
    let names: Vec<String> = jobs.iter().map(|job| job.job.clone()).collect();
    let mut ledgers = app.ledgers(&names, STRIP).await?;
    let glances = app.control.glance(&names).await?;
    let rows = jobs.iter().zip(glances).map(|(summary, glance)| {
        let lines = ledgers.remove(&summary.job).unwrap_or_default();
        let facts = app.facts(&summary.job);
        Row {
            health: Health::of(summary, &glance, &lines, now_ms),
            summary: summary.clone(),
            lines,
            facts,
        }
    });
    Ok(rows.collect())
}

/// What happened on the way to a page: the code of a notice.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    done: String,
}

/// `GET /jobs/{job}`
pub(crate) async fn job(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    Query(done): Query<Done>,
) -> Response {
    let shown = job_page(&app, &visitor, job, done).await;
    app.answer(&visitor, shown)
}

async fn job_page(app: &App, visitor: &Visitor, job: String, done: Done) -> Result<Shown, Failure> {
    permit(visitor, Action::View, &job)?;
    let described = app.control.describe(&job).await?;
    let one = std::slice::from_ref(&job);
    let glance = app.control.glance(one).await?.pop().unwrap_or_default();
    let page = JobPage {
        open: app.control.open_runs(&job).await?,
        lines: app.control.ledger(&job, LINES).await?,
        facts: app.facts(&job),
        request_id: request_id(),
        done: done.done,
        now_ms: app.now_ms(),
        glance,
        described,
    };
    Ok(Shown {
        section: Section::Jobs,
        follows: Some(format!("?jobs={}", encoded(&job))),
        title: job,
        content: page::job(visitor, &page),
    })
}

/// The id of the request that the form on a page makes, so that sending the form twice starts one run. Without random
/// numbers from the system there is none, and `Control` says so.
fn request_id() -> String {
    getrandom::u64().map_or_else(|_| String::new(), |random| format!("console-{random:016x}"))
}

/// `GET /jobs/{job}/runs/{token}`
pub(crate) async fn run(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((job, token)): Path<(String, u64)>,
) -> Response {
    let shown = run_page(&app, &visitor, job, Wanted::Token(token)).await;
    app.answer(&visitor, shown)
}

/// `GET /jobs/{job}/ticks/{tick}`
pub(crate) async fn tick(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((job, tick)): Path<(String, i64)>,
) -> Response {
    let shown = run_page(&app, &visitor, job, Wanted::Tick(tick)).await;
    app.answer(&visitor, shown)
}

/// Which lines of a ledger are wanted.
enum Wanted {
    /// Those of the run that had this token in one of its attempts.
    Token(u64),
    /// Those of a tick, reruns included.
    Tick(i64),
}

async fn run_page(
    app: &App,
    visitor: &Visitor,
    job: String,
    wanted: Wanted,
) -> Result<Shown, Failure> {
    permit(visitor, Action::View, &job)?;
    let ledger = app.control.ledger(&job, LINES_OF_RUN).await?;
    let token_of = |line: &LedgerRecord| line.token.map(|token| token.get());
    let mut lines: Vec<LedgerRecord> = match wanted {
        Wanted::Tick(tick) => {
            let has = |line: &&LedgerRecord| (line.tick.ms()..=line.last_tick.ms()).contains(&tick);
            ledger.iter().filter(has).cloned().collect()
        }
        Wanted::Token(token) => {
            let of_token = ledger.iter().find(|line| token_of(line) == Some(token));
            let same = |line: &&LedgerRecord| {
                of_token.is_some_and(|of| {
                    (&of.unit, of.tick, &of.request) == (&line.unit, line.tick, &line.request)
                })
            };
            ledger.iter().filter(same).cloned().collect()
        }
    };
    lines.reverse();
    let mut open = app.control.open_runs(&job).await?;
    open.retain(|run| match wanted {
        Wanted::Tick(tick) => run.tick.ms() == tick,
        Wanted::Token(token) => run.token.map(|of_run| of_run.get()) == Some(token),
    });
    if lines.is_empty() && open.is_empty() {
        return Err(Failure::NoRun { job });
    }
    let page = RunPage {
        follows_tick: matches!(wanted, Wanted::Tick(_)),
        request_id: request_id(),
        now_ms: app.now_ms(),
        lines,
        open,
        job: &job,
    };
    let content = page::run(visitor, &page);
    Ok(Shown {
        section: Section::Jobs,
        title: format!("A run of {job}"),
        follows: Some(format!("?jobs={}", encoded(&job))),
        content,
    })
}

/// `GET /cluster`
pub(crate) async fn cluster(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let shown = app.control.living_nodes().await;
    let shown = shown.map_err(Failure::from).map(|nodes| Shown {
        section: Section::Cluster,
        title: "Cluster".to_owned(),
        follows: None,
        content: page::cluster(&visitor, &nodes),
    });
    app.answer(&visitor, shown)
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
