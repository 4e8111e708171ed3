//! What happened, in words: the text of a subject.

use scheduled_one_protocol::{LedgerRecord, Outcome};

use crate::alert::{Span, instant};
use crate::facts::Outage;

/// Texts of errors are cut to this many characters.
const MAX_TEXT: usize = 300;

/// The first line of a text, cut, without control characters.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_default().trim();
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    cut(&clean, MAX_TEXT)
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The outcome of a run.
pub(crate) fn run(line: &LedgerRecord, zone: Option<&str>) -> String {
    let tick = instant(line.tick.ms(), zone);
    let mut text = format!("tick {tick} {} on {}", line.outcome, line.node);
    if let Some(attempt) = line.attempt.filter(|attempt| *attempt > 1) {
        text += &format!(", attempt {attempt}");
    }
    // The reason of an end that the function brought about is only how the node came to run it.
    let is_of_function = matches!(line.outcome, Outcome::Failed | Outcome::Panicked);
    let reason = if is_of_function { "" } else { &line.reason };
    for why in [reason, &line.error] {
        let why = first_line(why);
        if !why.is_empty() {
            text += &format!(": {why}");
        }
    }
    text
}

pub(crate) fn in_a_row(failures: u32, run: &str) -> String {
    match failures {
        1 => run.to_owned(),
        _ => format!("{failures} in a row; {run}"),
    }
}

pub(crate) fn missed(line: &LedgerRecord, zone: Option<&str>) -> String {
    let first = instant(line.tick.ms(), zone);
    let mut text = match line.count {
        1 => format!("tick {first}"),
        count => {
            let last = instant(line.last_tick.ms(), zone);
            format!("{count} ticks from {first} to {last}")
        }
    };
    let why = first_line(&line.reason);
    if !why.is_empty() {
        text += &format!(": {why}");
    }
    text
}

pub(crate) fn no_success(last_ok_ms: Option<i64>, since_ms: i64, zone: Option<&str>) -> String {
    match last_ok_ms {
        Some(ok_ms) => format!("the last success was at {}", instant(ok_ms, zone)),
        None => format!("no success since {}", instant(since_ms, zone)),
    }
}

/// When a quarantine is over, or was.
pub(crate) fn quarantine(until_ms: i64) -> String {
    format!("all jobs start again by {}", instant(until_ms, None))
}

pub(crate) fn outage(outage: &Outage) -> String {
    let error = first_line(&outage.error);
    match outage.until_ms {
        Some(until_ms) => {
            let from = instant(outage.since_ms, None);
            let lasted = Span(until_ms - outage.since_ms);
            format!("from {from} for {lasted}: {error}")
        }
        None => format!("since {}: {error}", instant(outage.since_ms, None)),
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::{SkipReason, TickMs, UnitName};

    use super::*;

    #[test]
    fn how_a_node_came_to_run_it_is_no_part_of_why_a_run_failed() {
        let skipped = SkipReason::Overlap;
        let line = LedgerRecord {
            reason: "spread, on gpu".to_owned(),
            error: "disk full".to_owned(),
            outcome: Outcome::Failed,
            ..LedgerRecord::skipped(&UnitName::new("a", 0), TickMs(0), skipped, "n1", 0)
        };
        let text = run(&line, None);
        assert!(text.ends_with("failed on n1: disk full"), "{text}");
        let cancelled = LedgerRecord {
            reason: "shutdown; returned".to_owned(),
            outcome: Outcome::Cancelled,
            ..line
        };
        let text = run(&cancelled, None);
        assert!(text.ends_with(": shutdown; returned: disk full"), "{text}");
    }
}
