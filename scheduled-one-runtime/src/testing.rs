//! A kit for tests of jobs: time that moves only when the test moves it, an
//! embedded store, and a tick run by hand.
//!
#![doc = include_str!("../docs/testing.md")]

use std::time::Duration;

use jiff::Timestamp;

use crate::error::Error;
use crate::ledger::LedgerEntry;
use crate::scheduler::Scheduler;
use crate::scheduler::builder::SchedulerBuilder;
use scheduled_one_protocol::clock::{Clock, ManualClock};

/// How long, in Tokio's time, the kit waits for what should happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Ledger lines looked at.
const LINES: usize = 1_000;

/// A scheduler on a store and a clock of its own, which begins on Thursday,
/// 2026-01-01 00:00:00 UTC.
#[derive(Debug)]
pub struct TestScheduler {
    scheduler: Scheduler,
    clock: ManualClock,
}

impl TestScheduler {
    /// Starts the jobs of the program and those `setup` adds; `setup` also
    /// gives states, and chooses with
    /// [`only`](SchedulerBuilder::only) where a test is about one job.
    ///
    /// # Errors
    ///
    /// As [`SchedulerBuilder::start`].
    pub async fn start(
        setup: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder,
    ) -> Result<Self, Error> {
        let clock = ManualClock::new();
        let builder = Scheduler::builder("memory://").clock(clock.clone());
        let scheduler = setup(builder).start().await?;
        Ok(TestScheduler { scheduler, clock })
    }

    /// The scheduler, for its ledger, its audit, its shutdown.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.clock.wall().as_nanos() as i128).unwrap_or_default()
    }

    /// Moves the clock ahead, at once: ticks in between are late, and several
    /// of one job are treated as its `misfire` policy says.
    pub fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Moves the clock to the next tick of a job and waits until that has an
    /// outcome (with shards: until one of them has). Other jobs that come due
    /// by then run too.
    ///
    /// # Panics
    ///
    /// If there is no such job, it is never due again, or its tick has no
    /// outcome within 30 s of Tokio's time (real time, unless it is paused): a run that waits for time to pass
    /// needs [`advance`](Self::advance) from beside. So does a job with
    /// `jitter`, which starts later than its tick; one that is disabled has
    /// none before its start deadline has passed.
    pub async fn run_next(&self, job: &str) -> LedgerEntry {
        let jobs = self.scheduler.jobs();
        let found = jobs.iter().find(|known| known.name == job);
        let found = found.unwrap_or_else(|| panic!("there is no job `{job}`"));
        let tick = *found
            .next_ticks
            .first()
            .unwrap_or_else(|| panic!("job `{job}` is never due again"));
        let ahead = Duration::try_from(tick - self.now()).unwrap_or_default();
        self.clock.advance(ahead);
        self.outcome_of(job, tick).await
    }

    /// Waits until a tick of a job has an outcome, and returns it.
    ///
    /// # Panics
    ///
    /// If it has none within 30 s of Tokio's time.
    pub async fn outcome_of(&self, job: &str, tick: Timestamp) -> LedgerEntry {
        let looks = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            let ledger = self.scheduler.ledger(job, LINES).await;
            let mut lines = ledger.unwrap_or_default().into_iter();
            let of_tick = |line: &LedgerEntry| (line.tick..=line.last_tick).contains(&tick);
            if let Some(line) = lines.find(|line| of_tick(line) && !line.retried) {
                return line;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("job `{job}`: tick {tick} has no outcome after {PATIENCE:?}");
    }
}
