//! E1: every tick in exactly one outcome, and in the right one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use scheduled_one_protocol::Outcome;

use super::runs::{Attempt, Observed, Unit};
use super::{
    Audit, AuditTick, Detail, Event, EventKind, FaultKind, FaultWindow, History, InForce,
    LedgerLine, Rule, TickStatus, Violation,
};

/// - Each tick that was due is in the audit, and is decided;
/// - it has one outcome, and that is known (unless the store may have lost it);
/// - what its runs saw agrees with its outcome;
/// - it is lost or missed only if something happened.
///
/// Of a local job each node has an outcome, a line may be written twice, and of a node that died nothing may be known.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for audit in &observed.history.audits {
        let account = Account { observed, audit };
        found.extend(
            audit
                .ticks
                .iter()
                .filter_map(|tick| account.contradiction(tick)),
        );
        if !observed.rules(&audit.job).is_local() {
            found.extend(account.incomplete());
            found.extend(account.two_outcomes());
        }
    }
    found
}

/// One audit and what it is compared with.
pub(super) struct Account<'a> {
    pub(super) observed: &'a Observed<'a>,
    pub(super) audit: &'a Audit,
}

impl<'a> Account<'a> {
    fn contradiction(&self, tick: &AuditTick) -> Option<Violation> {
        let attempts = self.attempts(tick);
        let at_us = self.around(tick.tick_ms, &attempts);
        let what = self.contradicts(tick, &attempts, at_us)?;
        let job = &self.audit.job;
        let (shard, tick_ms, status) = (tick.shard, tick.tick_ms, tick.status);
        let line = format!("audit: {job} {shard} {tick_ms}: {status:?}");
        let lines = std::iter::once(line).chain(attempts.iter().map(|it| it.line()));
        let violation = Violation::new(Rule::E1, job, at_us, what);
        Some(violation.of_ticks([tick.tick_ms]).shown_by(lines))
    }

    fn contradicts(
        &self,
        tick: &AuditTick,
        attempts: &[&Attempt<'_>],
        at_us: u64,
    ) -> Option<&'static str> {
        let local = self.observed.rules(&self.audit.job).is_local();
        match tick.status {
            TickStatus::Open => Some("not decided"),
            TickStatus::NoLongerKept => Some("decided, and its ledger is too short for the test"),
            TickStatus::Unknown if self.may_be_lost(at_us) => None,
            TickStatus::Unknown if local && self.a_node_died() => None,
            TickStatus::Unknown => Some("decided, and its outcome is unknown"),
            // The audit of a local job names the node.
            TickStatus::Decided(_) if local && tick.node.is_none() => None,
            TickStatus::Decided(outcome) => self.outcome_contradicts(outcome, attempts, at_us),
        }
    }

    pub(super) fn outcome_contradicts(
        &self,
        outcome: Outcome,
        attempts: &[&Attempt<'_>],
        at_us: u64,
    ) -> Option<&'static str> {
        let started = !attempts.is_empty();
        let detail = self.observed.history.detail;
        let ended = |how| match detail {
            Detail::Runs => attempts.iter().any(|it| it.ended(how)),
            Detail::Starts => started,
        };
        match outcome {
            Outcome::Ok if !ended(EventKind::End) => Some("ok, but no function ended well"),
            Outcome::Failed if !ended(EventKind::Fail) => Some("failed, but no function did"),
            Outcome::Panicked if !ended(EventKind::Panic) => Some("panicked, but no function did"),
            Outcome::TimedOut if !started => Some("timed out without a start"),
            // It may be granted, and cancelled before its function is called.
            Outcome::Cancelled if !started && !self.has_a_cause(at_us) => {
                Some("cancelled without a start, and nothing happened")
            }
            Outcome::Skipped | Outcome::Missed if started && !self.may_be_lost(at_us) => {
                Some("it ran, and its outcome is that it did not")
            }
            Outcome::Lost if !self.has_a_cause(at_us) => Some("lost, and nothing happened"),
            Outcome::Missed if !self.has_a_cause(at_us) => Some("missed, and nothing happened"),
            Outcome::TakenOver | Outcome::FinishedWithoutLease => Some("not an outcome in the end"),
            _ => None,
        }
    }

