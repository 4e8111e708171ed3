//! What a node knows of when its jobs start again, although their schedules say earlier: for the log and for
//! [`Scheduler::jobs`](crate::Scheduler::jobs).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::compiled_job::CompiledJob;
use crate::ledger::instant;

/// Most jobs that a text names for an instant.
const MAX_NAMED: usize = 10;
/// Most instants that a text lists.
const MAX_INSTANTS: usize = 5;

/// When the jobs of a node start again. The node and its scheduler share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlook(Arc<Mutex<HashMap<Arc<str>, JobOutlook>>>);

/// When a job starts again, by the cluster's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobOutlook {
    /// No run starts before this instant: a tick that is due earlier waits for it.
    pub(crate) claims_from_ms: i64,
    /// Ticks up to this instant are decided; it is noted only if it is ahead.
    pub(crate) decided_to_ms: i64,
}

impl Outlook {
    /// No run of the job starts before this instant.
    pub(crate) fn claims_from(&self, job: &Arc<str>, at_ms: i64) {
        let mut jobs = self.lock();
        let known = jobs.entry(Arc::clone(job)).or_default();
        known.claims_from_ms = known.claims_from_ms.max(at_ms);
    }

    /// The ticks of the job up to this instant are decided.
    pub(crate) fn decided_to(&self, job: &Arc<str>, at_ms: i64) {
        let mut jobs = self.lock();
        let known = jobs.entry(Arc::clone(job)).or_default();
        known.decided_to_ms = known.decided_to_ms.max(at_ms);
    }

    /// A job in the line at start: its schedule, its next tick, and when its runs start if that is later.
    pub(crate) fn describe(&self, job: &CompiledJob, now_ms: i64) -> String {
        let JobOutlook {
            claims_from_ms,
            decided_to_ms,
        } = self.of(&job.name);
        let (name, schedule) = (&job.name, job.schedule());
        let Some(next_ms) = schedule.next_after(now_ms.max(decided_to_ms)) else {
            return format!("{name} ({schedule}, never again)");
        };
        let next = instant(next_ms);
        if claims_from_ms <= next_ms {
            return format!("{name} ({schedule}, next {next})");
        }
        let from = instant(claims_from_ms);
        format!("{name} ({schedule}, next {next}, starts at {from}: quarantine)")
    }

    /// Forgets everything: the clock was set that the instants refer to.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    /// What is known of a job.
    pub(crate) fn of(&self, job: &str) -> JobOutlook {
        self.lock().get(job).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, JobOutlook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which jobs start again when, the first instant in front: `12:00:06Z: a, b; 13:00:01Z: c`.
pub(crate) fn by_instant<'a>(jobs: impl Iterator<Item = (&'a str, i64)>) -> String {
    let mut by_instant: BTreeMap<i64, Together<'_>> = BTreeMap::new();
    for (job, at_ms) in jobs {
        by_instant.entry(at_ms).or_default().add(job);
    }
    let one = |(at_ms, jobs): (&i64, &Together<'_>)| {
        let named = jobs.named.join(", ");
        match jobs.more {
            0 => format!("{}: {named}", instant(*at_ms)),
            more => format!("{}: {named} and {more} more", instant(*at_ms)),
        }
    };
    let mut parts: Vec<String> = by_instant.iter().take(MAX_INSTANTS).map(one).collect();
    if by_instant.len() > MAX_INSTANTS
        && let Some((last_ms, _)) = by_instant.last_key_value()
    {
        parts.push(format!("others until {}", instant(*last_ms)));
    }
    parts.join("; ")
}

/// The jobs that start again at one instant.
#[derive(Default)]
struct Together<'a> {
    named: Vec<&'a str>,
    /// How many are not named.
    more: usize,
    last: Option<&'a str>,
}

impl<'a> Together<'a> {
    /// Adds a job. Shards of one job come one after another.
    fn add(&mut self, job: &'a str) {
        if self.last.replace(job) == Some(job) {
            return;
        }
        match self.named.len() < MAX_NAMED {
            true => self.named.push(job),
            false => self.more += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_listed_by_the_instant_at_which_they_start_again() {
        let text = by_instant([("a", 6_000), ("big", 3_601_000), ("b", 6_000)].into_iter());
        assert_eq!(
            text,
            "1970-01-01T00:00:06Z: a, b; 1970-01-01T01:00:01Z: big"
        );
        let names: Vec<String> = (0..12).map(|n| format!("j{n:02}")).collect();
        let many = by_instant(names.iter().map(|name| (name.as_str(), 1_000)));
        assert!(many.ends_with("j09 and 2 more"), "{many}");
        let late = by_instant(
            names
                .iter()
                .zip(1..)
                .map(|(name, s)| (name.as_str(), s * 1_000)),
        );
        assert!(
            late.ends_with("; others until 1970-01-01T00:00:12Z"),
            "{late}"
        );
    }

    #[test]
    fn the_latest_instant_of_the_shards_of_a_job_counts() {
        let outlook = Outlook::default();
        let job: Arc<str> = "a".into();
        outlook.claims_from(&job, 5);
        outlook.claims_from(&job, 3);
        outlook.decided_to(&job, 9);
        let expected = JobOutlook {
            claims_from_ms: 5,
            decided_to_ms: 9,
        };
        assert_eq!(outlook.of("a"), expected);
        assert_eq!(outlook.of("b"), JobOutlook::default());
    }
}
