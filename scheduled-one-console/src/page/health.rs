//! How a job is doing, in words.

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

    /// The worst that there is to say, from what the store knows and the newest lines of the ledger.
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
        let ends = || {
            lines
                .iter()
                .filter(|line| is_end(line) && line.outcome != Outcome::Skipped)
        };
        let bad = ends()
            .take_while(|line| tone_of(line.outcome) == Tone::Bad)
            .count();
        match ends().next() {
            _ if summary.is_missing() => health(Tone::Warn, "no node has it"),
            Some(line) if bad == 1 => since(Tone::Bad, line),
            Some(line) if bad > 1 => {
                let word = word_of(line.outcome);
                health(Tone::Bad, &format!("{word}, {bad} bad in a row"))
            }
            _ if summary.schedules.len() > 1 => {
                health(Tone::Warn, "nodes have different schedules")
            }
            _ if glance.is_paused => health(Tone::Idle, "paused"),
            _ if is_disabled(summary) => health(Tone::Idle, "disabled"),
            Some(line) if tone_of(line.outcome) == Tone::Warn => since(Tone::Warn, line),
            _ if glance.running() > 0 => health(Tone::Running, "running"),
            None => health(Tone::Idle, "never ran"),
            Some(_) => health(Tone::Ok, "ok"),
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
