//! How a job is doing, in words.

use std::collections::HashMap;

use maud::{Markup, html};
use scheduled_one_control::{JobDescription, JobGlance, JobSummary};
use scheduled_one_protocol::{LedgerRecord, Outcome};

use super::parts::{Tone, state, time};
use crate::plan::is_disabled;

/// How a job is doing. The word says it; the tone is its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) tone: Tone,
    pub(crate) word: String,
    /// When it came so, if that is worth knowing.
    pub(crate) at_ms: Option<i64>,
}

impl Health {
    /// The same of a job that is shown alone.
    pub(crate) fn of_described(
        described: &JobDescription,
        glance: &JobGlance,
        lines: &[LedgerRecord],
    ) -> Self {
        let mut summary = JobSummary::default();
        summary.nodes = described.nodes.values().map(Vec::len).sum();
        summary.schedules = described.nodes.keys().copied().collect();
        summary.cataloged.clone_from(&described.cataloged);
        Self::of(&summary, glance, lines)
    }

    /// The store refuses to show what is stored of the job.
    pub(crate) fn unknown() -> Self {
        Health {
            tone: Tone::Bad,
            word: "cannot be read".to_owned(),
            at_ms: None,
        }
    }

    /// The worst that there is to say, of its worst unit, from what the store knows and the newest lines of the ledger.
    pub(crate) fn of(summary: &JobSummary, glance: &JobGlance, lines: &[LedgerRecord]) -> Self {
        let health = |tone, word: &str| Health {
            tone,
            word: word.to_owned(),
            at_ms: None,
        };
        let since = |tone, line: &LedgerRecord| Health {
            at_ms: Some(line.ended_at_ms),
            ..health(tone, &word_of(line.outcome))
        };
        let units = each_unit(lines);
        let bad_in_a_row = |ends: &&Vec<&LedgerRecord>| {
            let is_bad = |line: &&&LedgerRecord| tone_of(line.outcome) == Tone::Bad;
            ends.iter().take_while(is_bad).count()
        };
        let worst = units.iter().rev().max_by_key(bad_in_a_row);
        let bad = worst.as_ref().map_or(0, bad_in_a_row);
        let mut newest = units.iter().map(|ends| ends[0]);
        let warning = newest.find(|line| tone_of(line.outcome) == Tone::Warn);
        match (worst.map(|ends| ends[0]), warning) {
            _ if summary.is_missing() => health(Tone::Warn, "no node has it"),
            (Some(line), _) if bad == 1 => since(Tone::Bad, line),
            (Some(line), _) if bad > 1 => {
                let word = word_of(line.outcome);
                health(Tone::Bad, &format!("{word}, {bad} bad in a row"))
            }
            _ if summary.schedules.len() > 1 => {
                health(Tone::Warn, "nodes have different schedules")
            }
            _ if glance.is_paused => health(Tone::Idle, "paused"),
            _ if is_disabled(summary) => health(Tone::Idle, "disabled"),
            (_, Some(line)) => since(Tone::Warn, line),
            _ if glance.running() > 0 => health(Tone::Running, "running"),
            (None, _) => health(Tone::Idle, "never ran"),
            (Some(_), _) => health(Tone::Ok, "ok"),
        }
    }

    /// With its sign, and how long ago it came so.
    pub(crate) fn show(&self, now_ms: i64) -> Markup {
        let word = html! {
            (self.word)
            @if let Some(at_ms) = self.at_ms { " " (time(at_ms, now_ms)) }
        };
        state(self.tone, word)
    }

    /// Whether somebody should look.
    pub(crate) fn is_problem(&self) -> bool {
        matches!(self.tone, Tone::Bad | Tone::Warn)
    }
}

/// Outcomes of other units since the newest of a unit that show that it runs no more.
const OVER: usize = 3;

/// What became of the newest ticks of each shard, or of each node of a job that each node runs by itself, without those
/// that were skipped; the newest first, and the unit with the newest first. A shard that the job no longer has, or a
/// node that died, is left out as soon as another unit went on without it.
fn each_unit(newest_first: &[LedgerRecord]) -> Vec<Vec<&LedgerRecord>> {
    let mut places: HashMap<(u32, Option<&str>), usize> = HashMap::new();
    let mut units: Vec<Vec<&LedgerRecord>> = Vec::new();
    let mut of_schedule: Vec<usize> = Vec::new();
    let mut are_known = false;
    for line in newest_first.iter().filter(|line| is_end(line)) {
        let unit = (line.unit.shard(), line.identity.as_deref());
        let place = match places.get(&unit) {
            Some(place) => *place,
            None if are_known => continue,
            None => units.len(),
        };
        if place == units.len() {
            places.insert(unit, place);
            units.push(Vec::new());
            of_schedule.push(0);
        }
        of_schedule[place] += usize::from(line.cause.is_none());
        are_known |= of_schedule[place] >= OVER;
        if line.outcome != Outcome::Skipped {
            units[place].push(line);
        }
    }
    units.retain(|ends| !ends.is_empty());
    units
}

