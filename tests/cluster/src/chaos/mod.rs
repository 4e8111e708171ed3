//! All faults on all deployments, by a seeded plan, with a check of the rules after each round.
//!
//! A [`plan`] lists the rounds. A [`round`] starts a [`world`] on a [`deployment`], makes [`faults`], and passes the
//! observations to the checker. A [`report`] has the results.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub mod deployment;
pub mod disk_watch;
pub mod faults;
pub mod plan;
pub mod postgres;
pub mod report;
pub mod round;
pub mod seed;
pub mod sqlite;
pub mod world;

use plan::Lane;
use round::{Outcome, Row};
use world::Programs;

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Summary {
    /// All faults that were made.
    pub rows: Vec<Row>,
    /// How many rounds there were.
    pub rounds: usize,
    /// Rules that were broken.
    pub violations: usize,
    /// Rounds that did not come to their end.
    pub broke_off: usize,
}

/// When a plan ends, besides by its own end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// No round begins after this.
    pub time: Duration,
    /// No round begins after a rule was broken.
    pub stop_at_first: bool,
}

/// Runs the lanes concurrently, each until its end or the limits. `print` receives a line for each event.
pub fn run(
    lanes: Vec<Lane>,
    limits: Limits,
    programs: &Programs,
    print: &(dyn Fn(&str) + Sync),
) -> Summary {
    let started = Instant::now();
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for lane in lanes {
            let summary = &summary;
            scope.spawn(move || {
                for round in lane {
                    let broken = lock(summary).violations > 0 && limits.stop_at_first;
                    if started.elapsed() >= limits.time || broken {
                        break;
                    }
                    let kind = round.kind;
                    let say = |what: &str| {
                        let after = started.elapsed().as_secs_f64();
                        print(&format!("{after:>7.1} s  {kind:<12}  {what}"));
                    };
                    let names: Vec<&str> = round.faults.iter().map(|it| it.name).collect();
                    say(&format!("round: {}", names.join(", ")));
                    let outcome = round::run(&round, programs, &say);
                    tell(&outcome, &say);
                    let mut summary = lock(summary);
                    summary.rounds += 1;
                    summary.violations += outcome.violations.len();
                    summary.broke_off += usize::from(outcome.broke_off.is_some());
                    summary.rows.extend(outcome.rows);
                }
            });
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock(summary: &Mutex<Summary>) -> MutexGuard<'_, Summary> {
    summary.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many violations of one round are printed, and how many with timelines.
const MOST_VIOLATIONS: usize = 10;
const MOST_TIMELINES: usize = 3;

fn tell(outcome: &Outcome, say: &dyn Fn(&str)) {
    let violations = outcome.violations.iter().take(MOST_VIOLATIONS);
    for (index, violation) in violations.enumerate() {
        say(&format!("VIOLATION {violation}"));
        if index < MOST_TIMELINES {
            say(&format!("timeline:\n{}", violation.timeline));
        }
    }
    if outcome.violations.len() > MOST_VIOLATIONS {
        let more = outcome.violations.len() - MOST_VIOLATIONS;
        say(&format!("and {more} violations more"));
    }
    if let Some(why) = &outcome.broke_off {
        say(&format!("BROKE OFF: {why}"));
    }
    if let Some(folder) = &outcome.folder {
        say(&format!("logs: {}", folder.display()));
    }
    if outcome.stalls > 0 {
        say(&format!(
            "the disk took long for {} flushes",
            outcome.stalls
        ));
    }
    if outcome.violations.is_empty() && outcome.broke_off.is_none() {
        say("round ended well");
    }
}
