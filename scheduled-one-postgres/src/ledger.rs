//! The statements on ledgers.

use scheduled_one_protocol::LedgerRecord;
use scheduled_one_protocol::fields::LINE;

use crate::rows::{Column, Sources, names, shortened};

/// Lines that one deletion deletes, at most.
pub(crate) const TRIM_LINES: usize = 1_000;

/// New lines, and the statement that appends them.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) statement: String,
    pub(crate) jobs: Column,
    pub(crate) columns: Vec<Column>,
}

impl Appended {
    /// `None` if there are none. `trims`: the statement returns the newest line of each ledger that has a new one.
    pub(crate) fn of(lines: &[LedgerRecord], ledger: &str, trims: bool) -> Option<Self> {
        if lines.is_empty() {
            return None;
        }
        let columns = shortened(LINE, &lines.iter().collect::<Vec<_>>());
        let append = append(ledger, &columns);
        Some(Appended {
            statement: match trims {
                true => format!(
                    "WITH added AS ({append} RETURNING job, line) \
                     SELECT job, max(line) FROM added GROUP BY job"
                ),
                false => append,
            },
            jobs: Column::texts(lines.iter().map(|line| line.unit.job())),
            columns,
        })
    }
}

fn append(ledger: &str, columns: &[Column]) -> String {
    let sources = Sources::new(LINE, columns, 2);
    format!(
        "INSERT INTO {ledger} (bucket, job, {}) SELECT $1, v.job, {} \
         FROM unnest($2::text[]{}) WITH ORDINALITY AS v(job{}, place) ORDER BY v.place",
        names(LINE, ""),
        sources.values.join(", "),
        sources.arrays,
        sources.names
    )
}

/// Deletes the oldest lines of ledgers, the second parameter, that have more than the third up to the line that is the
/// fourth; of more lines than fit into one deletion, some. Returns the deleted lines.
///
/// One statement for many ledgers: a node that has just started trims each of them. The lines are deleted by their
/// tuple identifiers, because the server would otherwise read the whole table before it is analyzed for the first time;
/// no line is ever updated, so they stay where they are.
pub(crate) fn trim(ledger: &str) -> String {
    format!(
        "DELETE FROM {ledger} WHERE ctid = ANY (ARRAY (\
         SELECT old.tid FROM unnest($2::text[], $4::bigint[]) AS v(job, newest), LATERAL \
         (SELECT l.ctid AS tid FROM {ledger} AS l WHERE l.bucket = $1 AND l.job = v.job AND l.line <= \
         (SELECT k.line FROM {ledger} AS k WHERE k.bucket = $1 AND k.job = v.job AND k.line <= v.newest \
         ORDER BY k.line DESC OFFSET $3 LIMIT 1) \
         ORDER BY l.line LIMIT {TRIM_LINES}) AS old LIMIT {TRIM_LINES})) RETURNING line"
    )
}

/// The newest lines, newest first.
pub(crate) fn select(ledger: &str) -> String {
    format!(
        "SELECT {} FROM {ledger} WHERE bucket = $1 AND job = $2 ORDER BY line DESC LIMIT $3",
        names(LINE, "")
    )
}
