//! What the checker finds.

use std::fmt;

/// A rule of the protocol, as `docs/protocol.md` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// One start for each tick and attempt.
    S1,
    /// Runs of a unit do not overlap.
    S2,
    /// Fencing tokens increase.
    S3,
    /// No poll after the deadline.
    S4,
    /// No tick starts after a later one.
    S5,
    /// A sink that rejects lower tokens accepts an increasing sequence.
    S6,
    /// Nothing of the schedule is granted in a pause.
    S7,
    /// Of a unit, the id of a request starts once.
    S8,
    /// A cancel stops only the run whose token it names.
    S9,
    /// Of each directive, the highest version wins.
    C1,
    /// Every tick ends in one outcome.
    E1,
    /// Every request ends in one line.
    E2,
    /// After a fault the next due tick starts in time.
    L,
    /// The history contradicts itself: the observer is wrong, and nothing can be concluded.
    Incomplete,
    /// A rule of the test around the checker, by name.
    Custom(&'static str),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Incomplete => f.write_str("incomplete"),
            Rule::Custom(name) => f.write_str(name),
            rule => write!(f, "{rule:?}"),
        }
    }
}

/// A rule that was broken.
///
/// `{}` shows rule, job and evidence; `{:#}` adds the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// The job; empty if it is about none.
    pub job: String,
    /// The ticks concerned, oldest first.
    pub ticks: Vec<i64>,
    /// Around when, by the shared clock.
    pub at_us: u64,
    /// What is wrong.
    pub what: String,
    /// The observations that show it, a line each.
    pub evidence: Vec<String>,
    /// What happened around it, a line each: events of the job, faults, and notes.
    pub timeline: String,
}

impl Violation {
    pub(super) fn new(rule: Rule, job: &str, at_us: u64, what: impl Into<String>) -> Self {
        Violation {
            rule,
            job: job.to_owned(),
            ticks: Vec::new(),
            at_us,
            what: what.into(),
            evidence: Vec::new(),
            timeline: String::new(),
        }
    }

    pub(super) fn of_ticks<const N: usize>(mut self, mut ticks: [i64; N]) -> Self {
        ticks.sort_unstable();
        self.ticks = ticks.into();
        self.ticks.dedup();
        self
    }

    pub(super) fn shown_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.rule, self.job, self.what)?;
        for (index, line) in self.evidence.iter().enumerate() {
            let colon = if index == 0 { ":" } else { "" };
            write!(f, "{colon}\n  {line}")?;
        }
        if f.alternate() {
            write!(f, "\ntimeline:\n{}", self.timeline)?;
        }
        Ok(())
    }
}
