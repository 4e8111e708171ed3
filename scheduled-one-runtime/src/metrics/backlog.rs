//! What runs leave to be counted. Thousands of them start at one instant: to note what happened takes each of them one
//! push, and to count it would take the memory of several instruments of its job.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::compiled_job::CompiledJob;
use scheduled_one_protocol::Outcome;

/// Most notes that are kept; whoever makes one more counts them. It is what 16,000 runs leave, in 2 MiB.
const MOST: usize = 32_768;

/// Notes of runs, in the order in which they were made, until they are counted.
#[derive(Default)]
pub(super) struct Backlog {
    notes: Mutex<Vec<Note>>,
    /// Held by whoever counts, so that whoever waits for it finds everything counted. What is in it is empty, and has
    /// the memory of the notes that were counted last.
    counting: Mutex<Vec<Note>>,
}

/// What happened to a run of a job.
struct Note {
    job: Arc<CompiledJob>,
    what: RunNote,
}

/// What happened to a run.
pub(super) enum RunNote {
    /// Its function is called for the first time, so long after the tick was due.
    Began(Duration),
    /// It ended.
    Ended {
        cause: &'static str,
        shard: u32,
        outcome: Outcome,
        /// Since its function was called first, if it was.
        took: Option<Duration>,
        at_ms: i64,
    },
}

impl Backlog {
    /// Notes what happened, to be counted later.
    pub(super) fn note(&self, job: &Arc<CompiledJob>, what: RunNote) {
        let job = Arc::clone(job);
        let mut notes = lock(&self.notes);
        notes.push(Note { job, what });
        let is_full = notes.len() >= MOST;
        drop(notes);
        if is_full {
            self.count();
        }
    }

    /// Counts what has been noted so far.
    pub(super) fn count(&self) {
        let mut counting = lock(&self.counting);
        mem::swap(&mut *counting, &mut *lock(&self.notes));
        for Note { job, what } in counting.drain(..) {
            match what {
                RunNote::Began(lateness) => job.metrics.began(lateness),
                RunNote::Ended {
                    cause,
                    shard,
                    outcome,
                    took,
                    at_ms,
                } => job.metrics.run_ended(cause, shard, outcome, took, at_ms),
            }
        }
    }
}

fn lock(notes: &Mutex<Vec<Note>>) -> MutexGuard<'_, Vec<Note>> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiled_job::Compiled;
    use crate::context::JobContext;
    use crate::job::Job;
    use crate::job::when::Schedules;
    use crate::state::States;
    use scheduled_one_schedule::ZoneData;

    fn job() -> Arc<CompiledJob> {
        let zones = ZoneData::compiled_in();
        let mut schedules = Schedules::new(&zones, &[]);
        let job = Job::every("a", Duration::from_secs(1), |_: JobContext| async {});
        match job.compile(&States::default(), &mut schedules) {
            Ok(Compiled::Job(job)) => Arc::from(job),
            _ => panic!("the job is sound"),
        }
    }

    fn ended(outcome: Outcome) -> RunNote {
        RunNote::Ended {
            cause: "schedule",
            shard: 0,
            outcome,
            took: None,
            at_ms: 5,
        }
    }

    #[test]
    fn notes_are_counted_once_and_in_their_order() {
        let (job, backlog) = (job(), Backlog::default());
        for outcome in [Outcome::Failed, Outcome::Ok, Outcome::Failed] {
            backlog.note(&job, ended(outcome));
        }
        backlog.note(&job, RunNote::Began(Duration::from_millis(2)));
        assert_eq!(job.metrics.latenesses(), None);
        backlog.count();
        backlog.count();
        assert_eq!(job.metrics.consecutive_failures(), 1);
        let began = job.metrics.latenesses().expect("a run began");
        assert_eq!(began.counts.iter().sum::<u64>(), 1);
        backlog.note(&job, ended(Outcome::Ok));
        backlog.count();
        assert_eq!(job.metrics.consecutive_failures(), 0);
    }

    #[test]
    fn whoever_makes_too_many_notes_counts_them() {
        let (job, backlog) = (job(), Backlog::default());
        for _ in 0..=MOST {
            backlog.note(&job, ended(Outcome::Failed));
        }
        assert_eq!(job.metrics.consecutive_failures() as usize, MOST);
    }
}
