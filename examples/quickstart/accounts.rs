//! The accounts at the end: is there something for every tick that was due, and nothing twice?
//!
//! What was due is reckoned here, from the clock: each job is due at all multiples of its period.
//! What ran was noted by the functions. Only what did not run has to be looked up in the ledger.

use std::collections::BTreeSet;

use scheduled_one_runtime::{LedgerEntry, Outcome, Scheduler};

use crate::jobs::JOBS;
use crate::table::Table;

/// From when to when the replicas were up, in Unix seconds.
#[derive(Default)]
pub(crate) struct Accounts {
    first_s: i64,
    last_s: i64,
}

/// What became of the ticks of one job.
#[derive(Default)]
struct Sums {
    due: usize,
    ran: usize,
    failed: usize,
    skipped: usize,
    missed: usize,
    duplicates: usize,
    unaccounted: usize,
}

impl Accounts {
    /// The first replica is up: ticks are due from now on.
    pub(crate) fn open(replica: &Scheduler) -> Self {
        Accounts {
            first_s: next_second(replica),
            last_s: 0,
        }
    }

    /// The replicas are about to stop. The newest tick may come due this very moment, too late to
    /// be decided by anyone; it counts if it was.
    pub(crate) fn close(&mut self, replica: &Scheduler) {
        self.last_s = next_second(replica) - 2;
    }

    /// Prints the sums; true if they are as they must be.
    pub(crate) fn settle(&self, table: &Table) -> bool {
        println!(
            "job            due   ran  skipped  missed   failed or panicked  ran twice  unaccounted"
        );
        let mut good = true;
        for (job, period_s) in JOBS {
            let sums = self.sums(job, period_s, table);
            println!(
                "{job:<12} {:>5} {:>5} {:>8} {:>7} {:>20} {:>10} {:>12}",
                sums.due,
                sums.ran,
                sums.skipped,
                sums.missed,
                sums.failed,
                sums.duplicates,
                sums.unaccounted,
            );
            good &= sums.duplicates == 0 && sums.unaccounted == 0;
        }
        match good {
            true => println!("\nEach tick ran once or is accounted for; none ran twice."),
            false => println!("\nThis must not happen: please report it, with the output above."),
        }
        good
    }

    fn sums(&self, job: &'static str, period_s: i64, table: &Table) -> Sums {
        let lines = &table.lines[job];
        let skipped = ticks_with(lines, Outcome::Skipped, period_s);
        let missed = ticks_with(lines, Outcome::Missed, period_s);
        let ran: BTreeSet<i64> = table
            .starts
            .ticks(job)
            .iter()
            .map(|tick| tick.timestamp())
            .collect();
        let failed = lines
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::Failed | Outcome::Panicked));
        let mut sums = Sums {
            failed: failed.count(),
            ..Sums::default()
        };
        let seen: BTreeSet<i64> = ran.iter().chain(&skipped).chain(&missed).copied().collect();
        for tick_s in self.due(period_s, &seen) {
            sums.due += 1;
            sums.ran += usize::from(ran.contains(&tick_s));
            sums.skipped += usize::from(skipped.contains(&tick_s));
            sums.missed += usize::from(missed.contains(&tick_s));
            sums.unaccounted += usize::from(!seen.contains(&tick_s));
        }
        let runs = table
            .starts
            .ticks(job)
            .into_iter()
            .map(|tick| table.starts.of(job, tick).len());
        sums.duplicates = runs.map(|runs| runs - 1).sum();
        sums
    }

    /// All multiples of the period while the replicas were up.
    fn due(&self, period_s: i64, seen: &BTreeSet<i64>) -> impl Iterator<Item = i64> {
        let first_s = seen
            .first()
            .map_or(self.first_s, |seen_s| self.first_s.min(*seen_s));
        let last_s = seen
            .last()
            .map_or(self.last_s, |seen_s| self.last_s.max(*seen_s));
        (first_s..=last_s).filter(move |second| second % period_s == 0)
    }
}

/// The next whole second, by the clock of the cluster: the next tick of the job that has them all.
fn next_second(replica: &Scheduler) -> i64 {
    let jobs = replica.jobs().into_iter();
    let ticks = jobs.filter_map(|job| job.next_ticks.first().copied());
    ticks.min().map_or(0, |tick| tick.timestamp())
}

/// The ticks with this outcome. A line on missed ticks stands for several in a row.
fn ticks_with(lines: &[LedgerEntry], outcome: Outcome, period_s: i64) -> BTreeSet<i64> {
    let lines = lines.iter().filter(|line| line.outcome == outcome);
    let ticks = |line: &LedgerEntry| {
        let (first_s, last_s) = (line.tick.timestamp(), line.last_tick.timestamp());
        (first_s..=last_s).filter(move |second| second % period_s == 0)
    };
    lines.flat_map(ticks).collect()
}
