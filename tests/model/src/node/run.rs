//! A run from its first poll to its recorded outcome.

use scheduled_one_protocol::Outcome;
use scheduled_one_protocol::message::{Finish, Finished, RunId, Watermarks};
use scheduled_one_runtime::lease_bounds;

use super::{Ended, Node, Phase, Run, duration, ms};
use crate::config::Config;
use crate::history::{History, start_of};
use crate::server::Request;

impl Node {
    /// Whether the run may be polled now.
    pub fn polls(&self, run: &Run, now: i64) -> bool {
        let running = matches!(run.phase, Phase::Running(_));
        self.acts() && running && (now < deadline(run) || run.overslept)
    }

    /// Polls a run for the first time, if it still may.
    pub fn begin(&mut self, history: &mut History, index: usize, now: i64) {
        if now >= deadline(&self.runs[index]) {
            let run = self.runs.remove(index);
            return self.cancels(run);
        }
        let run = &mut self.runs[index];
        run.phase = Phase::Running(history.start(&run.id));
    }

    /// A function returns.
    pub fn returns(&mut self, config: &Config, index: usize) {
        self.ends(self.runs[index].id.clone(), Outcome::Ok, false);
        match config.guards.ended_is_not_renewed {
            true => drop(self.runs.remove(index)),
            false => self.runs[index].phase = Phase::Ended,
        }
    }

    /// A run that was taken out is polled no more, and that is its outcome.
    pub(super) fn cancels(&mut self, run: Run) {
        if run.phase != Phase::Ended {
            self.ends(run.id, Outcome::Cancelled, false);
        }
    }

    /// A function fails, and is to be called again.
    pub fn fails(&mut self, config: &Config, history: &mut History, index: usize, now: i64) {
        let id = self.runs[index].id.clone();
        self.ends(id, Outcome::Failed, true);
        self.runs[index].phase = Phase::Between;
        self.runs[index].id.attempt += 1;
        if !config.guards.waits_for_recorded {
            self.begin(history, index, now);
        }
    }

    /// Adds an outcome to those that wait to be reported.
    pub(super) fn ends(&mut self, run: RunId, outcome: Outcome, retried: bool) {
        self.ends.push(Ended {
            finish: Finish {
                run,
                outcome,
                retried,
                reason: String::new(),
                error: String::new(),
                fired_at_ms: None,
                ended_at_ms: 0,
            },
            tried: None,
        });
    }

    /// The next report. Outcomes are reported one after the other: each waits until the one before is acknowledged.
    pub(super) fn finish_due(&self, now: i64) -> Option<Request> {
        let first = self.ends.first()?;
        let due = first.tried.is_none_or(|tried| now > tried);
        due.then(|| Request::Finish(Box::new(first.finish.clone())))
    }

    /// The store acknowledged an outcome: of the last attempt, or of one after which the next attempt may begin.
    pub(super) fn finished(
        &mut self,
        history: &mut History,
        finish: &Finish,
        finished: Finished,
        now: i64,
    ) {
        let before = self.ends.len();
        self.ends.retain(|ended| ended.finish != *finish);
        if self.ends.len() == before {
            return; // acknowledged before
        }
        if !finish.retried && finish.run.unit.is_lane() {
            self.lane.ready |= finished.ready;
            self.lane.learn_start(start_of(&finish.run));
            return;
        }
        if !finish.retried {
            self.ready |= finished.ready;
            self.learn(Watermarks {
                start: Some(start_of(&finish.run)),
                ..Watermarks::default()
            });
            return;
        }
        let between = |run: &Run| run.id.nonce == finish.run.nonce && run.phase == Phase::Between;
        let Some(index) = self.runs.iter().position(between) else {
            return;
        };
        if finished.recorded {
            self.begin(history, index, now);
        } else {
            let run = self.runs.remove(index);
            self.cancels(run);
        }
    }

    /// Time has come to `now`: timers drop what is beyond its deadline.
    pub fn passes(&mut self, now: i64) {
        if !self.acts() {
            return;
        }
        let (over, kept) = self.runs.drain(..).partition(|run| deadline(run) <= now);
        self.runs = kept;
        let over: Vec<Run> = over;
        over.into_iter().for_each(|run| self.cancels(run));
    }

    /// It goes on after it stood still.
    pub fn resumes(&mut self, config: &Config, now: i64) {
        self.paused = false;
        if config.guards.poll_check {
            return self.passes(now);
        }
        for run in &mut self.runs {
            run.overslept |= deadline(run) <= now;
        }
    }

    /// It dies.
    pub fn dies(&mut self, config: &Config, index: usize) {
        let id = std::mem::take(&mut self.id);
        *self = Node {
            up: false,
            marks: Watermarks::default(),
            ..Node::new(config, index, id, 0)
        };
    }
}

/// When the run is polled no more, unless renewed.
pub fn deadline(run: &Run) -> i64 {
    run.proven + ms(lease_bounds::deadline_after(duration(run.id.lease_ms)))
}

/// The same as it should be: counted from before the request was sent.
pub fn true_deadline(run: &Run) -> i64 {
    run.sent + ms(lease_bounds::deadline_after(duration(run.id.lease_ms)))
}
