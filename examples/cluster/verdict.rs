//! Holds what the nodes reported against what is promised.
//!
//! What was due is reckoned from the clock, what ran is what the functions reported from inside,
//! and only what did not run, or did not come to an end, is looked up in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use crate::node::JOBS;
use crate::report::{Line, Report, Sighting, What};

/// All that is known in the end.
#[derive(Default)]
pub(crate) struct Evidence {
    first_s: Option<i64>,
    last_s: i64,
    /// In the order of their arrival, with the node.
    sightings: Vec<(usize, Sighting)>,
    /// As the node told it that stopped last.
    ledger: Vec<Line>,
    /// Node, from, to: by the boot clock, in microseconds.
    pub(crate) pauses: Vec<(usize, u64, u64)>,
}

/// A run, from its first poll to the last sign of it.
struct Run {
    node: usize,
    tick_s: i64,
    began_us: u64,
    seen_last_us: u64,
}

/// What became of the ticks of one job.
struct Sums {
    due: usize,
    ran: usize,
    skipped: usize,
    missed: usize,
    lost: usize,
    /// These must be zero.
    unaccounted: usize,
    started_twice: usize,
    overlapping: usize,
    polled_after_pause: usize,
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
            Report::Seen(sighting) => self.sightings.push((node, sighting)),
            Report::Ledger(line) => self.ledger.push(line),
            Report::Stopped => {}
        }
    }

    /// Prints the table; true if all that must be zero is.
    pub(crate) fn judge(&self) -> bool {
        println!(
            "\n       ──────── became of ticks ─────────  ────────────── must be 0 ──────────────"
        );
        println!(
            "job    due   ran  skipped  missed  lost  unaccounted  twice  overlap  late polls"
        );
        let mut violations = 0;
        for (job, period_s) in JOBS {
            let sums = self.sums(job, period_s);
            println!(
                "{job:<6} {:>3} {:>5} {:>8} {:>7} {:>5} {:>12} {:>6} {:>8} {:>11}",
                sums.due,
                sums.ran,
                sums.skipped,
                sums.missed,
                sums.lost,
                sums.unaccounted,
                sums.started_twice,
                sums.overlapping,
                sums.polled_after_pause,
            );
            violations += sums.unaccounted + sums.started_twice;
            violations += sums.overlapping + sums.polled_after_pause;
        }
        println!(
            "\n\
             skipped      the run before was still going\n\
             missed       due at the beginning, when nothing started yet\n\
             lost         started, but its node was killed or paused for too long\n\
             unaccounted  due, but nothing is known of it\n\
             twice        started more than once\n\
             overlap      two runs of the job at the same time\n\
             late polls   a paused run went on after it had lost its lease"
        );
        violations == 0
    }

    fn sums(&self, job: &str, period_s: i64) -> Sums {
        let runs = self.runs(job);
        let ticks_with = |outcome| self.ticks_with(job, period_s, outcome);
        let (skipped, missed) = (ticks_with("skipped"), ticks_with("missed"));
        let lost = ticks_with("lost");
        let started: BTreeSet<i64> = runs.iter().map(|run| run.tick_s).collect();
        let ran = &started - &lost;
        let told: BTreeSet<i64> = &(&started | &lost) | &(&skipped | &missed);

        let first_s = self.first_s.unwrap_or_default();
        let first_s = told.first().map_or(first_s, |told_s| first_s.min(*told_s));
        let last_s = told
            .last()
            .map_or(self.last_s, |told_s| self.last_s.max(*told_s));
        let due: BTreeSet<i64> = (first_s..=last_s)
            .filter(|second| second % period_s == 0)
            .collect();
        Sums {
            due: due.len(),
            ran: ran.len(),
            skipped: skipped.len(),
            missed: missed.len(),
            lost: lost.len(),
            unaccounted: (&due - &told).len(),
            started_twice: runs.len() - started.len(),
            overlapping: overlapping(&runs),
            polled_after_pause: self.polled_after_pause(job),
        }
    }

    /// The runs of a job; a fencing token is never given twice.
    fn runs(&self, job: &str) -> Vec<Run> {
        let mut runs: BTreeMap<(u64, usize), Run> = BTreeMap::new();
        for (node, seen) in self.sightings.iter().filter(|(_, seen)| seen.job == job) {
            let run = runs.entry((seen.token, *node)).or_insert(Run {
                node: *node,
                tick_s: seen.tick_s,
                began_us: seen.at_us,
                seen_last_us: seen.at_us,
            });
            // To be dropped is not to run: a paused process drops its run when it wakes up.
            if seen.what != What::Dropped {
                run.seen_last_us = seen.at_us;
            }
        }
        runs.into_values().collect()
    }

    /// A line on missed ticks stands for several in a row.
    fn ticks_with(&self, job: &str, period_s: i64, outcome: &str) -> BTreeSet<i64> {
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

    /// Polls after a pause, of runs that began before it. The pause is longer than any lease.
    fn polled_after_pause(&self, job: &str) -> usize {
        let violates = |run: &&Run| {
            self.pauses.iter().any(|(node, from_us, to_us)| {
                run.node == *node && run.began_us < *from_us && run.seen_last_us > *to_us
            })
        };
        self.runs(job).iter().filter(violates).count()
    }
}

/// Pairs of runs that were going at the same time.
fn overlapping(runs: &[Run]) -> usize {
    let overlap = |one: &Run, other: &Run| {
        one.began_us < other.seen_last_us && other.began_us < one.seen_last_us
    };
    let pairs = runs
        .iter()
        .enumerate()
        .flat_map(|(index, one)| runs[index + 1..].iter().map(move |other| (one, other)));
    pairs.filter(|(one, other)| overlap(one, other)).count()
}
