//! How far a ledger has been read.

use serde::{Deserialize, Serialize};

use scheduled_one_protocol::{LedgerRecord, hash};

use crate::engine::TurnBack;

/// How many of the newest lines a cursor knows. A store that was rolled back has lost the newest ones, and is
/// recognised by one of the others.
const KNOWN_LINES: usize = 4;

/// The newest lines that were read, by digest: a line of a ledger has no number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Newest first.
    known: Vec<u64>,
    newest_ms: i64,
    /// The digest that the store's records of the job had when its ledger was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) mark: Option<u64>,
}

impl Cursor {
    /// Whether the lines, newest first, reach back to what was read.
    pub(crate) fn reaches(&self, lines: &[LedgerRecord]) -> bool {
        self.position(lines).is_some()
    }

    /// The clock went back: lines that follow are newer than those that were read, whatever their ends say.
    pub(crate) fn turn(&mut self, back: TurnBack) {
        back.each([&mut self.newest_ms]);
    }

    fn position(&self, lines: &[LedgerRecord]) -> Option<usize> {
        lines
            .iter()
            .position(|line| self.known.contains(&digest(line)))
    }

    /// The lines that were not read, oldest first, of those of the ledger, newest first. They are read then.
    ///
    /// If none of the known lines is left, the ledger was trimmed, flushed or rolled back: then the lines that are
    /// newer by their end are new.
    pub(crate) fn take_new(&mut self, mut lines: Vec<LedgerRecord>) -> Vec<LedgerRecord> {
        let newest_ms = self.newest_ms;
        match self.position(&lines) {
            Some(known) => lines.truncate(known),
            None if self.known.is_empty() => {}
            None => lines.retain(|line| line.ended_at_ms > newest_ms),
        }
        let mut known: Vec<u64> = lines.iter().take(KNOWN_LINES).map(digest).collect();
        known.extend(&self.known);
        known.truncate(KNOWN_LINES);
        self.known = known;
        let newest = lines.iter().map(|line| line.ended_at_ms).max();
        self.newest_ms = newest.unwrap_or(newest_ms).max(newest_ms);
        lines.reverse();
        lines
    }
}

/// Everything that tells two lines of one ledger apart.
fn digest(line: &LedgerRecord) -> u64 {
    let text = format!(
        "{}|{}|{}|{}|{}|{}|{:?}|{:?}|{}|{}",
        line.unit,
        line.tick.ms(),
        line.last_tick.ms(),
        line.outcome,
        line.retried,
        line.node,
        line.attempt,
        line.token.map(|token| token.get()),
        line.ended_at_ms,
        line.identity.as_deref().unwrap_or_default(),
    );
    hash(&text, 0)
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::message::Missed;
    use scheduled_one_protocol::{Outcome, TickMs, UnitName};

    use super::*;

    const NONE: [i64; 0] = [];

    fn line(at: i64) -> LedgerRecord {
        let missed = Missed {
            first: TickMs(at),
            last: TickMs(at),
            count: 1,
            outcome: Outcome::Missed,
            reason: String::new(),
        };
        LedgerRecord::missed(&UnitName::new("a", 0), &missed, "n", at)
    }

    fn ledger(ticks: &[i64]) -> Vec<LedgerRecord> {
        ticks.iter().rev().map(|at| line(*at)).collect()
    }

    fn taken(cursor: &mut Cursor, ticks: &[i64]) -> Vec<i64> {
        let new = cursor.take_new(ledger(ticks));
        new.iter().map(|line| line.ended_at_ms).collect()
    }

    #[test]
    fn each_line_is_read_once() {
        let mut cursor = Cursor::default();
        assert_eq!(taken(&mut cursor, &[]), NONE);
        assert_eq!(taken(&mut cursor, &[1, 2]), [1, 2]);
        assert_eq!(taken(&mut cursor, &[1, 2]), NONE);
        // A line that arrives late has an older end, and is new.
        assert_eq!(taken(&mut cursor, &[1, 2, 0, 3]), [0, 3]);
        assert!(cursor.reaches(&ledger(&[3, 4])) && !cursor.reaches(&ledger(&[4, 5])));
    }

    #[test]
    fn a_ledger_that_was_trimmed_flushed_or_rolled_back_repeats_nothing() {
        let mut cursor = Cursor::default();
        assert_eq!(taken(&mut cursor, &[1, 2, 3, 4, 5, 6]).len(), 6);
        // The newest two are lost, and others follow.
        assert_eq!(taken(&mut cursor, &[1, 2, 3, 4, 7]), [7]);
        assert_eq!(taken(&mut cursor, &[]), NONE);
        assert_eq!(taken(&mut cursor, &[8, 9]), [8, 9]);
        // A rollback by more than the cursor knows.
        assert_eq!(taken(&mut cursor, &[1, 2]), NONE);
    }
}
