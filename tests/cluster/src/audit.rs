//! The audit of a node as a file: a line for each tick of the audit, and a line for each line of the ledger.

use std::collections::BTreeMap;

use scheduled_one_protocol::LedgerRecord;
use scheduled_one_runtime::{AuditedTick, LedgerEntry, Outcome, TickStatus as Audited};
use scheduled_one_testkit::checker::{Audit, AuditTick, LedgerLine, TickStatus};

const OPEN: &str = "open";
const NO_LONGER_KEPT: &str = "no_longer_kept";
const UNKNOWN: &str = "unknown";

/// What stands in the place of the id of a request, where there is none.
const NO_REQUEST: &str = "-";

/// The beginning of a reason that an operator has given: of a cancel with [`OPERATOR`] as its author.
const BY_OPERATOR: &str = "by operator";

/// Who has runs cancelled.
pub const OPERATOR: &str = "operator";

/// A line of a ledger as the checker reads it.
pub fn ledger_line(line: &LedgerRecord) -> LedgerLine {
    LedgerLine {
        shard: line.unit.shard(),
        first_ms: line.tick.0,
        last_ms: line.last_tick.0,
        outcome: line.outcome,
        retried: line.retried,
        request: line.request.clone(),
        token: line.token.map_or(0, |token| token.0),
        by_operator: line.reason.starts_with(BY_OPERATOR),
    }
}

/// The lines about one job. Of the ledger those that are about some tick of the range, and all about requests.
pub fn to_text(
    job: &str,
    ticks: &[AuditedTick],
    ledger: &[LedgerEntry],
    range_ms: std::ops::Range<i64>,
) -> String {
    let tick = |tick: &AuditedTick| {
        let status = match tick.status {
            Audited::Decided(outcome) => outcome.as_str(),
            Audited::NoLongerKept => NO_LONGER_KEPT,
            Audited::Unknown => UNKNOWN,
            _ => OPEN,
        };
        let tick_ms = tick.tick.as_millisecond();
        format!("tick {job} {} {tick_ms} {status}\n", tick.shard)
    };
    let line = |line: &LedgerEntry| {
        let (first_ms, last_ms) = (line.tick.as_millisecond(), line.last_tick.as_millisecond());
        let is_in_range = first_ms < range_ms.end && last_ms >= range_ms.start;
        let (shard, outcome, retried) = (line.shard, line.outcome, line.retried);
        let token = line.fencing_token.unwrap_or(0);
        let by_operator = line.reason.starts_with(BY_OPERATOR);
        let request = line.request.as_deref().unwrap_or(NO_REQUEST);
        (is_in_range || line.request.is_some() || by_operator).then(|| {
            format!(
                "line {job} {shard} {first_ms} {last_ms} {outcome} {retried} {token} {by_operator} {request}\n"
            )
        })
    };
    let ticks = ticks.iter().map(tick);
    ticks.chain(ledger.iter().rev().filter_map(line)).collect()
}

/// Reads what [`to_text`] wrote, of any number of jobs.
///
/// # Errors
///
/// The line that is none.
pub fn from_text(text: &str) -> Result<Vec<Audit>, String> {
    let mut audits: BTreeMap<&str, Audit> = BTreeMap::new();
    for line in text.lines() {
        read_line(line, &mut audits).ok_or_else(|| format!("not a line of an audit: {line:?}"))?;
    }
    Ok(audits.into_values().collect())
}

fn read_line<'a>(line: &'a str, audits: &mut BTreeMap<&'a str, Audit>) -> Option<()> {
    let mut words = line.split(' ');
    let (kind, job) = (words.next()?, words.next()?);
    let audit = audits.entry(job).or_insert_with(|| Audit {
        job: job.to_owned(),
        ..Audit::default()
    });
    let shard = words.next()?.parse().ok()?;
    match kind {
        "tick" => audit.ticks.push(AuditTick {
            shard,
            node: None,
            tick_ms: words.next()?.parse().ok()?,
            status: match words.next()? {
                OPEN => TickStatus::Open,
                NO_LONGER_KEPT => TickStatus::NoLongerKept,
                UNKNOWN => TickStatus::Unknown,
                word => TickStatus::Decided(Outcome::from_word(word)?),
            },
        }),
        "line" => audit.ledger.push(LedgerLine {
            shard,
            first_ms: words.next()?.parse().ok()?,
            last_ms: words.next()?.parse().ok()?,
            outcome: Outcome::from_word(words.next()?)?,
            retried: words.next()?.parse().ok()?,
            token: words.next()?.parse().ok()?,
            by_operator: words.next()?.parse().ok()?,
            request: match words.next()? {
                NO_REQUEST => String::new(),
                request => request.to_owned(),
            },
        }),
        _ => return None,
    }
    words.next().is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = "tick long 2 1700000000000 timed_out\n\
                    tick long 2 1700000001000 open\n\
                    line long 2 1700000000000 1700000000000 timed_out false 7 false -\n\
                    line long 0 1700000000000 1700000000000 cancelled false 8 true deploy-42\n\
                    tick short 0 1700000000500 unknown\n";
        let audits = from_text(text).expect("an audit");
        let [long, short] = &audits[..] else {
            panic!("{audits:?}");
        };
        let timed_out = TickStatus::Decided(Outcome::TimedOut);
        assert_eq!((long.ticks[0].shard, long.ticks[0].status), (2, timed_out));
        assert_eq!(long.ticks[1].status, TickStatus::Open);
        assert_eq!(long.ledger[0].outcome, Outcome::TimedOut);
        assert_eq!(long.ledger[0].request, "");
        let cancelled = &long.ledger[1];
        assert_eq!((cancelled.token, cancelled.by_operator), (8, true));
        assert_eq!(cancelled.request, "deploy-42");
        assert_eq!(short.ticks[0].status, TickStatus::Unknown);
        for bad in [
            "tick long 2 1700 new",
            "error: no answer",
            "tick long 2 1700 ok twice",
        ] {
            assert!(from_text(bad).is_err(), "{bad}");
        }
    }
}
