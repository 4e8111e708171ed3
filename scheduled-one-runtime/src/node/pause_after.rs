//! `pause_after = n`: so many failed runs in a row pause the job.
//!
//! The count is in the ledger: it survives nodes, retries and takeovers. Whichever node learns of a failure counts, and
//! the directive is set only if nobody has changed it since it was read; so the job is paused once.

use std::sync::Arc;

use crate::event;
use crate::finish::is_failure;
use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::store_client::StoreClient;
use scheduled_one_protocol::message::{Changed, ControlRequest, DirectiveChange, MAX_NOTE_BYTES};
use scheduled_one_protocol::{Directive, LedgerRecord, Outcome, Pause, StoreError, UnitName};

/// Who pauses.
const BY: &str = "scheduled-one";
/// How often the directive is read again that somebody changed meanwhile.
const MAX_TRIES: usize = 4;
/// Lines that are read at first, for each failure: attempts, ticks that were skipped.
const LINES_EACH: usize = 8;
/// How many times as many are read next, if these do not show how many failed.
const MORE_LINES: usize = 4;

impl Node {
    /// A run of the unit has failed, for good.
    pub(super) fn run_failed(&mut self, unit: &UnitName) {
        let Some(index) = self.units.find(unit) else {
            return;
        };
        let job = Arc::clone(&self.units.get(index).job);
        let Some(most) = job.rules.pause_after else {
            return;
        };
        let client = Arc::clone(&self.client);
        let now_ms = self.runner.cluster.now_ms();
        self.inbox.request(async move {
            // After an error the next failure counts again.
            match pause_if_failing(&client, &job.name, most, now_ms).await {
                Ok(true) => event::paused_after(&job.name, most),
                Ok(false) => {}
                Err(error) => event::not_paused_after(&job.name, most, &error),
            }
            Event::Woken
        });
    }
}

