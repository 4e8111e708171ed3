//! Compares what the nodes reported with what is promised.
//!
//! What was due follows from the clock, what ran is what the functions reported from inside, and what came of it is
//! what the ledger says. The checker of `scheduled-one-testkit` knows the rules.

use std::collections::BTreeSet;
use std::time::Duration;

use scheduled_one_runtime::Outcome;
use scheduled_one_testkit::checker::{
    Audit, Event, EventKind, FaultKind, FaultWindow, History, JobRules, LedgerLine, Rule,
    Tolerance, Violation,
};

use crate::LEASE;
use crate::node::JOBS;
use crate::processes::name;
use crate::report::{Line, Report, Sighting, What};

/// All that is known in the end.
#[derive(Default)]
pub(crate) struct Evidence {
    first_s: Option<i64>,
    last_s: i64,
    events: Vec<Event>,
    faults: Vec<FaultWindow>,
    /// As the node sent it that stopped last.
    ledger: Vec<Line>,
}

/// What became of the ticks of one job.
struct Ticks {
    due: BTreeSet<i64>,
    started: BTreeSet<i64>,
    skipped: BTreeSet<i64>,
    missed: BTreeSet<i64>,
    lost: BTreeSet<i64>,
}

impl Evidence {
    pub(crate) fn add(&mut self, node: usize, report: Report) {
        match report {
            Report::Up { next_s } => {
                self.first_s.get_or_insert(next_s);
            }
            Report::Stopping { next_s } => {
                // The last tick may have come due this very moment, with nobody left to decide it.
                self.last_s = next_s - 2;
                self.ledger.clear();
            }
            Report::Seen(sighting) => self.events.push(event(node, sighting)),
            Report::Ledger(line) => self.ledger.push(line),
            Report::Stopped => {}
        }
    }

    /// Something is done to a node.
    pub(crate) fn begins(&mut self, kind: FaultKind, node: usize, at_us: u64) {
        self.faults.push(FaultWindow {
            what: format!("{kind:?}"),
            kind,
            node: Some(name(node)),
            from_us: at_us,
            to_us: at_us,
        });
    }

    /// What was done last is undone.
    pub(crate) fn ends(&mut self, kind: FaultKind, at_us: u64) {
        let fault = self.faults.iter_mut().rfind(|fault| fault.kind == kind);
        fault.expect("it has begun").to_us = at_us;
    }

    /// Prints the table; true if all that must be zero is.
    pub(crate) fn judge(&self) -> bool {
        let violations = self.history().check();
        println!(
            "\n       ──────── became of ticks ─────────  \
             ─────────────────── must be 0 ────────────────────"
        );
        println!(
            "job    due   ran  skipped  missed  lost  \
             unaccounted  twice  overlap  late polls  disorder"
        );
        for (job, period_s) in JOBS {
            let ticks = self.ticks(job, period_s);
            let broken = |rules: &[Rule]| {
                let of_job = |it: &&Violation| it.job == job && rules.contains(&it.rule);
                violations.iter().filter(of_job).count()
            };
            println!(
                "{job:<6} {:>3} {:>5} {:>8} {:>7} {:>5} {:>12} {:>6} {:>8} {:>11} {:>9}",
                ticks.due.len(),
                ticks.started.difference(&ticks.lost).count(),
                ticks.skipped.len(),
                ticks.missed.len(),
                ticks.lost.len(),
                broken(&[Rule::E1]),
                broken(&[Rule::S1]),
                broken(&[Rule::S2]),
                broken(&[Rule::S4]),
                broken(&[Rule::S3, Rule::S5]),
            );
        }
        println!(
            "\n\
             skipped      the run before was still going\n\
             missed       due at the beginning, when nothing started yet\n\
             lost         started, but its node was killed or paused for too long\n\
             unaccounted  due, but its outcome is not known, or not what its function saw\n\
             twice        started more than once\n\
             overlap      two runs of the job at the same time\n\
             late polls   a paused run went on after it had lost its lease\n\
             disorder     started after a later tick, or with a lower fencing token"
        );
        for violation in &violations {
            println!("\n{violation:#}");
        }
        violations.is_empty()
    }