    /// Ticks that were due, or started, and have no account; and those that have two.
    fn incomplete(&self) -> Vec<Violation> {
        let rules = self.observed.rules(&self.audit.job);
        let mut found = Vec::new();
        let mut by_shard: BTreeMap<u32, Vec<i64>> = (0..rules.shards.max(1))
            .map(|shard| (shard, Vec::new()))
            .collect();
        for tick in &self.audit.ticks {
            by_shard.entry(tick.shard).or_default().push(tick.tick_ms);
        }
        for (shard, ticks) in by_shard {
            if ticks.len() < self.audit.at_least {
                let what = format!(
                    "only {} ticks of shard {shard} are accounted for",
                    ticks.len()
                );
                found.push(self.violation(ticks.last().copied().unwrap_or_default(), what));
            }
            for pair in ticks.windows(2).filter(|pair| pair[0] >= pair[1]) {
                let what = format!(
                    "tick {} of shard {shard} is not accounted for once, in its order",
                    pair[1]
                );
                found.push(self.violation(pair[1], what));
            }
            let known: BTreeSet<i64> = ticks.into_iter().collect();
            for tick_ms in self.due(shard, &known).difference(&known) {
                let what = format!("no account of tick {tick_ms} of shard {shard}");
                found.push(self.violation(*tick_ms, what));
            }
        }
        found
    }

