//! The pages: `/` counts visits, `/jobs` shows the jobs, `/console` controls them, `/metrics` is for Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::get;
use scheduled_one_console::access::Unprotected;
use scheduled_one_console::{Console, ConsoleService, RunLogs};
use scheduled_one_runtime::{JobInfo, LedgerEntry, OPENMETRICS_CONTENT_TYPE, Scheduler};

use crate::db::Db;

/// Ledger lines shown of each job.
const LINES: usize = 5;

/// What handlers share.
#[derive(Clone)]
struct App {
    db: Db,
    scheduler: Arc<Scheduler>,
}

pub(crate) fn router(db: Db, scheduler: Arc<Scheduler>, logs: RunLogs) -> anyhow::Result<Router> {
    let console = console(&scheduler, logs)?;
    let router = Router::new()
        .route("/", get(home))
        .route("/jobs", get(jobs))
        .route("/metrics", get(metrics))
        .nest_service("/console", console)
        .with_state(App { db, scheduler });
    Ok(router)
}

/// Without a password, for who sits at this machine. What else there is: `docs/console.md`.
fn console(scheduler: &Scheduler, logs: RunLogs) -> anyhow::Result<ConsoleService> {
    let console = Console::new(scheduler.control()?).name("example-service");
    let console = console.run_logs(logs);
    Ok(console.access(Unprotected::on_loopback()))
}

async fn home(State(app): State<App>) -> Result<String, Failure> {
    app.db.add_visit().await;
    let (total, fresh) = app.db.visits().await?;
    Ok(format!(
        "{total} visits, and {fresh} that the job `rollup` will add; see /jobs\n"
    ))
}

async fn jobs(State(app): State<App>) -> Result<String, Failure> {
    let mut page = format!("jobs of {}\n", app.scheduler.node());
    for job in app.scheduler.jobs() {
        let ledger = app.scheduler.ledger(&job.name, LINES).await?;
        write_job(&mut page, &job, &ledger)?;
    }
    Ok(page)
}

/// For Prometheus.
async fn metrics(State(app): State<App>) -> ([(HeaderName, &'static str); 1], String) {
    let content_type = (CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE);
    ([content_type], app.scheduler.openmetrics())
}

fn write_job(page: &mut String, job: &JobInfo, ledger: &[LedgerEntry]) -> std::fmt::Result {
    let about = job.description.as_deref().unwrap_or_default();
    writeln!(page, "\n{}  ({})  {about}", job.name, job.schedule)?;
    for tick in job.next_ticks.iter().take(2).rev() {
        writeln!(page, "  {}  due", tick.strftime("%F %T"))?;
    }
    for line in ledger {
        let tick = line.tick.strftime("%F %T");
        write!(
            page,
            "  {tick}  {:<9}  by {}",
            line.outcome.as_str(),
            line.node
        )?;
        if let (Some(late), Some(took)) = (line.lateness(), line.took()) {
            write!(
                page,
                ", {} ms late, took {} ms",
                late.as_millis(),
                took.as_millis()
            )?;
        }
        for text in [&line.reason, &line.error] {
            if !text.is_empty() {
                write!(page, ": {text}")?;
            }
        }
        if line.count > 1 {
            write!(page, " ({} ticks)", line.count)?;
        }
        writeln!(page)?;
    }
    Ok(())
}

/// Whatever goes wrong is for the log; the visitor learns that it did.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.into())
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        tracing::error!(error = %self.0, "a request failed");
        (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n").into_response()
    }
}