/// Pauses the job if its newest runs have failed. Returns whether it did.
async fn pause_if_failing(
    client: &StoreClient,
    job: &str,
    most: u32,
    now_ms: i64,
) -> Result<bool, StoreError> {
    for _ in 0..MAX_TRIES {
        let read = ControlRequest::default();
        let reply = client.request(Op::Control, |store, caller| store.control(caller, &read));
        let directives = reply.await?.body.directives;
        let stored = directives.get(job).cloned().unwrap_or_default();
        if stored.is_paused(now_ms) {
            return Ok(false);
        }
        let Some(note) = note_if_failing(client, job, most, stored.changed_at_ms).await? else {
            return Ok(false);
        };
        let request = ControlRequest {
            change: Some(DirectiveChange {
                subject: job.to_owned(),
                seen: stored.version,
                directive: paused(stored, now_ms, note),
                action: "pause".to_owned(),
            }),
            ..ControlRequest::default()
        };
        let reply = client.request(Op::Control, |store, caller| store.control(caller, &request));
        if let Changed::To(_) = reply.await?.body.changed {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The note of the pause, if the newest runs have failed after the instant. Reads back as far as the ledger goes, if
/// need be: between two failures may be any number of lines.
async fn note_if_failing(
    client: &StoreClient,
    job: &str,
    most: u32,
    after_ms: i64,
) -> Result<Option<String>, StoreError> {
    let limit = client.caller.ledger_limit;
    let mut wanted = (most as usize * LINES_EACH).min(limit);
    loop {
        let lines = client.ledger(job, wanted).await?;
        match failing(&lines, most, after_ms) {
            Streak::Long(last) => return Ok(Some(note(most, last))),
            Streak::Short => return Ok(None),
            Streak::Unknown if lines.len() < wanted || wanted == limit => return Ok(None),
            Streak::Unknown => wanted = wanted.saturating_mul(MORE_LINES).min(limit),
        }
    }
}

/// What the newest lines of a job say of its failures in a row.
#[derive(Debug, PartialEq, Eq)]
enum Streak<'a> {
    /// So many, and this is the last.
    Long(&'a LedgerRecord),
    /// Fewer: something else comes before them.
    Short,
    /// The lines are all of them.
    Unknown,
}

fn paused(stored: Directive, now_ms: i64, note: String) -> Directive {
    let mut directive = Directive {
        changed_at_ms: now_ms,
        by: BY.to_owned(),
        note,
        ..stored
    };
    directive.end_pause(now_ms, false);
    directive.asked_by.clone_from(&directive.by);
    directive.asked_note.clone_from(&directive.note);
    directive.pause = Some(Pause {
        since_ms: now_ms,
        until_ms: None,
    });
    directive
}

/// Whether so many runs have failed in a row, after the instant at which somebody changed the directive. The lines are
/// the newest, newest first.
fn failing(lines: &[LedgerRecord], most: u32, after_ms: i64) -> Streak<'_> {
    let (mut last, mut failures) = (None, 0);
    for line in lines.iter().filter(|line| !line.retried) {
        // A run that somebody asked for counts neither way: it may have had other parameters.
        let is_of_schedule = line.cause.is_none();
        let is_ok = line.outcome == Outcome::Ok && is_of_schedule;
        if is_ok || line.ended_at_ms <= after_ms {
            return Streak::Short;
        }
        if is_failure(line.outcome) && is_of_schedule {
            failures += 1;
            let last = *last.get_or_insert(line);
            if failures == most {
                return Streak::Long(last);
            }
        }
    }
    Streak::Unknown
}

/// Why the job is paused, as long as notes may be.
fn note(most: u32, last: &LedgerRecord) -> String {
    let why = match (last.outcome, last.error.as_str()) {
        // Its reason is how the node came to run it.
        (Outcome::Failed | Outcome::Panicked, error) => error,
        (_, "") => &last.reason,
        (_, error) => error,
    };
    let runs = if most == 1 { "run" } else { "runs in a row" };
    let mut note = format!("{most} failed {runs}; the last: {} {why}", last.outcome);
    let mut ends = (0..=MAX_NOTE_BYTES.min(note.len())).rev();
    let end = ends.find(|end| note.is_char_boundary(*end));
    note.truncate(end.unwrap_or(0));
    note.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::TickMs;
    use scheduled_one_protocol::message::Cause;

    use super::*;

    /// Lines, newest first; each ended when its number says.
    fn lines(outcomes: &[(Outcome, bool, Option<Cause>)]) -> Vec<LedgerRecord> {
        let unit = UnitName::new("a", 0);
        let newest = outcomes.len() as i64;
        let line = |(age, (outcome, retried, cause)): (i64, &(Outcome, bool, Option<Cause>))| {
            LedgerRecord {
                outcome: *outcome,
                retried: *retried,
                cause: *cause,
                error: format!("error {}", newest - age),
                ..LedgerRecord::skipped(
                    &unit,
                    TickMs(1),
                    scheduled_one_protocol::SkipReason::Overlap,
                    "node",
                    newest - age,
                )
            }
        };
        (0..).zip(outcomes).map(line).collect()
    }

    #[test]
    fn failures_in_a_row_are_counted_by_their_last_attempts() {
        use Outcome::*;
        let by_schedule = |outcome| (outcome, false, None);
        let newest_first = [
            by_schedule(Failed),
            (Failed, true, None),
            by_schedule(Skipped),
            by_schedule(Cancelled),
            (Failed, false, Some(Cause::Manual)),
            (Ok, false, Some(Cause::Manual)),
            (Ok, false, Some(Cause::Backfill)),
            by_schedule(Lost),
            by_schedule(TakenOver),
            by_schedule(Panicked),
            by_schedule(Ok),
            by_schedule(TimedOut),
        ];
        let lines = lines(&newest_first);
        assert_eq!(failing(&lines, 3, 0), Streak::Long(&lines[0]));
        assert_eq!(failing(&lines, 4, 0), Streak::Short, "one before was ok");
        assert_eq!(failing(&lines[..4], 3, 0), Streak::Unknown);
        // Somebody resumed the job when the oldest of the three had ended.
        assert_eq!(failing(&lines, 3, 3), Streak::Short);
        assert_eq!(failing(&lines, 2, 3), Streak::Long(&lines[0]));
    }

    #[test]
    fn a_note_has_the_last_error_and_is_as_long_as_notes_may_be() {
        let mut lines = lines(&[(Outcome::Failed, false, None)]);
        assert_eq!(
            note(5, &lines[0]),
            "5 failed runs in a row; the last: failed error 1"
        );
        // How a node came to run it says nothing of the failure.
        lines[0].reason = "spread, on gpu".to_owned();
        lines[0].error.clear();
        assert_eq!(note(1, &lines[0]), "1 failed run; the last: failed");
        lines[0].error = "日本".repeat(1_000);
        let long = note(5, &lines[0]);
        assert!((MAX_NOTE_BYTES - 3..=MAX_NOTE_BYTES).contains(&long.len()));
    }
}
