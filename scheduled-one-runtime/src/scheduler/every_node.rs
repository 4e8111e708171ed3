//! Jobs that each node runs by itself: no claim, no lease. They go on while
//! the store is away; what became of them is recorded when it is back.

use std::sync::Arc;

use super::run::{Granted, Runner};
use crate::context::Shard;
use crate::event;
use crate::finish::Report;
use crate::renewal::ActiveRun;
use crate::rules::CompiledJob;
use crate::timer::{Timer, UnitIndex};
use scheduled_one_protocol::message::{Intent, RunId};
use scheduled_one_protocol::{FencingToken, LedgerRecord, TickMs, UnitName};

pub(crate) struct EveryNode {
    jobs: Vec<Own>,
    timer: Timer,
}

struct Own {
    job: Arc<CompiledJob>,
    /// The newest tick decided.
    after_ms: i64,
    run: Option<Arc<ActiveRun>>,
}

impl EveryNode {
    pub(crate) fn new(jobs: impl Iterator<Item = Arc<CompiledJob>>, now_ms: i64) -> Self {
        let mut every_node = EveryNode {
            jobs: Vec::new(),
            timer: Timer::default(),
        };
        for (index, job) in jobs.enumerate() {
            every_node.jobs.push(Own {
                job,
                after_ms: now_ms,
                run: None,
            });
            every_node.set_next(index as UnitIndex);
        }
        every_node
    }

    pub(crate) fn next_ms(&mut self) -> Option<i64> {
        self.timer.next_ms()
    }

    fn set_next(&mut self, index: UnitIndex) {
        let own = &self.jobs[index as usize];
        if let Some(tick_ms) = own.job.schedule.next_after(own.after_ms) {
            self.timer.set(own.job.ticks().due_ms(tick_ms), index);
        }
    }

    /// Starts all that is due.
    pub(crate) fn start_due(&mut self, runner: &Arc<Runner>) {
        let now_ms = runner.cluster.now_ms();
        while let Some(index) = self.timer.take_due(now_ms) {
            self.jobs[index as usize].start(runner, now_ms);
            self.set_next(index);
        }
    }
}

impl Own {
    fn start(&mut self, runner: &Arc<Runner>, now_ms: i64) {
        let ticks = self.job.ticks();
        let Some(plan) = ticks.plan(self.after_ms, now_ms, |_| "node was behind") else {
            return;
        };
        self.after_ms = plan.tick_ms;
        let unit = UnitName::new(&self.job.name, 0);
        if let Some(missed) = &plan.missed {
            event::missed(&unit, missed);
            let line = LedgerRecord::missed(&unit, missed, &runner.node, now_ms);
            runner.report(Report::Line(line));
        }
        if plan.intent == Intent::MarkMissed {
            return;
        }
        let tick = TickMs(plan.tick_ms);
        let skipped = |reason| LedgerRecord::skipped(&unit, tick, reason, &runner.node, now_ms);
        if !self.job.rules.enabled {
            return runner.report(Report::Line(skipped("disabled")));
        }
        if self.run.as_ref().is_some_and(|run| !run.has_ended()) {
            event::skipped(&self.job.name, plan.tick_ms, "overlap");
            return runner.report(Report::Line(skipped("overlap")));
        }
        self.run = runner.start(Granted {
            id: RunId {
                unit,
                tick,
                nonce: runner.node.to_string(),
                token: FencingToken::default(),
                attempt: 1,
                lease_ms: 0, // it has none
                granted_at_ms: now_ms,
                takeovers: 0,
            },
            job: Arc::clone(&self.job),
            due_ms: plan.due_ms,
            sent: runner.clock.boottime(),
            shard: Shard::WHOLE,
            missed: 0,
            leased: false,
        });
    }
}
