//! One run, or all runs of one tick.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use scheduled_one_protocol::LedgerRecord;

use super::{LINES, glance, request_id};
use crate::app::{App, Shared, Shown, permit};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::live::follow;
use crate::page::{self, RunPage, Section};
use crate::plan::zone_of;
use crate::run_logs::RunLogs;
use scheduled_one_control::Action;

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
    let token_of = |line: &LedgerRecord| line.token.map(|token| token.get());
    let mut lines: Vec<LedgerRecord> = match which {
        Which::Tick(tick) => {
            let has = |line: &&LedgerRecord| (line.tick.ms()..=line.last_tick.ms()).contains(&tick);
            ledger.iter().filter(has).cloned().collect()
        }
        Which::Token(token) => {
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
    let mut open = visitor.control.open_runs(&job).await?;
    open.retain(|run| match which {
        Which::Tick(tick) => run.tick.ms() == tick,
        Which::Token(token) => run.token.map(|of_run| of_run.get()) == Some(token),
    });
    if lines.is_empty() && open.is_empty() {
        return Err(Failure::NoRun { job });
    }
    let summary = visitor.control.describe(&job).await?;
    let tokens = lines
        .iter()
        .map(|line| line.token)
        .chain(open.iter().map(|run| run.token));
    let tokens: BTreeSet<u64> = tokens.flatten().map(|token| token.get()).collect();
    let log_of = |logs: &RunLogs| {
        tokens
            .iter()
            .filter_map(|token| logs.of(&job, *token))
            .collect()
    };
    let page = RunPage {
        logs: app.run_logs.as_ref().map(log_of),
        zone: zone_of(summary.cataloged.as_ref()),
        follows_tick: matches!(which, Which::Tick(_)),
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
        follows: Some(follows),
        content,
    })
}
