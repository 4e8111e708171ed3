//! Local jobs, with `scope = every_node`: each node runs each tick by itself,
//! without claim and lease. They run while the store is down; their outcomes are
//! recorded when it is back. Their pauses are those that the node knows.

use std::sync::Arc;

use crate::active_run::{ActiveRun, RunKind};
use crate::compiled_job::CompiledJob;
use crate::context::Shard;
use crate::event;
use crate::node::units::{past_pauses, paused_until_ms};
use crate::permits::Permit;
use crate::run::{NewRun, Runner};
use crate::timer::{Timer, UnitIndex};
use scheduled_one_protocol::message::{Intent, RunId};
use scheduled_one_protocol::{
    Directive, Directives, FencingToken, LedgerRecord, SkipReason, TickMs, UnitName,
};

/// The local jobs of a node.
pub(super) struct LocalJobs {
    jobs: Vec<LocalJob>,
    timer: Timer,
}

struct LocalJob {
    job: Arc<CompiledJob>,
    /// The newest tick decided.
    after_ms: i64,
    /// What operators want of it, as far as the node knows.
    directives: Vec<Directive>,
    /// The last run that was started.
    run: Option<Arc<ActiveRun>>,
}

impl LocalJobs {
    pub(super) fn new(jobs: impl Iterator<Item = Arc<CompiledJob>>, now_ms: i64) -> Self {
        let mut local_jobs = LocalJobs {
            jobs: Vec::new(),
            timer: Timer::default(),
        };
        for (index, job) in jobs.enumerate() {
            local_jobs.jobs.push(LocalJob {
                job,
                after_ms: now_ms,
                directives: Vec::new(),
                run: None,
            });
            local_jobs.set_next(index as UnitIndex, now_ms);
        }
        local_jobs
    }

    /// Whether the node runs a job by itself.
    pub(super) fn has(&self, name: &str) -> bool {
        self.jobs.iter().any(|local| *local.job.name == *name)
    }

    /// When the next tick is due, by the cluster's clock.
    pub(super) fn next_due_ms(&mut self) -> Option<i64> {
        self.timer.next_ms()
    }

    /// Takes directives into account.
    pub(super) fn direct(&mut self, directives: &Directives, now_ms: i64) {
        for index in 0..self.jobs.len() {
            let local = &mut self.jobs[index];
            let own: Vec<Directive> = directives.of(&local.job.name).cloned().collect();
            if own != local.directives {
                local.directives = own;
                self.set_next(index as UnitIndex, now_ms);
            }
        }
    }

    /// Waits for the next tick, or for the end of a pause.
    fn set_next(&mut self, index: UnitIndex, now_ms: i64) {
        let local = &self.jobs[index as usize];
        let tick_ms = local.job.schedule().next_after(local.after_ms);
        let due_ms = tick_ms.map(|tick_ms| local.job.ticks().due_ms(tick_ms));
        let paused_until_ms = paused_until_ms(&local.directives, now_ms);
        local.job.metrics.set_paused_until(paused_until_ms);
        let pause_end_ms = (paused_until_ms > 0).then_some(paused_until_ms);
        match pause_end_ms.or(due_ms) {
            None | Some(i64::MAX) => self.timer.rest(index),
            Some(at_ms) => self.timer.set(at_ms, index),
        }
    }

    /// Starts all ticks that are due.
    pub(super) fn start_due(&mut self, runner: &Arc<Runner>) {
        let now_ms = runner.cluster.now_ms();
        while let Some(index) = self.timer.take_due(now_ms) {
            self.jobs[index as usize].start(runner, now_ms);
            self.set_next(index, now_ms);
        }
    }
}

impl LocalJob {
    fn start(&mut self, runner: &Arc<Runner>, now_ms: i64) {
        let unit = UnitName::new(&self.job.name, 0);
        let node = &runner.node;
        let ticks = self.job.ticks();
        if paused_until_ms(&self.directives, now_ms) > now_ms {
            return;
        }
        let pauses = past_pauses(&self.directives, now_ms);
        let reason = |_| "node was behind";
        let Some(plan) = ticks.plan_around(&pauses, self.after_ms, now_ms, reason) else {
            return;
        };
        self.after_ms = plan.tick_ms;
        if let Some(missed) = &plan.missed {
            event::missed(&unit, missed);
            self.job.metrics.missed(missed);
            let line = LedgerRecord::missed(&unit, missed, node, now_ms);
            runner.reporter.line(line);
        }
        if plan.intent == Intent::MarkMissed {
            return;
        }
        let tick = TickMs(plan.tick_ms);
        let skip = |reason| {
            event::skipped(&unit, tick, reason);
            self.job.metrics.skipped(reason);
            let line = LedgerRecord::skipped(&unit, tick, reason, node, now_ms);
            runner.reporter.line(line);
        };
        if !self.job.rules.enabled {
            return skip(SkipReason::Disabled);
        }
        if self.run.as_ref().is_some_and(|run| !run.has_ended()) {
            return skip(SkipReason::Overlap);
        }
        self.run = runner.start(NewRun {
            kind: RunKind::Local,
            id: RunId {
                unit,
                tick,
                nonce: node.to_string(),
                token: FencingToken::default(),
                attempt: 1,
                lease_ms: 0, // it has none
                granted_at_ms: now_ms,
                takeovers: 0,
                origin: None,
            },
            // Nobody else would run it: it takes no permit.
            permit: Permit::default(),
            placing: String::new(),
            job: Arc::clone(&self.job),
            due_ms: Some(plan.due_ms),
            shard: Shard::WHOLE,
            coalesced: 0,
            parameters: None,
        });
    }
}
