//! One run, or all runs of one tick.

use std::collections::{BTreeMap, BTreeSet};

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use scheduled_one_protocol::LedgerRecord;

use super::{LINES, glance, request_id};
use crate::app::{App, Shared, Shown, permit};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::live::follow;
use crate::page::{self, Logged, RunPage, Section};
use crate::plan::{instant, zone_of};
use crate::run_logs::RunLogs;
use scheduled_one_control::audit::{AuditedTick, TickStatus};
use scheduled_one_control::{Action, CatalogedJob, Error, OpenRun};

/// `GET /jobs/{job}/runs/{token}`
pub(crate) async fn run(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((job, token)): Path<(String, u64)>,
) -> Response {
    let shown = run_page(&app, &visitor, job, Which::Token(token)).await;
    app.answer(&visitor, shown)
}

/// `GET /jobs/{job}/ticks/{tick}`
pub(crate) async fn tick(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((job, tick)): Path<(String, i64)>,
) -> Response {
    let shown = run_page(&app, &visitor, job, Which::Tick(tick)).await;
    app.answer(&visitor, shown)
}

/// Which lines of a ledger are wanted.
#[derive(Clone, Copy)]
enum Which {
    /// Those of the run that had this token in one of its attempts.
    Token(u64),
    /// Those of a tick, reruns included.
    Tick(i64),
}

async fn run_page(
    app: &App,
    visitor: &Visitor,
    job: String,
    which: Which,
) -> Result<Shown, Failure> {
    permit(visitor, Action::View, &job)?;
    let follows = follow(&[glance(visitor, &job).await?]);
    let ledger = visitor.control.ledger(&job, LINES).await?;
    let lines = lines_of(which, &ledger);
    let mut open = visitor.control.open_runs(&job).await?;
    open.retain(|run| match which {
        Which::Tick(tick) => run.tick.ms() == tick,
        Which::Token(token) => run.token.map(|of_run| of_run.get()) == Some(token),
    });
    let undecided = match which {
        Which::Tick(tick) => undecided(visitor, &job, tick, &open).await?,
        Which::Token(_) => Vec::new(),
    };
    // A line may stand for several ticks, of which the page shows one.
    let tick = match which {
        Which::Tick(tick) => tick,
        Which::Token(_) => {
            let of_line = lines.first().map(|line| line.tick.ms());
            let of_run = open.first().map(|run| run.tick.ms());
            of_line.or(of_run).unwrap_or_default()
        }
    };
    if lines.is_empty() && open.is_empty() && undecided.is_empty() {
        return Err(Failure::NoRun { job });
    }
    let summary = visitor.control.describe(&job).await?;
    let logged = app.run_logs.as_ref();
    let logged = logged.map(|logs| kept_here(logs, &job, &lines, &open));
    let page = RunPage {
        logs: logged,
        zone: zone_of(summary.cataloged.as_ref()),
        is_of_every_node: (summary.cataloged.as_ref()).is_some_and(CatalogedJob::is_of_every_node),
        follows_tick: matches!(which, Which::Tick(_)),
        request_id: request_id(),
        now_ms: app.now_ms(),
        tick,
        undecided,
        lines,
        open,
        job: &job,
    };
    let content = page::run(visitor, &page);
    Ok(Shown {
        section: Section::Jobs,
        title: format!("A run of {job}"),
        follows: Some(follows),
        content,
    })
}

/// The lines that are wanted, oldest first.
fn lines_of(which: Which, newest_first: &[LedgerRecord]) -> Vec<LedgerRecord> {
    let token_of = |line: &LedgerRecord| line.token.map(|token| token.get());
    let of_token = match which {
        Which::Tick(_) => None,
        Which::Token(token) => newest_first.iter().find(|it| token_of(it) == Some(token)),
    };
    let is_of_run = |of: &LedgerRecord, line: &LedgerRecord| {
        (&of.unit, of.tick, &of.request) == (&line.unit, line.tick, &line.request)
    };
    let is_wanted = |line: &&LedgerRecord| match which {
        Which::Tick(tick) => (line.tick.ms()..=line.last_tick.ms()).contains(&tick),
        Which::Token(_) => of_token.is_some_and(|of| is_of_run(of, line)),
    };
    let lines = newest_first.iter().rev();
    lines.filter(is_wanted).cloned().collect()
}

/// What the audit says of a tick, in each shard without an outcome; what runs or waits is in `open`.
async fn undecided(
    visitor: &Visitor,
    job: &str,
    tick: i64,
    open: &[OpenRun],
) -> Result<Vec<AuditedTick>, Failure> {
    let range = instant(tick)..instant(tick.saturating_add(1));
    let mut audited = match visitor.control.audit(job, range).await {
        Ok(audited) => audited,
        // The ticks cannot be computed here, so the ledger alone speaks.
        Err(Error::Schedule { .. } | Error::Argument { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    audited.retain(|audited| match audited.status {
        TickStatus::Decided(_) => false,
        TickStatus::Running | TickStatus::Waiting => open.is_empty(),
        _ => true,
    });
    Ok(audited)
}

/// What this process keeps of what the attempts logged, and on which nodes the others were.
fn kept_here(logs: &RunLogs, job: &str, lines: &[LedgerRecord], open: &[OpenRun]) -> Logged {
    let ended = lines
        .iter()
        .filter_map(|line| Some((line.token?, Some(&line.node))));
    let active = open.iter().filter_map(|run| Some((run.token?, None)));
    let attempts: BTreeMap<u64, Option<&String>> = active
        .chain(ended)
        .map(|(token, node)| (token.get(), node))
        .collect();
    let mut logged = Logged {
        logs: Vec::new(),
        elsewhere: BTreeSet::new(),
    };
    for (token, node) in attempts {
        match (logs.of(job, token), node) {
            (Some(log), _) => logged.logs.push(log),
            (None, Some(node)) => drop(logged.elsewhere.insert(node.clone())),
            (None, None) => {}
        }
    }
    logged
}
