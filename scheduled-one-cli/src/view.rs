//! Ledger lines as JSON and tables have them.

use scheduled_one_protocol::{LedgerRecord, Outcome};
use serde::Serialize;

use crate::output::Output;
use crate::table::{Cell, Colour, Table};
use crate::text;

/// A line of a ledger.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) job: String,
    shard: u32,
    pub(crate) tick: String,
    last_tick: String,
    count: u64,
    pub(crate) outcome: &'static str,
    retried: bool,
    reason: String,
    error: String,
    node: String,
    token: Option<u64>,
    attempt: Option<u32>,
    fired_at: Option<String>,
    ended_at: String,
    cause: &'static str,
    by: Option<String>,
    request: Option<String>,
}

impl From<&LedgerRecord> for Line {
    fn from(line: &LedgerRecord) -> Self {
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Line {
            job: line.unit.job().to_owned(),
            shard: line.unit.shard(),
            tick: text::instant(line.tick.ms()),
            last_tick: text::instant(line.last_tick.ms()),
            count: line.count,
            outcome: line.outcome.as_str(),
            retried: line.retried,
            reason: line.reason.clone(),
            error: line.error.clone(),
            node: line.node.clone(),
            token: line.token.map(|token| token.get()),
            attempt: line.attempt,
            fired_at: line.fired_at_ms.map(text::instant),
            ended_at: text::instant(line.ended_at_ms),
            cause: line.cause.map_or("schedule", |cause| cause.as_str()),
            by: said(&line.actor),
            request: said(&line.request),
        }
    }
}

/// The colour of an outcome.
pub(crate) fn colour(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Ok => Colour::Green,
        Outcome::Skipped | Outcome::Cancelled | Outcome::TakenOver => Colour::Yellow,
        _ => Colour::Red,
    }
}

/// The outcome with what is special about it: `failed, retried`, `missed ×12`.
pub(crate) fn outcome(line: &LedgerRecord) -> Cell {
    let mut text = line.outcome.to_string();
    if line.retried {
        text.push_str(", retried");
    }
    if line.count > 1 {
        text.push_str(&format!(" ×{}", line.count));
    }
    Cell::coloured(&text, colour(line.outcome))
}

/// Why: the reason, and the error of the function.
pub(crate) fn detail(line: &LedgerRecord) -> String {
    match (line.reason.as_str(), line.error.as_str()) {
        ("", error) => error.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, error) => format!("{reason}: {error}"),
    }
}

fn took(line: &LedgerRecord) -> String {
    line.took_ms().map(text::took).unwrap_or_default()
}

/// Lines of one job as a table.
pub(crate) fn lines(lines: &[LedgerRecord], output: &Output) -> Table {
    let headings: &[&str] = match output.is_wide() {
        true => &[
            "TICK", "OUTCOME", "TOOK", "NODE", "SHARD", "TOKEN", "ATTEMPT", "CAUSE", "BY",
            "REQUEST", "DETAIL",
        ],
        false => &["TICK", "OUTCOME", "TOOK", "NODE", "CAUSE", "DETAIL"],
    };
    let mut table = Table::new(headings);
    for line in lines {
        let cause = line.cause.map_or("schedule", |cause| cause.as_str());
        let mut cells: Vec<Cell> = vec![
            output.when(line.tick.ms()).into(),
            outcome(line),
            took(line).into(),
            line.node.as_str().into(),
        ];
        if output.is_wide() {
            let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
            cells.push(line.unit.shard().to_string().into());
            cells.push(number(line.token.map(|token| token.get())).into());
            cells.push(number(line.attempt.map(u64::from)).into());
            cells.push(cause.into());
            cells.push(line.actor.as_str().into());
            cells.push(line.request.as_str().into());
        } else {
            cells.push(cause.into());
        }
        cells.push(detail(line).into());
        table.row(cells);
    }
    table
}
