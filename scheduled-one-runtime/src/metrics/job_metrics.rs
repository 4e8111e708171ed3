//! The instruments of one job, which are part of it: 0 from the start, and fed by whoever has the job.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::metrics::counters::{Bounds, Counted, Counters, Histogram, add};
use crate::metrics::labels::{CAUSES, MISSED_REASONS, OUTCOMES, SKIP_REASONS, missed_reason};
use scheduled_one_protocol::message::Missed;
use scheduled_one_protocol::{Outcome, SkipReason};

/// Buckets of the durations of runs, in seconds.
pub(crate) const DURATIONS: Bounds = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
];
/// Buckets of lateness, in seconds.
pub(crate) const LATENESSES: Bounds = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0,
];

/// A histogram that takes memory when something is counted.
type LazyHistogram = OnceLock<Box<Histogram>>;

/// Runs by outcome.
type Outcomes = Counters<{ OUTCOMES.len() }>;

/// The instruments of one job on this node.
#[derive(Debug, Default)]
pub(crate) struct JobMetrics {
    /// What nearly each run is counted in is part of the job: boxes that are made with the first run of each of
    /// thousands of jobs would lie scattered between what runs allocate for a short time, which slows that down.
    lateness: Histogram,
    durations_of_ok: Histogram,
    /// Runs of ticks by outcome.
    runs: Outcomes,
    /// The same of requests, by cause; of most jobs there is none.
    requested: OnceLock<Box<[Outcomes; CAUSES.len() - 1]>>,
    /// By outcome, without those that returned without an error.
    durations: [LazyHistogram; OUTCOMES.len()],
    missed: Counters<{ MISSED_REASONS.len() }>,
    skipped: Counters<{ SKIP_REASONS.len() }>,
    pub(crate) retries: AtomicU64,
    pub(crate) takeovers: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) finished_without_lease: AtomicU64,
    /// Ticks of which the audit found no outcome.
    pub(crate) unaccounted: AtomicU64,
    /// When the last run ended, and the last that returned without an error, in ms; 0 if none is known.
    last_run_ms: AtomicI64,
    last_success_ms: AtomicI64,
    /// Runs that failed since one returned without an error, by shard; a shard without one has no entry.
    failures: Mutex<BTreeMap<u32, u32>>,
    waiting: AtomicU32,
    /// 0 if it is not.
    paused_until_ms: AtomicI64,
    /// Whether another node reports what several nodes know of the job.
    silent: AtomicBool,
}

/// Whether an outcome is a failure of the job's function.
fn is_failure(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Failed | Outcome::Panicked | Outcome::TimedOut
    )
}

