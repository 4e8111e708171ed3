//! The possible next events of a state: of requests, of the functions of jobs, and faults.

use scheduled_one_protocol::message::Forget;

use super::World;
use crate::config::{Config, QUARTER_MS};
use crate::node::Phase;
use crate::server::Request;

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A granted run is polled for the first time.
    Begin(usize, usize),
    /// A request is sent, executed and answered, in one instant.
    Ask(usize, Request),
    /// The same, and then the node stands still.
    AskAndPause(usize, Request),
    /// A request is sent, and late.
    Late(usize, Request),
    /// A request is executed, and its answer is late.
    Unanswered(usize, Request),
    /// As `Ask`, and a copy of it is late.
    Copied(usize, Request),
    /// A late message arrives.
    Arrives(usize),
    /// A function returns.
    Returns(usize, usize),
    /// A function fails, and another attempt is to follow.
    Fails(usize, usize),
    /// A node dies.
    Crash(usize),
    /// Another node starts in its place.
    Restart(usize),
    /// A node stands still.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// A node does not reach the store.
    Cut(usize),
    /// It does again.
    Heal(usize),
    /// The store loses its newest changes, so many.
    FailOver(usize),
    /// The store loses everything.
    Flush,
    /// The store's clock is set.
    Jump(i64),
    /// An operator pauses the job, or resumes it.
    Direct,
    /// An operator puts a schedule in the place of that in the code, or that one back.
    Reschedule,
    /// Somebody sees that no living node has the job.
    LookGone,
    /// And registers it with no schedule.
    RegisterGone,
    /// An operator sees that no living node has the job.
    LookForgotten,
    /// And forgets it, or takes marks back.
    Forget(Forget),
    /// Somebody asks for a run.
    AskForRun,
    /// An operator cancels the run of that start.
    CancelRun(usize),
    /// A quarter of a lease passes.
    Time,
}

impl World {
    /// What can become of a request.
    pub(super) fn fates(&self, n: usize, request: Request, actions: &mut Vec<Action>) {
        let left = &self.left;
        let claim = matches!(request, Request::Claim(_) | Request::Take(_));
        if request != Request::Heartbeat {
            if left.late_requests > 0 {
                actions.push(Action::Late(n, request.clone()));
            }
            if left.late_replies > 0 {
                actions.push(Action::Unanswered(n, request.clone()));
            }
            if left.copies > 0 {
                actions.push(Action::Copied(n, request.clone()));
            }
        }
        if claim && left.pauses > 0 {
            actions.push(Action::AskAndPause(n, request.clone()));
        }
        actions.push(Action::Ask(n, request));
    }

    /// What job functions may do.
    pub(super) fn runs(&self, config: &Config, actions: &mut Vec<Action>) {
        for (n, node) in self.nodes.iter().enumerate() {
            for (index, run) in node.runs.iter().enumerate() {
                if !node.acts() || !matches!(run.phase, Phase::Running(_)) {
                    continue;
                }
                actions.push(Action::Returns(n, index));
                let made = self.history.starts.iter();
                let made = made.filter(|start| start.token == run.id.token).count();
                if made <= config.retries as usize {
                    actions.push(Action::Fails(n, index));
                }
            }
        }
    }

    /// What else may happen: late messages arrive, and what the budget allows.
    pub(super) fn faults(&self, config: &Config, actions: &mut Vec<Action>) {
        for (n, message) in self.late.iter().enumerate() {
            let node = &self.nodes[message.node];
            if message.reply.is_none() || node.reaches() {
                actions.push(Action::Arrives(n));
            }
        }
        self.faults_of_nodes(actions);
        self.faults_of_store(actions);
        self.forgets(config, actions);
    }

    fn forgets(&self, config: &Config, actions: &mut Vec<Action>) {
        if self.can_look_forgotten(config) {
            actions.push(Action::LookForgotten);
        }
        if self.can_forget(config) {
            actions.push(Action::Forget(match config.faults.jumps {
                0 => Forget::Everything,
                _ => Forget::MarksAhead,
            }));
        }
    }

    fn faults_of_nodes(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        for (n, node) in self.nodes.iter().enumerate() {
            if !node.up {
                if left.restarts > 0 {
                    actions.push(Action::Restart(n));
                }
                continue;
            }
            if left.crashes > 0 {
                actions.push(Action::Crash(n));
            }
            match node.paused {
                true => actions.push(Action::Resume(n)),
                false if left.pauses > 0 => actions.push(Action::Pause(n)),
                false => {}
            }
            match node.cut {
                true => actions.push(Action::Heal(n)),
                false if left.cuts > 0 => actions.push(Action::Cut(n)),
                false => {}
            }
        }
    }

    fn faults_of_store(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        if left.failovers > 0 {
            let lost = 0..=self.server.before.len();
            actions.extend(lost.filter(|lost| *lost > 0).map(Action::FailOver));
        }
        if left.flushes > 0 {
            actions.push(Action::Flush);
        }
        if left.directives > 0 {
            actions.push(Action::Direct);
        }
        if left.reschedules > 0 {
            actions.push(Action::Reschedule);
        }
        if self.can_look_gone() && self.looked.is_none() {
            actions.push(Action::LookGone);
        }
        if self.looked.is_some() {
            actions.push(Action::RegisterGone);
        }
        if left.asks > 0 {
            actions.push(Action::AskForRun);
        }
        if left.cancels > 0 {
            let starts = 0..self.history.starts.len();
            actions.extend(starts.map(Action::CancelRun));
        }
        if left.jumps > 0 {
            actions.push(Action::Jump(5 * QUARTER_MS));
            actions.push(Action::Jump(-3 * QUARTER_MS));
        }
    }
}