    fn history(&self) -> History {
        // On a busy machine, and before the first node is up, a tick may be missed.
        let machine = FaultWindow {
            what: "this machine".to_owned(),
            kind: FaultKind::Other,
            node: None,
            from_us: 0,
            to_us: u64::MAX,
        };
        History {
            events: self.events.clone(),
            jobs: JOBS.iter().map(|(job, _)| rules(job)).collect(),
            faults: self.faults.iter().cloned().chain([machine]).collect(),
            audits: JOBS.map(|(job, period_s)| self.audit(job, period_s)).into(),
            tolerance: Tolerance {
                wake_up: Duration::ZERO, // the functions here sleep; no poll of them lasts
                ..Tolerance::default()
            },
            ..History::default()
        }
    }

    fn audit(&self, job: &str, period_s: i64) -> Audit {
        let due = self.ticks(job, period_s).due;
        let first_ms = due.first().map_or(0, |first_s| first_s * 1_000);
        let end_ms = due.last().map_or(0, |last_s| last_s * 1_000 + 1);
        let of_job = self.ledger.iter().filter(|line| line.job == job);
        let ledger = of_job.map(|line| LedgerLine {
            shard: 0,
            first_ms: line.first_tick_s * 1_000,
            last_ms: line.last_tick_s * 1_000,
            outcome: line.outcome,
            retried: line.retried,
            ..LedgerLine::default()
        });
        Audit::of_ledger(job, period_s * 1_000, first_ms, end_ms, ledger.collect())
    }

    fn ticks(&self, job: &str, period_s: i64) -> Ticks {
        let ticks_with = |outcome| self.ticks_with(job, period_s, outcome);
        let of_job = self.events.iter().filter(|event| event.job == job);
        let started: BTreeSet<i64> = of_job.map(|event| event.tick_ms / 1_000).collect();
        let recorded = Outcome::ALL.into_iter().flat_map(ticks_with);
        let known: BTreeSet<i64> = started.iter().copied().chain(recorded).collect();

        let first_s = self.first_s.unwrap_or_default();
        let first_s = known.first().map_or(first_s, |first| first_s.min(*first));
        let last_s = known
            .last()
            .map_or(self.last_s, |last| self.last_s.max(*last));
        Ticks {
            due: (first_s..=last_s)
                .filter(|second| second % period_s == 0)
                .collect(),
            started,
            skipped: ticks_with(Outcome::Skipped),
            missed: ticks_with(Outcome::Missed),
            lost: ticks_with(Outcome::Lost),
        }
    }

    /// A line on missed ticks stands for several in a row.
    fn ticks_with(&self, job: &str, period_s: i64, outcome: Outcome) -> BTreeSet<i64> {
        let lines = self
            .ledger
            .iter()
            .filter(|line| line.job == job && line.outcome == outcome);
        let ticks = |line: &Line| line.first_tick_s..=line.last_tick_s;
        lines
            .flat_map(ticks)
            .filter(|second| second % period_s == 0)
            .collect()
    }
}

fn rules(job: &str) -> JobRules {
    JobRules {
        name: job.to_owned(),
        lease: Some(LEASE),
        ..JobRules::default()
    }
}

fn event(node: usize, seen: Sighting) -> Event {
    Event {
        kind: match seen.what {
            What::Starts => EventKind::Start,
            What::Polled => EventKind::Poll,
            What::Ends => EventKind::End,
            What::Dropped => EventKind::Drop,
        },
        at_us: seen.at_us,
        node: name(node),
        job: seen.job,
        tick_ms: seen.tick_s * 1_000,
        attempt: seen.attempt,
        token: seen.token,
        ..Event::default()
    }
}
