//! What must hold in every history.

use std::collections::{BTreeMap, HashMap};

use scheduled_one_runtime::{AuditedTick, Fate, Outcome, Overlap, Scope};

use super::jobs::JobPlan;
use super::{Event, Kind};

/// What happened in the world of a seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) jobs: Vec<JobPlan>,
    pub(crate) log: Vec<Event>,
    /// What became of each tick, by job.
    pub(crate) audits: Vec<(usize, Vec<AuditedTick>)>,
    /// When the store lost its memory.
    pub(crate) forgotten_at_ms: Vec<i64>,
    pub(crate) deaths: u64,
    pub(crate) partitions: u64,
    pub(crate) outages: u64,
    happened: BTreeMap<String, u64>,
}

struct Run<'a> {
    start: &'a Event,
    last_us: u64,
}

impl History {
    pub(crate) fn new(jobs: Vec<JobPlan>) -> Self {
        History {
            jobs,
            ..History::default()
        }
    }

    /// Panics with the seed and the timeline if something must not be.
    pub(crate) fn check(&self, seed: u64) {
        let mut found = Vec::new();
        for plan in &self.jobs {
            for shard in 0..plan.shards {
                self.check_unit(plan, shard, &mut found);
            }
        }
        for (job, audited) in &self.audits {
            self.check_audit(&self.jobs[*job], audited, &mut found);
        }
        if let Some(first) = found.first() {
            panic!(
                "seed {seed}: {} violations, the first:\n{first}\njobs: {:#?}",
                found.len(),
                self.jobs
            );
        }
    }

    fn check_unit(&self, plan: &JobPlan, shard: u32, found: &mut Vec<String>) {
        if plan.scope == Scope::EveryNode {
            return;
        }
        let of_unit = |event: &&Event| event.job == plan.index && event.shard == shard;
        let events: Vec<&Event> = self.log.iter().filter(of_unit).collect();
        if let Some(late) = events.iter().find(|event| event.too_late) {
            found.push(self.story("S4: polled after the deadline", plan, late, late));
        }
        let mut starts: HashMap<(i64, u32), &Event> = HashMap::new();
        let mut runs: Vec<Run<'_>> = Vec::new();
        for event in events {
            if event.kind == Kind::Start
                && let Some(first) = starts.insert((event.tick_ms, event.attempt), event)
            {
                found.push(self.story("S1: started twice", plan, first, event));
            }
            // Attempts of one run share its token.
            match runs
                .iter_mut()
                .rev()
                .find(|run| run.start.token == event.token)
            {
                Some(run) => run.last_us = event.at_us,
                None => runs.push(Run {
                    start: event,
                    last_us: event.at_us,
                }),
            }
        }
        self.check_runs(plan, &runs, found);
    }

    fn check_runs(&self, plan: &JobPlan, runs: &[Run<'_>], found: &mut Vec<String>) {
        let most = match plan.overlap {
            Overlap::Allow(most) => most as usize,
            _ => 1,
        };
        for (index, run) in runs.iter().enumerate() {
            let before = &runs[..index];
            let beside: Vec<_> = before
                .iter()
                .filter(|old| old.last_us > run.start.at_us)
                .collect();
            if beside.len() >= most {
                found.push(self.story("S2: overlap", plan, beside[0].start, run.start));
            }
            // Runs side by side start in any order; their tokens only differ.
            let Some(last) = before.last().filter(|_| most == 1) else {
                continue;
            };
            if run.start.token <= last.start.token {
                found.push(self.story("S3: token", plan, last.start, run.start));
            }
            if run.start.tick_ms < last.start.tick_ms {
                found.push(self.story("S5: older tick", plan, last.start, run.start));
            }
        }
    }

    fn check_audit(&self, plan: &JobPlan, audited: &[AuditedTick], found: &mut Vec<String>) {
        for tick in audited {
            let tick_ms = tick.tick.timestamp_millis();
            // What the store forgot it cannot tell.
            let forgotten = self
                .forgotten_at_ms
                .iter()
                .any(|at_ms| tick_ms <= *at_ms + 60_000);
            match tick.fate {
                Fate::Decided(_) => {}
                Fate::Unknown if forgotten => {}
                // A node's own run dies with it, and nobody else knows of it.
                Fate::Unknown if plan.scope == Scope::EveryNode && self.deaths > 0 => {}
                fate => found.push(format!(
                    "E1: tick {tick_ms} of {} shard {:?} is {fate:?}\n{}",
                    plan.name,
                    tick.shard,
                    self.timeline(plan, tick_ms, tick_ms)
                )),
            }
        }
    }

    fn story(&self, what: &str, plan: &JobPlan, first: &Event, second: &Event) -> String {
        let timeline = self.timeline(plan, first.tick_ms, second.tick_ms);
        format!(
            "{what} in {}:\n  {first:?}\n  {second:?}\n{timeline}",
            plan.name
        )
    }

    fn timeline(&self, plan: &JobPlan, from_ms: i64, to_ms: i64) -> String {
        let (from_ms, to_ms) = (from_ms.min(to_ms), from_ms.max(to_ms));
        let concerned = self
            .log
            .iter()
            .filter(|event| event.job == plan.index && (from_ms..=to_ms).contains(&event.tick_ms));
        let lines = concerned.filter(|event| event.kind != Kind::Poll);
        lines.map(|event| format!("    {event:?}\n")).collect()
    }

    /// Adds what happened in another history.
    pub(crate) fn count(&mut self, other: &History) {
        let mut add = |what: String, count: u64| *self.happened.entry(what).or_default() += count;
        add("deaths".to_owned(), other.deaths);
        add("partitions".to_owned(), other.partitions);
        add("outages".to_owned(), other.outages);
        add("forgotten".to_owned(), other.forgotten_at_ms.len() as u64);
        add(
            "starts".to_owned(),
            other.log.iter().filter(|e| e.kind == Kind::Start).count() as u64,
        );
        for tick in other.audits.iter().flat_map(|(_, audited)| audited) {
            let fate = match tick.fate {
                Fate::Decided(outcome) => outcome.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            add(fate, 1);
            if tick.reason == "queue full" || tick.reason == "superseded" {
                add(tick.reason.clone(), 1);
            }
            add("retried".to_owned(), u64::from(tick.attempts > 1));
            add("taken over".to_owned(), u64::from(tick.taken_over > 0));
        }
    }

    pub(crate) fn summary(&self) -> String {
        let parts = self
            .happened
            .iter()
            .map(|(what, count)| format!("{what}: {count}"));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn assert_all_happened(&self) {
        let outcomes = [
            Outcome::Ok,
            Outcome::Failed,
            Outcome::Panicked,
            Outcome::TimedOut,
            Outcome::Cancelled,
            Outcome::Skipped,
            Outcome::Missed,
            Outcome::Lost,
        ];
        let words = outcomes.iter().map(|outcome| outcome.as_str());
        let others = [
            "deaths",
            "partitions",
            "outages",
            "forgotten",
            "retried",
            "taken over",
        ];
        for what in words.chain(others).chain(["queue full", "superseded"]) {
            let count = self.happened.get(what).copied().unwrap_or(0);
            assert!(count > 0, "{what} never happened: {}", self.summary());
        }
    }
}