/// Whether the line has the outcome of its tick: neither an attempt that another one followed, nor a note.
pub(crate) fn is_end(line: &LedgerRecord) -> bool {
    !line.retried && line.outcome != Outcome::FinishedWithoutLease
}

pub(crate) fn tone_of(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Ok => Tone::Ok,
        Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Lost => Tone::Bad,
        Outcome::Missed
        | Outcome::Cancelled
        | Outcome::TakenOver
        | Outcome::FinishedWithoutLease => Tone::Warn,
        _ => Tone::Idle,
    }
}

/// The word of the ledger, with spaces.
pub(crate) fn word_of(outcome: Outcome) -> String {
    outcome.as_str().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::{SkipReason, TickMs, UnitName};

    use super::super::parts::distance;
    use super::*;

    fn line(outcome: Outcome) -> LedgerRecord {
        let unit = UnitName::new("job", 0);
        LedgerRecord {
            outcome,
            ..LedgerRecord::skipped(&unit, TickMs(0), SkipReason::Overlap, "n", 0)
        }
    }

    fn word(change: impl Fn(&mut JobSummary, &mut JobGlance), outcomes: &[Outcome]) -> String {
        let mut summary = JobSummary::default();
        summary.nodes = 1;
        let mut glance = JobGlance::default();
        change(&mut summary, &mut glance);
        let lines: Vec<LedgerRecord> = outcomes.iter().copied().map(line).collect();
        let health = Health::of(&summary, &glance, &lines);
        let since = health.at_ms.map(|at_ms| distance(at_ms, 120_000));
        [Some(health.word), since]
            .map(Option::unwrap_or_default)
            .join(" ")
            .trim_end()
            .to_owned()
    }

    /// The health from lines of these shards, or nodes, the newest first.
    fn of_units(outcomes: &[(u32, &str, Outcome)]) -> Health {
        let mut summary = JobSummary::default();
        summary.nodes = 1;
        let of = |(shard, identity, outcome): &(u32, &str, Outcome)| LedgerRecord {
            unit: UnitName::new("job", *shard),
            identity: (!identity.is_empty()).then(|| (*identity).to_owned()),
            ..line(*outcome)
        };
        let lines: Vec<LedgerRecord> = outcomes.iter().map(of).collect();
        Health::of(&summary, &JobGlance::default(), &lines)
    }

    #[test]
    fn the_worst_unit_speaks_for_the_job() {
        use Outcome::{Failed, Lost, Missed, Ok, Skipped};
        let shards = [(0, "", Ok), (1, "", Failed), (0, "", Ok), (1, "", Lost)];
        assert_eq!(of_units(&shards).word, "failed, 2 bad in a row");
        let nodes = [(0, "a", Ok), (0, "b", Missed), (0, "a", Ok)];
        assert_eq!(of_units(&nodes).word, "missed");
        let recovered = [(1, "", Ok), (0, "", Ok), (1, "", Failed)];
        assert_eq!(of_units(&recovered).word, "ok");
        let skipping = [
            (0, "", Ok),
            (1, "", Skipped),
            (0, "", Ok),
            (0, "", Ok),
            (1, "", Failed),
        ];
        assert_eq!(of_units(&skipping).word, "failed");
        // The node died, or the job has fewer shards now.
        let gone = [(0, "a", Ok), (0, "a", Ok), (0, "a", Ok), (0, "b", Failed)];
        assert_eq!(of_units(&gone).word, "ok");
    }

    #[test]
    fn the_worst_is_said() {
        let as_it_is = |_: &mut JobSummary, _: &mut JobGlance| {};
        assert_eq!(word(as_it_is, &[]), "never ran");
        assert_eq!(word(as_it_is, &[Outcome::Ok, Outcome::Failed]), "ok");
        assert_eq!(
            word(as_it_is, &[Outcome::Failed, Outcome::Ok]),
            "failed 2 min ago"
        );
        assert_eq!(
            word(as_it_is, &[Outcome::TimedOut, Outcome::Failed]),
            "timed out, 2 bad in a row"
        );
        assert_eq!(
            word(as_it_is, &[Outcome::Skipped, Outcome::Failed]),
            "failed 2 min ago"
        );
        assert_eq!(word(as_it_is, &[Outcome::Missed]), "missed 2 min ago");
        let paused = |_: &mut JobSummary, glance: &mut JobGlance| glance.is_paused = true;
        assert_eq!(word(paused, &[Outcome::Ok]), "paused");
        assert_eq!(word(paused, &[Outcome::Failed]), "failed 2 min ago");
        let without_node = |summary: &mut JobSummary, _: &mut JobGlance| summary.nodes = 0;
        assert_eq!(word(without_node, &[Outcome::Failed]), "no node has it");
    }
}