impl JobMetrics {
    /// A run of this node, of a shard, has ended. `took` is the time since its function was called first.
    pub(crate) fn run_ended(
        &self,
        cause: &str,
        shard: u32,
        outcome: Outcome,
        took: Option<Duration>,
        now_ms: i64,
    ) {
        let Some(index) = OUTCOMES.iter().position(|known| *known == outcome) else {
            return;
        };
        match CAUSES.iter().position(|known| *known == cause) {
            None | Some(0) => self.runs.add(index, 1),
            Some(cause) => self.requested.get_or_init(Box::default)[cause - 1].add(index, 1),
        }
        if let Some(took) = took {
            let histogram = match outcome {
                Outcome::Ok => &self.durations_of_ok,
                _ => self.durations[index].get_or_init(Box::default),
            };
            histogram.record(&DURATIONS, took);
        }
        self.learn_run(outcome, now_ms);
        match outcome {
            Outcome::Ok => drop(self.failures().remove(&shard)),
            failure if is_failure(failure) => *self.failures().entry(shard).or_default() += 1,
            _ => {}
        }
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<u32, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run ended, here or elsewhere.
    fn learn_run(&self, outcome: Outcome, ended_at_ms: i64) {
        self.last_run_ms.fetch_max(ended_at_ms, Ordering::Relaxed);
        if outcome == Outcome::Ok {
            self.last_success_ms
                .fetch_max(ended_at_ms, Ordering::Relaxed);
        }
    }

    /// The newest ends of runs in the ledger, newest first: shard, outcome, and when.
    pub(crate) fn learn_ledger(&self, newest_first: impl Iterator<Item = (u32, Outcome, i64)>) {
        let mut shards: BTreeMap<u32, (u32, bool)> = BTreeMap::new();
        for (shard, outcome, ended_at_ms) in newest_first {
            self.learn_run(outcome, ended_at_ms);
            let (failures, succeeded) = shards.entry(shard).or_default();
            *succeeded |= outcome == Outcome::Ok;
            *failures += u32::from(!*succeeded && is_failure(outcome));
        }
        let mut known = self.failures();
        for (shard, (failures, succeeded)) in shards {
            // Without a success, older failures may be beyond the lines that were read.
            let before = known.remove(&shard).filter(|_| !succeeded);
            let failures = failures.max(before.unwrap_or_default());
            if failures > 0 {
                known.insert(shard, failures);
            }
        }
    }

    pub(crate) fn began(&self, lateness: Duration) {
        self.lateness.record(&LATENESSES, lateness);
    }

    pub(crate) fn retried(&self) {
        add(&self.retries, 1);
    }

    /// Ticks were missed, or skipped because the job is disabled or paused.
    pub(crate) fn missed(&self, missed: &Missed) {
        match missed.outcome {
            Outcome::Skipped => self.skipped_ticks(&missed.reason, missed.count),
            _ => self.missed_ticks(&missed.reason, missed.count),
        }
    }

    pub(crate) fn missed_ticks(&self, reason: &str, count: u64) {
        if let Some(index) = missed_reason(reason) {
            self.missed.add(index, count);
        }
    }

    pub(crate) fn skipped(&self, reason: SkipReason) {
        self.skipped_ticks(reason.as_str(), 1);
    }

    fn skipped_ticks(&self, reason: &str, count: u64) {
        let mut known = SKIP_REASONS.iter();
        if let Some(index) = known.position(|known| known.as_str() == reason) {
            self.skipped.add(index, count);
        }
    }

    /// How many ticks wait in the queue, as the node knows.
    pub(crate) fn set_waiting(&self, ticks: u32) {
        self.waiting.store(ticks, Ordering::Relaxed);
    }

    /// A tick began to wait (+1), or one that waited was granted (-1).
    pub(crate) fn waits(&self, more: i32) {
        let changed = |waiting: u32| Some(waiting.saturating_add_signed(more));
        let _ = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }

    /// Until when an operator has paused the job, by the cluster's clock; 0 if nobody has.
    pub(crate) fn set_paused_until(&self, until_ms: i64) {
        self.paused_until_ms.store(until_ms, Ordering::Relaxed);
    }

    /// Whether this node reports what several nodes know: how many runs failed in a row, and how many ticks wait.
    pub(crate) fn set_reports(&self, reports: bool) {
        self.silent.store(!reports, Ordering::Relaxed);
    }

    pub(crate) fn runs_with(&self, cause: usize, outcome: usize) -> u64 {
        match cause {
            0 => self.runs.get(outcome),
            cause => {
                let requested = self.requested.get();
                requested.map_or(0, |runs| runs[cause - 1].get(outcome))
            }
        }
    }

    /// `None` if no run had this outcome.
    pub(crate) fn durations_with(&self, outcome: usize) -> Option<Counted> {
        match OUTCOMES[outcome] {
            Outcome::Ok => self.durations_of_ok.read().if_any(),
            _ => self.durations[outcome].get()?.read().if_any(),
        }
    }

    /// `None` if no run began.
    pub(crate) fn latenesses(&self) -> Option<Counted> {
        self.lateness.read().if_any()
    }

    pub(crate) fn missed_for(&self, reason: usize) -> u64 {
        self.missed.get(reason)
    }

    pub(crate) fn skipped_for(&self, reason: usize) -> u64 {
        self.skipped.get(reason)
    }

    pub(crate) fn last_run_ms(&self) -> i64 {
        self.last_run_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn last_success_ms(&self) -> i64 {
        self.last_success_ms.load(Ordering::Relaxed)
    }

    /// Of the shard with the most; 0 where another node reports it.
    pub(crate) fn consecutive_failures(&self) -> u32 {
        match self.silent.load(Ordering::Relaxed) {
            true => 0,
            false => self.failures().values().copied().max().unwrap_or_default(),
        }
    }

    /// 0 where another node reports it.
    pub(crate) fn waiting(&self) -> u32 {
        match self.silent.load(Ordering::Relaxed) {
            true => 0,
            false => self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Until when the job is paused, as far as this node knows; 0 if it is not.
    pub(crate) fn paused_until_ms(&self) -> i64 {
        self.paused_until_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_until_ms() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_costs_less_than_a_kibibyte_with_all_outcomes() {
        // Runs without an error have no box.
        let of = |others: usize| size_of::<JobMetrics>() + others * size_of::<Histogram>();
        assert!(of(1) <= 640, "{} bytes", of(1));
        let all = of(OUTCOMES.len() - 1);
        assert!(all <= 1_024, "{all} bytes");
    }

    #[test]
    fn failures_in_a_row_end_with_a_success_and_not_with_a_shutdown() {
        let job = JobMetrics::default();
        let ends = |outcome| job.run_ended(CAUSES[0], 0, outcome, None, 5);
        for outcome in [Outcome::Failed, Outcome::Cancelled, Outcome::Panicked] {
            ends(outcome);
        }
        assert_eq!(job.consecutive_failures(), 2);
        job.set_reports(false);
        assert_eq!(job.consecutive_failures(), 0);
        job.set_reports(true);
        ends(Outcome::Ok);
        assert_eq!(job.consecutive_failures(), 0);
        assert_eq!((job.last_run_ms(), job.last_success_ms()), (5, 5));
    }

    #[test]
    fn a_shard_that_succeeds_hides_none_that_fails() {
        let job = JobMetrics::default();
        let ends = |shard, outcome| job.run_ended(CAUSES[0], shard, outcome, None, 5);
        for _ in 0..3 {
            ends(1, Outcome::Failed);
            ends(0, Outcome::Failed);
            ends(0, Outcome::Ok);
        }
        assert_eq!(job.consecutive_failures(), 3);
        let elsewhere = [(0, Outcome::Ok, 9), (1, Outcome::Failed, 8)];
        job.learn_ledger(elsewhere.into_iter());
        assert_eq!(job.consecutive_failures(), 3);
        job.learn_ledger([(1, Outcome::Ok, 10)].into_iter());
        assert_eq!(job.consecutive_failures(), 0);
    }

    /// Also of a job whose runs have had each outcome there is, and of which somebody asked for a run.
    #[test]
    fn the_instruments_of_a_job_are_less_than_a_kibibyte() {
        let of_outcomes = OUTCOMES.len() * size_of::<Histogram>();
        let of_requests = size_of::<[Outcomes; CAUSES.len() - 1]>();
        let all = size_of::<JobMetrics>() + of_outcomes + of_requests;
        assert!(all <= 1_024, "{all}");
    }

    #[test]
    fn the_ledger_says_what_other_nodes_ran() {
        let job = JobMetrics::default();
        let lines = [
            (0, Outcome::Failed, 9_000),
            (0, Outcome::TimedOut, 8_000),
            (0, Outcome::Ok, 7_000),
            (0, Outcome::Failed, 6_000),
        ];
        job.learn_ledger(lines.into_iter());
        assert_eq!(job.consecutive_failures(), 2);
        assert_eq!((job.last_run_ms(), job.last_success_ms()), (9_000, 7_000));
        // Fewer lines than there are failures say nothing of the older ones.
        job.learn_ledger(lines.into_iter().take(1));
        assert_eq!(job.consecutive_failures(), 2);
    }
}
