//! The effect of each event on the state.

use super::{Action, World, name};
use crate::config::{Config, EPOCH_MS, LEASE_MS, QUARTER_MS};
use crate::history::{Loss, start_of};
use crate::node::{Node, Run};
use crate::server::Memory;
use scheduled_one_protocol::machine::unit_quarantine_until_ms;

impl World {
    /// One of these happens.
    pub(super) fn apply(&mut self, config: &Config, action: Action) {
        self.note_disturbance(&action);
        match action {
            Action::Begin(n, index) => self.nodes[n].begin(&mut self.history, index, self.now),
            Action::Ask(n, request) => self.ask(config, n, &request),
            Action::AskAndPause(n, request) => {
                self.left.pauses -= 1;
                self.ask(config, n, &request);
                self.nodes[n].paused = true;
            }
            Action::Late(n, request) => {
                self.left.late_requests -= 1;
                self.nodes[n].sends(&request, self.now);
                self.keep(n, request, None, false);
            }
            Action::Unanswered(n, request) => {
                self.left.late_replies -= 1;
                self.nodes[n].sends(&request, self.now);
                let caller = self.nodes[n].caller();
                let reply = self.serve(config, &request, &caller);
                self.keep(n, request, Some(reply), false);
            }
            Action::Copied(n, request) => {
                self.left.copies -= 1;
                self.ask(config, n, &request);
                self.keep(n, request, None, true);
            }
            Action::Arrives(index) => self.arrives(config, index),
            Action::Returns(n, index) => self.nodes[n].returns(config, index),
            Action::Fails(n, index) => {
                self.nodes[n].fails(config, &mut self.history, index, self.now);
            }
            Action::Crash(n) => self.crash(config, n),
            Action::Restart(n) => self.restart(config, n),
            Action::Pause(n) => {
                self.left.pauses -= 1;
                self.nodes[n].paused = true;
            }
            Action::Resume(n) => self.nodes[n].resumes(config, self.now),
            Action::Cut(n) => {
                self.left.cuts -= 1;
                self.nodes[n].cut = true;
            }
            Action::Heal(n) => self.nodes[n].cut = false,
            Action::FailOver(lost) => {
                self.left.failovers -= 1;
                self.server.fail_over(lost);
                self.note_loss();
            }
            Action::Flush => {
                self.left.flushes -= 1;
                self.server.flush();
                self.note_loss();
            }
            Action::Jump(by_ms) => {
                self.left.jumps -= 1;
                self.clock_ms += by_ms;
            }
            Action::Direct => self.direct(config),
            Action::Reschedule => self.reschedule(config),
            Action::LookGone => self.look_gone(),
            Action::RegisterGone => self.register_gone(config),
            Action::LookForgotten => self.look_forgotten(config),
            Action::Forget(what) => self.forget(config, what),
            Action::AskForRun => self.ask_for_run(config),
            Action::CancelRun(start) => self.cancel_run(config, start),
            Action::Time => self.time(config),
        }
    }

    fn crash(&mut self, config: &Config, n: usize) {
        self.left.crashes -= 1;
        self.nodes[n].dies(config, n);
        self.late
            .retain(|message| message.node != n || message.reply.is_none());
    }

    fn restart(&mut self, config: &Config, n: usize) {
        self.left.restarts -= 1;
        let generation = self.nodes[n].id.ends_with('0');
        let clock_ms = self.clock_ms;
        self.nodes[n] = Node {
            clock_ms,
            ..Node::new(
                config,
                n,
                name(n, 1 + u8::from(!generation)),
                self.store_now() - EPOCH_MS,
            )
        };
    }

    /// Which start the store does not know of any more.
    fn note_loss(&mut self) {
        self.history.asked = None;
        let lost = |in_lane| {
            let starts = self.history.starts.iter();
            let of_it = starts.filter(|start| start.in_lane == in_lane);
            let newest = of_it.max_by_key(|start| (start.token, start.attempt))?;
            let loss = Loss {
                newest: *newest,
                witnessed: false,
            };
            (!self.server.knows(&loss)).then_some(loss)
        };
        let (of_unit, of_lane) = (lost(false), lost(true));
        self.history.loss = of_unit.or(self.history.loss);
        self.history.loss_in_lane = of_lane.or(self.history.loss_in_lane);
    }

    /// When the unit's quarantine ends for the node with the shortest lease.
    fn quarantine_until_ms(&self, config: &Config) -> i64 {
        let Memory { meta, record, .. } = &self.server.memory;
        let until_ms = |n: usize| {
            let caller = self.nodes[n].caller();
            unit_quarantine_until_ms(meta, record, config.lease_ms(n), &caller)
        };
        (0..self.nodes.len()).map(until_ms).min().unwrap_or(0)
    }

    /// A quarter passes: timers fire, and what only dead nodes saw is excused.
    fn time(&mut self, config: &Config) {
        self.note_undecided(config);
        let losses = [&mut self.history.loss, &mut self.history.loss_in_lane];
        for loss in losses.into_iter().flatten() {
            let saw = |node: &Node| is_witness(node, loss);
            loss.witnessed |= self.nodes.iter().any(saw);
        }
        self.now += QUARTER_MS;
        for node in &mut self.nodes {
            node.passes(self.now);
        }
        let meta = &self.server.memory.meta;
        let over = self.server.noticed() && self.quarantine_until_ms(config) <= self.store_now();
        let memory = (meta.serving.clone(), meta.quarantine_from_ms);
        let unknown = |node: &Node| {
            let mut runs = node.runs.iter();
            let longer = runs.any(|run| run.id.lease_ms > LEASE_MS);
            longer && node.registered_with.as_ref() != Some(&memory)
        };
        self.history.unstated |= over && self.nodes.iter().any(unknown);
        let history = &mut self.history;
        let losses = [history.loss, history.loss_in_lane];
        let unseen = losses.into_iter().flatten().any(|loss| !loss.witnessed);
        history.excused |= over && unseen;
    }
}

/// Whether the node reaches the store, has registered, and knows of the start.
fn is_witness(node: &Node, loss: &Loss) -> bool {
    let in_lane = loss.newest.in_lane;
    let holds = |run: &Run| {
        run.id.unit.is_lane() == in_lane && loss.is_known(run.id.token, Some(start_of(&run.id)))
    };
    let (marks, registers) = match in_lane {
        true => (&node.lane.marks, node.lane.unregistered),
        false => (&node.marks, node.registering.is_some()),
    };
    let saw = node.runs.iter().any(holds) || loss.is_known(marks.token, marks.start);
    node.reaches() && node.registering.is_none() && !registers && saw
}
