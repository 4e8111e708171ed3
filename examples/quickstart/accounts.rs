//! The accounts at the end: is there something for every tick that was due, and nothing twice?
//!
//! What was due follows from the clock: each job is due at all multiples of its period. What ran was noted by the
//! functions, and what came of it is what the ledger says. The checker of `scheduled-one-testkit` knows the rules.

use std::collections::BTreeSet;

use scheduled_one_runtime::{LedgerEntry, Outcome, Scheduler};
use scheduled_one_testkit::checker::{
    Audit, Detail, FaultKind, FaultWindow, History, LedgerLine, Rule, Violation,
};

use crate::jobs::JOBS;
use crate::table::Table;

/// From when to when the replicas were up, in Unix seconds.
#[derive(Default)]
pub(crate) struct Accounts {
    first_s: i64,
    last_s: i64,
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
        let violations = self.history(table).check();
        println!(
            "job            due   ran  skipped  missed   failed or panicked  ran twice  unaccounted"
        );
        for (job, period_s) in JOBS {
            let lines = &table.lines[job];
            let failed = lines
                .iter()
                .filter(|line| matches!(line.outcome, Outcome::Failed | Outcome::Panicked));
            let broken = |rule| {
                let of_job = |it: &&Violation| it.job == job && it.rule == rule;
                violations.iter().filter(of_job).count()
            };
            println!(
                "{job:<12} {:>5} {:>5} {:>8} {:>7} {:>20} {:>10} {:>12}",
                self.due(job, period_s, table).len(),
                table.starts.ticks(job).len(),
                ticks_with(lines, Outcome::Skipped, period_s).len(),
                ticks_with(lines, Outcome::Missed, period_s).len(),
                failed.count(),
                broken(Rule::S1),
                broken(Rule::E1),
            );
        }
        for violation in &violations {
            println!("\n{violation:#}");
        }
        match violations.is_empty() {
            true => println!("\nEach tick ran once or is accounted for; none ran twice."),
            false => println!("\nThis must not happen: please report it, with the output above."),
        }
        violations.is_empty()
    }

    /// What was seen, for the checker.
    fn history(&self, table: &Table) -> History {
        let audit = |(job, period_s): (&'static str, i64)| {
            let due = self.due(job, period_s, table);
            let first_ms = due.first().map_or(0, |first_s| first_s * 1_000);
            let end_ms = due.last().map_or(0, |last_s| last_s * 1_000 + 1);
            let ledger = table.lines[job].iter().map(|line| LedgerLine {
                shard: line.shard,
                first_ms: line.tick.as_millisecond(),
                last_ms: line.last_tick.as_millisecond(),
                outcome: line.outcome,
                retried: line.retried,
                ..LedgerLine::default()
            });
            Audit::of_ledger(job, period_s * 1_000, first_ms, end_ms, ledger.collect())
        };
        History {
            events: table.starts.all(),
            detail: Detail::Starts,
            audits: JOBS.map(audit).into(),
            // On a busy machine, and in a new namespace, a tick may be missed.
            faults: vec![FaultWindow {
                what: "this machine".to_owned(),
                kind: FaultKind::Other,
                node: None,
                from_us: 0,
                to_us: u64::MAX,
            }],
            ..History::default()
        }
    }

    /// All multiples of the period while the replicas were up.
    fn due(&self, job: &str, period_s: i64, table: &Table) -> BTreeSet<i64> {
        let started = table
            .starts
            .ticks(job)
            .into_iter()
            .map(|tick| tick.as_second());
        let recorded = Outcome::ALL
            .into_iter()
            .flat_map(|outcome| ticks_with(&table.lines[job], outcome, period_s));
        let known: BTreeSet<i64> = started.chain(recorded).collect();
        let first_s = known
            .first()
            .map_or(self.first_s, |first| self.first_s.min(*first));
        let last_s = known
            .last()
            .map_or(self.last_s, |last| self.last_s.max(*last));
        (first_s..=last_s)
            .filter(|second| second % period_s == 0)
            .collect()
    }
}

/// The next whole second, by the clock of the cluster: the next tick of the job that has them all.
fn next_second(replica: &Scheduler) -> i64 {
    let jobs = replica.jobs().into_iter();
    let ticks = jobs.filter_map(|job| job.next_ticks.first().copied());
    ticks.min().map_or(0, |tick| tick.as_second())
}

/// The ticks with this outcome. A line on missed ticks stands for several in a row.
fn ticks_with(lines: &[LedgerEntry], outcome: Outcome, period_s: i64) -> BTreeSet<i64> {
    let lines = lines.iter().filter(|line| line.outcome == outcome);
    let ticks = |line: &LedgerEntry| {
        let (first_s, last_s) = (line.tick.as_second(), line.last_tick.as_second());
        (first_s..=last_s).filter(move |second| second % period_s == 0)
    };
    lines.flat_map(ticks).collect()
}