    /// What must be accounted for.
    fn due(&self, shard: u32, known: &BTreeSet<i64>) -> BTreeSet<i64> {
        let from_ms = self.audit.from_ms.or(known.first().copied());
        let to_ms = self.audit.to_ms.or(known.last().map(|last| last + 1));
        let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms) else {
            return BTreeSet::new();
        };
        let unit = self.unit(shard, None);
        let attempts = self.observed.units.get(&unit).into_iter();
        let started = attempts.flat_map(|unit| unit.attempts.iter().map(|it| it.start.tick_ms));
        let started = started.filter(|tick_ms| (from_ms..to_ms).contains(tick_ms));
        let (period_ms, range_ms) = (self.audit.every_ms, from_ms..to_ms);
        let due = match period_ms {
            0 => BTreeSet::new(),
            _ => range_ms.clone().step_by(period_ms as usize).collect(),
        };
        let History {
            schedules,
            tolerance,
            ..
        } = self.observed.history;
        let by_schedules = InForce::due(schedules, &self.audit.job, range_ms, tolerance);
        by_schedules
            .unwrap_or(due)
            .into_iter()
            .chain(started)
            .collect()
    }

    fn two_outcomes(&self) -> Vec<Violation> {
        let outcomes = self.audit.ledger.iter().filter(|line| line.is_outcome());
        let mut single: HashMap<(u32, i64), &LedgerLine> = HashMap::new();
        let mut ranges: Vec<&LedgerLine> = Vec::new();
        let mut found = Vec::new();
        for line in outcomes {
            let in_range = ranges
                .iter()
                .find(|old| old.shard == line.shard && overlap(old, line));
            let covered = in_range.copied().or(match line.first_ms == line.last_ms {
                true => single.insert((line.shard, line.first_ms), line),
                false => None,
            });
            found.extend(covered.and_then(|old| self.twice(old, line)));
            if line.first_ms < line.last_ms {
                let covered = single
                    .values()
                    .find(|old| old.shard == line.shard && line.covers(old.first_ms));
                found.extend(covered.and_then(|old| self.twice(old, line)));
                ranges.push(line);
            }
        }
        found
    }

    fn twice(&self, old: &LedgerLine, new: &LedgerLine) -> Option<Violation> {
        let tick_ms = old.first_ms.max(new.first_ms);
        let violation = self.violation(tick_ms, "two outcomes".to_owned());
        let lines = [old.to_string(), new.to_string()];
        (!self.may_be_lost(violation.at_us)).then(|| violation.shown_by(lines))
    }

    fn violation(&self, tick_ms: i64, what: String) -> Violation {
        let at_us = self.around(tick_ms, &[]);
        Violation::new(Rule::E1, &self.audit.job, at_us, what).of_ticks([tick_ms])
    }

    fn unit(&self, shard: u32, node: Option<&str>) -> Unit {
        let local = self.observed.rules(&self.audit.job).is_local();
        Unit {
            job: self.audit.job.clone(),
            shard,
            node: node.filter(|_| local).map(str::to_owned),
            lane: false,
        }
    }

    fn attempts(&self, tick: &AuditTick) -> Vec<&'a Attempt<'a>> {
        let unit = self.unit(tick.shard, tick.node.as_deref());
        let unit = self.observed.units.get(&unit);
        unit.map_or_else(Vec::new, |unit| unit.at_tick(tick.tick_ms))
    }

    /// When the tick was due, by the shared clock: when it started, or else when something of that time did.
    fn around(&self, tick_ms: i64, attempts: &[&Attempt<'_>]) -> u64 {
        if let Some(first) = attempts.first() {
            return first.start.at_us;
        }
        if let Some(offset_us) = self.observed.history.tick_offset_us {
            return (tick_ms * 1_000 + offset_us).try_into().unwrap_or(0);
        }
        let events = &self.observed.events;
        let mut of_schedule = events.iter().filter(|event| event.request.is_empty());
        let of_that_time = of_schedule.find(|event: &&&Event| event.tick_ms >= tick_ms);
        of_that_time
            .or(events.last())
            .map_or(0, |event| event.at_us)
    }

    /// Whether the store may have lost what it knew then.
    pub(super) fn may_be_lost(&self, at_us: u64) -> bool {
        let loses =
            |it: &&FaultWindow| matches!(it.kind, FaultKind::MemoryLoss | FaultKind::SplitBrain);
        let mut losses = self.observed.history.faults.iter().filter(loses);
        losses.any(|loss| at_us < self.over_us(loss))
    }

    /// Whether something was done to the cluster then that can lose a tick. Broken connections cannot, while others
    /// are served.
    fn has_a_cause(&self, at_us: u64) -> bool {
        let longest_run_us = self.observed.history.tolerance.longest_run.as_micros() as u64;
        let mut faults = self.observed.history.faults.iter();
        faults.any(|fault| {
            let from_us = fault.from_us.saturating_sub(longest_run_us);
            fault.kind != FaultKind::Flaky && (from_us..self.over_us(fault)).contains(&at_us)
        })
    }

    /// The first instant from then on at which [`has_a_cause`](Self::has_a_cause), or `from_us`: a request may wait for
    /// long, and nobody saw when it ended without a run.
    pub(super) fn cause_since(&self, from_us: u64) -> u64 {
        let faults = self.observed.history.faults.iter();
        let later = faults.filter(|fault| self.over_us(fault) > from_us);
        let instants = later.map(|fault| fault.from_us.max(from_us));
        let mut with_cause = instants.filter(|at_us| self.has_a_cause(*at_us));
        with_cause.next().unwrap_or(from_us)
    }

    /// When the consequences of a fault are over for the job. A job with a long lease stands still for that long after
    /// a loss of memory.
    fn over_us(&self, fault: &FaultWindow) -> u64 {
        let mut aftermath = self.observed.history.tolerance.aftermath;
        let lease = self.observed.rules(&self.audit.job).lease;
        if let Some(lease) = lease.filter(|lease| *lease > aftermath) {
            aftermath += lease;
        }
        fault.to_us.saturating_add(aftermath.as_micros() as u64)
    }

    fn a_node_died(&self) -> bool {
        self.observed.faults_of(FaultKind::Killed).next().is_some()
    }
}

fn overlap(one: &LedgerLine, other: &LedgerLine) -> bool {
    one.first_ms <= other.last_ms && other.first_ms <= one.last_ms
}

#[cfg(test)]
mod tests;
