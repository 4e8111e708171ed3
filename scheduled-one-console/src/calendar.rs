//! The audit calendar: a cell for each tick of a range, none left out. Pure: ticks, ledger and marks in, cells out.

use std::collections::BTreeMap;

use scheduled_one_control::OpenRun;
use scheduled_one_protocol::message::Watermarks;
use scheduled_one_protocol::{LedgerRecord, Outcome};

use crate::page::{Tone, is_end, tone_of, word_of};

/// What became of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As the ledger says; of several shards the worst.
    Decided(Outcome),
    Running,
    Waiting,
    /// It is due, and not decided yet.
    Due,
    /// It is in a pause, and not decided yet.
    Paused,
    /// The ledger does not go back so far.
    NoLongerKept,
    /// It was before the job was known here.
    NotKnownYet,
    /// It was decided, and the ledger has no line of it.
    Unaccounted,
}

impl Fate {
    pub(crate) fn word(&self) -> String {
        match self {
            Fate::Decided(outcome) => word_of(*outcome),
            Fate::Running => "running".to_owned(),
            Fate::Waiting => "waiting".to_owned(),
            Fate::Due => "due".to_owned(),
            Fate::Paused => "paused".to_owned(),
            Fate::NoLongerKept => "no longer kept".to_owned(),
            Fate::NotKnownYet => "before the job was known".to_owned(),
            Fate::Unaccounted => "unaccounted".to_owned(),
        }
    }

    pub(crate) fn tone(&self) -> Tone {
        match self {
            Fate::Decided(outcome) => tone_of(*outcome),
            Fate::Running => Tone::Running,
            Fate::Unaccounted => Tone::Bad,
            _ => Tone::Idle,
        }
    }

    /// Whether its cell is an outline: there is no outcome.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Fate::Decided(_) | Fate::Running | Fate::Unaccounted)
    }
}

/// What is known of a job.
pub(crate) struct Known<'a> {
    /// The lines of its ledger, newest first.
    pub(crate) lines: &'a [LedgerRecord],
    pub(crate) marks: &'a Watermarks,
    pub(crate) open: &'a [OpenRun],
    /// When its pauses began that hold now.
    pub(crate) paused_since_ms: Option<i64>,
    /// Whether each node runs it by itself, so that there are no marks.
    pub(crate) is_local: bool,
}

/// A tick with what became of it.
pub(crate) struct Cell {
    pub(crate) tick_ms: i64,
    pub(crate) fate: Fate,
}

/// A cell for each of the ticks, in their order.
pub(crate) fn cells(ticks: &[i64], known: &Known<'_>) -> Vec<Cell> {
    let of_schedule = known
        .lines
        .iter()
        .filter(|line| line.cause.is_none() && is_end(line));
    let (ranges, single): (Vec<&LedgerRecord>, Vec<&LedgerRecord>) =
        of_schedule.partition(|line| line.count > 1);
    let mut by_tick: BTreeMap<i64, Outcome> = BTreeMap::new();
    for line in single {
        let outcome = by_tick.entry(line.tick.ms()).or_insert(line.outcome);
        if tone_of(line.outcome) > tone_of(*outcome) {
            *outcome = line.outcome;
        }
    }
    let oldest_ms = known.lines.iter().map(|line| line.tick.ms()).min();
    let cell = |tick_ms: &i64| {
        let covers =
            |line: &&&LedgerRecord| (line.tick.ms()..=line.last_tick.ms()).contains(tick_ms);
        let range = || ranges.iter().find(covers).map(|line| line.outcome);
        let decided = by_tick.get(tick_ms).copied().or_else(range);
        Cell {
            tick_ms: *tick_ms,
            fate: match decided {
                Some(outcome) => Fate::Decided(outcome),
                None => undecided(*tick_ms, oldest_ms, known),
            },
        }
    };
    ticks.iter().map(cell).collect()
}

fn undecided(tick_ms: i64, oldest_ms: Option<i64>, known: &Known<'_>) -> Fate {
    let open = known
        .open
        .iter()
        .find(|run| !run.is_requested && run.tick.ms() == tick_ms);
    let decided_to = known.marks.decided_to().map(|tick| tick.ms());
    match open {
        Some(run) if run.token.is_some() => Fate::Running,
        Some(_) => Fate::Waiting,
        None if known.is_local => match oldest_ms.is_none_or(|oldest_ms| tick_ms < oldest_ms) {
            true => Fate::NoLongerKept,
            false => Fate::Unaccounted,
        },
        None if known
            .marks
            .first_seen_ms
            .is_none_or(|first_ms| tick_ms <= first_ms) =>
        {
            Fate::NotKnownYet
        }
        None if decided_to.is_none_or(|decided| tick_ms > decided) => {
            match known
                .paused_since_ms
                .is_some_and(|since_ms| tick_ms >= since_ms)
            {
                true => Fate::Paused,
                false => Fate::Due,
            }
        }
        None if oldest_ms.is_none_or(|oldest_ms| tick_ms < oldest_ms) => Fate::NoLongerKept,
        None => Fate::Unaccounted,
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::message::Cause;
    use scheduled_one_protocol::{FencingToken, SkipReason, TickMs, UnitName};

    use super::*;

    fn line(tick_ms: i64, outcome: Outcome) -> LedgerRecord {
        let unit = UnitName::new("job", 0);
        LedgerRecord {
            outcome,
            ..LedgerRecord::skipped(&unit, TickMs(tick_ms), SkipReason::Overlap, "n", 0)
        }
    }

    fn fates<'a>(
        ticks: &[i64],
        lines: &'a [LedgerRecord],
        open: &'a [OpenRun],
        paused_since_ms: Option<i64>,
    ) -> Vec<String> {
        let marks = Watermarks {
            first_seen_ms: Some(10),
            decided: Some(TickMs(80)),
            ..Watermarks::default()
        };
        let known = Known {
            lines,
            marks: &marks,
            open,
            paused_since_ms,
            is_local: false,
        };
        cells(ticks, &known)
            .iter()
            .map(|cell| cell.fate.word())
            .collect()
    }

    #[test]
    fn each_tick_has_a_cell_that_says_what_became_of_it() {
        let range = LedgerRecord {
            last_tick: TickMs(50),
            count: 3,
            ..line(30, Outcome::Missed)
        };
        let retried = LedgerRecord {
            retried: true,
            ..line(60, Outcome::Failed)
        };
        let rerun = LedgerRecord {
            cause: Some(Cause::Rerun),
            ..line(70, Outcome::Failed)
        };
        let lines = [
            line(60, Outcome::Ok),
            retried,
            rerun,
            range,
            line(20, Outcome::Skipped),
        ];
        let ticks = [10, 15, 20, 30, 40, 50, 60, 70, 90];
        let expected = [
            "before the job was known",
            "no longer kept",
            "skipped",
            "missed",
            "missed",
            "missed",
            "ok",
            "unaccounted",
            "due",
        ];
        assert_eq!(fates(&ticks, &lines, &[], None), expected);
    }

    #[test]
    fn open_runs_pauses_and_the_worst_of_shards_are_seen() {
        let run = |tick, token| {
            let mut run = OpenRun::default();
            (run.tick, run.token) = (TickMs(tick), token);
            run
        };
        let open = [run(70, Some(FencingToken(7))), run(90, None)];
        let shards = [
            line(60, Outcome::Ok),
            line(60, Outcome::Failed),
            line(60, Outcome::Skipped),
        ];
        let seen = fates(&[60, 70, 90, 100], &shards, &open, Some(95));
        assert_eq!(seen, ["failed", "running", "waiting", "paused"]);
    }
}
