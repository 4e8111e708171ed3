//! `audit`: each tick of a range, with what became of it.

use std::collections::BTreeMap;

use scheduled_one_control::audit::{AuditedTick, TickStatus};
use scheduled_one_protocol::Outcome;
use serde::Serialize;
use serde_json::json;

use super::next::{ms, system_time};
use crate::args::{Audit, Format};
use crate::exit::Exit;
use crate::failure::{Failure, hint};
use crate::session::Session;
use crate::table::{Cell, Colour, Table};
use crate::text;
use crate::view;

#[derive(Serialize)]
struct View {
    tick: String,
    shard: u32,
    status: &'static str,
    gap: bool,
    reason: String,
    node: Option<String>,
    late_ms: Option<u64>,
    attempts: u32,
    taken_over: u32,
}

fn word(status: TickStatus) -> &'static str {
    match status {
        TickStatus::Decided(outcome) => outcome.as_str(),
        TickStatus::Running => "running",
        TickStatus::Waiting => "waiting",
        TickStatus::Due => "due",
        TickStatus::Paused => "paused",
        TickStatus::NoLongerKept => "no_longer_kept",
        _ => "unknown",
    }
}

/// Whether the tick should have run and did not, as far as anybody knows.
fn is_gap(status: TickStatus) -> bool {
    matches!(
        status,
        TickStatus::Decided(Outcome::Missed | Outcome::Lost) | TickStatus::Unknown
    )
}

fn cell(status: TickStatus) -> Cell {
    let colour = match status {
        TickStatus::Decided(outcome) => view::colour(outcome),
        TickStatus::Unknown => Colour::Red,
        TickStatus::Paused => Colour::Yellow,
        _ => Colour::None,
    };
    Cell::coloured(word(status), colour)
}

impl From<&AuditedTick> for View {
    fn from(tick: &AuditedTick) -> Self {
        View {
            tick: text::instant(ms(tick.tick)),
            shard: tick.shard,
            status: word(tick.status),
            gap: is_gap(tick.status),
            reason: tick.reason.clone(),
            node: tick.node.clone(),
            late_ms: tick.late_by.map(|late| late.as_millis() as u64),
            attempts: tick.attempts,
            taken_over: tick.taken_over,
        }
    }
}

pub(crate) async fn run(session: &Session, args: &Audit) -> Result<Exit, Failure> {
    let range = system_time(args.from)..system_time(args.to);
    let audit = session.control.audit_in_full(&args.name, range);
    let audit = session.ask(audit).await?;
    let since = audit.complete_since.map(|since| text::instant(ms(since)));
    let mut ticks = audit.ticks;
    let has_gaps = ticks.iter().any(|tick| is_gap(tick.status));
    ticks.retain(|tick| !args.gaps || is_gap(tick.status));
    let views: Vec<View> = ticks.iter().map(View::from).collect();
    let table = || {
        let mut table = Table::new(&["TICK", "SHARD", "STATUS", "LATE", "NODE", "DETAIL"]);
        for tick in &ticks {
            let late = tick.late_by.map(|late| text::took(late.as_millis() as i64));
            table.row([
                text::instant(ms(tick.tick)).into(),
                tick.shard.to_string().into(),
                cell(tick.status),
                late.unwrap_or_default().into(),
                tick.node.clone().unwrap_or_default().into(),
                tick.reason.clone().into(),
            ]);
        }
        table
    };
    let output = &session.output;
    match output.format {
        Format::Json => {
            let more = BTreeMap::from([("complete_since", json!(since))]);
            output.document("ticks", &views, &more)?;
        }
        _ => output.list("ticks", &views, |view| view.tick.clone(), table)?,
    }
    if let Some(since) = since
        && output.format != Format::Json
    {
        hint(&format!(
            "complete since {since}: before that the job had another schedule, and only what its ledger has is listed"
        ));
    }
    Ok(match has_gaps {
        true => Exit::Negative,
        false => Exit::Done,
    })
}
