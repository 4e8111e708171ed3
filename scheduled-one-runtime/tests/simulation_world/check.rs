//! What must hold in every history.

use std::collections::{BTreeMap, HashMap, HashSet};

use scheduled_one_runtime::{
    AuditedTick, LedgerEntry, OnLeaseLost, Outcome, Overlap, Scope, TickStatus,
};

use super::jobs::JobPlan;
use super::{Event, Kind};

/// What happened in the world of a seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) jobs: Vec<JobPlan>,
    pub(crate) log: Vec<Event>,
    /// What became of each tick, by job.
    pub(crate) audits: Vec<(usize, Vec<AuditedTick>)>,
    /// The ledger of each job.
    pub(crate) ledgers: Vec<Vec<LedgerEntry>>,
    /// Until when the ticks were audited.
    pub(crate) healed_ms: i64,
    /// When the store lost its memory.
    pub(crate) forgotten_at_ms: Vec<i64>,
    /// How often it lost only the last moments.
    pub(crate) rollbacks: u64,
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
            let plan = &self.jobs[*job];
            self.check_audit(plan, audited, &mut found);
            if plan.scope == Scope::One {
                self.check_complete(plan, audited, &mut found);
                self.check_one_outcome(plan, &self.ledgers[*job], &mut found);
            }
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
        // What goes on without its lease may go beside its successor.
        if plan.on_lease_lost == OnLeaseLost::Cancel {
            self.check_runs(plan, &runs, found);
        }
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
            match tick.status {
                TickStatus::Decided(_) => {}
                TickStatus::Unknown if forgotten => {}
                // A node's own run dies with it, and nobody else knows of it.
                TickStatus::Unknown if plan.scope == Scope::EveryNode && self.deaths > 0 => {}
                status => found.push(format!(
                    "E1: tick {tick_ms} of {} shard {:?} is {status:?}\n{}",
                    plan.name,
                    tick.shard,
                    self.timeline(plan, tick_ms, tick_ms)
                )),
            }
        }
    }

    /// Each tick of the schedule is there, once, and its outcome is what the
    /// functions saw.
    fn check_complete(&self, plan: &JobPlan, audited: &[AuditedTick], found: &mut Vec<String>) {
        let every_ms = plan.every.as_millis() as i64;
        for shard in 0..plan.shards {
            let of_shard = audited.iter().filter(|tick| tick.shard == shard);
            let ticks: Vec<i64> = of_shard.map(|tick| tick.tick.timestamp_millis()).collect();
            let first_ms = ticks.first().copied().unwrap_or(i64::MAX);
            let all = (0..).map(|n| first_ms.saturating_add(n * every_ms));
            let all: Vec<i64> = all
                .take_while(|tick_ms| *tick_ms < self.healed_ms)
                .collect();
            if ticks.len() < 5 || ticks != all {
                found.push(format!(
                    "E1: {} shard {shard}: not {all:?} but {ticks:?}",
                    plan.name
                ));
            }
        }
        if !self.forgotten_at_ms.is_empty() {
            return;
        }
        let started: HashSet<(i64, u32)> = self
            .log
            .iter()
            .filter(|event| event.job == plan.index && event.kind == Kind::Start)
            .map(|event| (event.tick_ms, event.shard))
            .collect();
        for tick in audited {
            let tick_ms = tick.tick.timestamp_millis();
            let wanted = match tick.status {
                TickStatus::Decided(
                    Outcome::Ok | Outcome::Failed | Outcome::Panicked | Outcome::TimedOut,
                ) => true,
                TickStatus::Decided(Outcome::Skipped | Outcome::Missed) => false,
                _ => continue,
            };
            if started.contains(&(tick_ms, tick.shard)) != wanted {
                let timeline = self.timeline(plan, tick_ms, tick_ms);
                found.push(format!("E1: started? {tick:?}\n{timeline}"));
            }
        }
    }

    /// No tick has two outcomes.
    fn check_one_outcome(&self, plan: &JobPlan, ledger: &[LedgerEntry], found: &mut Vec<String>) {
        if !self.forgotten_at_ms.is_empty() {
            return;
        }
        let finals = ledger
            .iter()
            .filter(|line| !line.retried && line.outcome != Outcome::FinishedWithoutLease);
        let every_ms = plan.every.as_millis() as i64;
        let mut seen: HashMap<(i64, u32), &LedgerEntry> = HashMap::new();
        for line in finals {
            let (first, last) = (line.tick, line.last_tick);
            let ticks =
                (first.timestamp_millis()..=last.timestamp_millis()).step_by(every_ms as usize);
            for tick_ms in ticks {
                if let Some(other) = seen.insert((tick_ms, line.shard), line) {
                    found.push(format!(
                        "E1: two outcomes in {}:\n  {other:?}\n  {line:?}",
                        plan.name
                    ));
                }
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
        add("rolled back".to_owned(), other.rollbacks);
        add("forgotten".to_owned(), other.forgotten_at_ms.len() as u64);
        add(
            "starts".to_owned(),
            other.log.iter().filter(|e| e.kind == Kind::Start).count() as u64,
        );
        for tick in other.audits.iter().flat_map(|(_, audited)| audited) {
            let status = match tick.status {
                TickStatus::Decided(outcome) => outcome.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            add(status, 1);
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
            "rolled back",
            "retried",
            "taken over",
        ];
        for what in words.chain(others).chain(["queue full", "superseded"]) {
            let count = self.happened.get(what).copied().unwrap_or(0);
            assert!(count > 0, "{what} never happened: {}", self.summary());
        }
    }
}
