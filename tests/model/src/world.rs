//! The state space: nodes, a store, messages that are late, and time.

use scheduled_one_runtime::store::message::{Caller, Renewed, Reply, Verdict};
use stateright::{Model, Property};

use crate::config::{Config, EPOCH_MS, Faults, LEASE_MS, QUARTER_MS};
use crate::history::{History, Loss};
use crate::node::{Duty, Node, Phase, Pulse, Run};
use crate::properties;
use crate::server::{Body, Request, Server};

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The boot clock of all nodes, ms.
    pub now: i64,
    /// The store's clock minus that.
    pub clock_ms: i64,
    /// The store.
    pub server: Server,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Messages that are late, or lost.
    pub late: Vec<Message>,
    /// What may still go wrong.
    pub left: Faults,
    /// What has happened.
    pub history: History,
}

/// A request that is late, or its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Who asked.
    pub node: usize,
    /// The same as the store knows it.
    pub caller: Caller,
    /// What was asked.
    pub request: Request,
    /// When.
    pub sent: i64,
    /// The answer, if it is that which is late.
    pub reply: Option<Reply<Body>>,
    /// Nobody waits for the answer.
    pub copy: bool,
}

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
    /// A quarter of a lease passes.
    Time,
}

impl Model for Config {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            now: 0,
            clock_ms: EPOCH_MS,
            server: Server::new(),
            nodes: Vec::new(),
            late: Vec::new(),
            left: self.faults,
            history: History::default(),
        };
        for index in 0..self.nodes {
            world.nodes.push(Node::new(name(index, 0), 0));
        }
        for index in 0..self.nodes {
            let duty = |world: &World| {
                let duties = world.nodes[index].duties(self, 0, &world.pulse());
                duties.into_iter().next()
            };
            while let Some(Duty::Ask(request)) = duty(&world) {
                world.ask(self, index, &request);
            }
        }
        world.server.before.clear();
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let pulse = world.pulse();
        let duties: Vec<(usize, Duty)> = world
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(n, node)| {
                node.duties(self, world.now, &pulse)
                    .into_iter()
                    .map(move |d| (n, d))
            })
            .collect();
        let urgent = duties.iter().map(|(_, duty)| rank(duty)).min();
        if urgent == Some(0) {
            let (n, duty) = &duties[duties
                .iter()
                .position(|(_, duty)| rank(duty) == 0)
                .unwrap_or(0)];
            if let Duty::Begin(index) = duty {
                actions.push(Action::Begin(*n, *index));
            }
            return;
        }
        for (n, duty) in duties {
            if Some(rank(&duty)) == urgent
                && let Duty::Ask(request) = duty
            {
                world.fates(n, request, actions);
            }
        }
        world.runs(self, actions);
        world.faults(actions);
        if urgent.is_none() {
            actions.push(Action::Time);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.apply(self, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.now <= self.horizon * QUARTER_MS
    }
}

/// Begin, then renew, then the rest.
fn rank(duty: &Duty) -> u8 {
    match duty {
        Duty::Begin(_) => 0,
        Duty::Ask(Request::Renew(_)) => 1,
        Duty::Ask(_) => 2,
    }
}

fn name(index: usize, generation: u8) -> String {
    format!("{}{generation}", char::from(b'a' + index as u8))
}

impl World {
    fn store_now(&self) -> i64 {
        self.now + self.clock_ms
    }

    fn pulse(&self) -> Pulse {
        let memory = &self.server.memory;
        Pulse {
            serving: self.server.serving,
            noticed: self.server.noticed(),
            quarantine_until_ms: memory.meta.quarantine_until_ms,
            ready: memory.record.ready(),
            lease_over: memory.record.running && memory.record.run.until_ms <= self.store_now(),
            overdue: self.server.overdue(self.store_now()),
        }
    }

    /// What can become of a request.
    fn fates(&self, n: usize, request: Request, actions: &mut Vec<Action>) {
        let left = &self.left;
        let claim = matches!(request, Request::Claim(_));
        if request != Request::Beat {
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
    fn runs(&self, config: &Config, actions: &mut Vec<Action>) {
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

    fn faults(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        for (n, message) in self.late.iter().enumerate() {
            let node = &self.nodes[message.node];
            if message.reply.is_none() || node.reaches() {
                actions.push(Action::Arrives(n));
            }
        }
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
        if left.failovers > 0 {
            let lost = 0..=self.server.before.len();
            actions.extend(lost.filter(|lost| *lost > 0).map(Action::FailOver));
        }
        if left.flushes > 0 {
            actions.push(Action::Flush);
        }
        if left.jumps > 0 {
            actions.push(Action::Jump(5 * QUARTER_MS));
            actions.push(Action::Jump(-3 * QUARTER_MS));
        }
    }

    fn apply(&mut self, config: &Config, action: Action) {
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
                let reply = self.serve(&request, &caller);
                self.keep(n, request, Some(reply), false);
            }
            Action::Copied(n, request) => {
                self.left.copies -= 1;
                self.ask(config, n, &request);
                self.keep(n, request, None, true);
            }
            Action::Arrives(index) => self.arrives(config, index),
            Action::Returns(n, index) => {
                let run = self.nodes[n].runs[index].clone();
                self.nodes[n].returns(index);
                if !config.guards.ended_is_not_renewed {
                    let renewal = self.nodes[n].renewal(config, &run);
                    self.keep(n, Request::Renew(renewal), None, true);
                }
            }
            Action::Fails(n, index) => {
                self.nodes[n].fails(config, &mut self.history, index, self.now);
            }
            Action::Crash(n) => {
                self.left.crashes -= 1;
                self.nodes[n].dies();
                self.late
                    .retain(|message| message.node != n || message.reply.is_none());
            }
            Action::Restart(n) => {
                self.left.restarts -= 1;
                let generation = self.nodes[n].id.ends_with('0');
                let clock_ms = self.clock_ms;
                self.nodes[n] = Node {
                    clock_ms,
                    ..Node::new(
                        name(n, 1 + u8::from(!generation)),
                        self.store_now() - EPOCH_MS,
                    )
                };
            }
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
            Action::Time => self.time(),
        }
    }

    fn serve(&mut self, request: &Request, caller: &Caller) -> Reply<Body> {
        let keep = match self.left.failovers {
            0 => 0,
            _ => self.left.lost_writes,
        };
        let reply = self.server.serve(request, caller, self.store_now(), keep);
        if self
            .history
            .loss
            .is_some_and(|loss| self.server.knows(&loss))
        {
            self.history.loss = None; // it knows again
        }
        reply
    }

    fn ask(&mut self, config: &Config, n: usize, request: &Request) {
        let now = self.now;
        self.nodes[n].sends(request, now);
        let caller = self.nodes[n].caller();
        let reply = self.serve(request, &caller);
        self.nodes[n].hears(config, &mut self.history, request, reply, now, now);
    }

    fn keep(&mut self, node: usize, request: Request, reply: Option<Reply<Body>>, copy: bool) {
        self.late.push(Message {
            node,
            caller: self.nodes[node].caller(),
            request,
            sent: self.now,
            reply,
            copy,
        });
    }

    fn arrives(&mut self, config: &Config, index: usize) {
        let message = self.late.remove(index);
        let executes = message.reply.is_none();
        let reply = match message.reply {
            Some(reply) => reply,
            None => self.serve(&message.request, &message.caller),
        };
        let under_way_ms = match executes {
            true => self.now - message.sent,
            false => 0,
        };
        let new = self.server.memory.record.run.granted_at_ms == self.store_now();
        self.history.revived |= match &reply.body {
            Body::Claimed(claimed) => {
                let granted = matches!(claimed.verdict, Verdict::Granted { .. });
                granted && new && under_way_ms > LEASE_MS / 2
            }
            Body::Renewed(renewed) => {
                let refused = matches!(renewed, Renewed::Late | Renewed::Lost);
                !refused && under_way_ms >= LEASE_MS
            }
            _ => false,
        };
        let node = &mut self.nodes[message.node];
        let waits = node.up && node.id == message.caller.node && !message.copy;
        if waits && node.reaches() {
            let (request, sent) = (&message.request, message.sent);
            node.hears(config, &mut self.history, request, reply, sent, self.now);
        } else if waits {
            self.late.push(Message {
                reply: Some(reply),
                ..message
            });
        }
    }

    /// Which start the store does not know of any more.
    fn note_loss(&mut self) {
        let starts = self.history.starts.iter();
        let newest = starts.max_by_key(|start| (start.token, start.attempt));
        let Some(newest) = newest else { return };
        let loss = Loss {
            start: *newest,
            witnessed: false,
        };
        if !self.server.knows(&loss) {
            self.history.loss = Some(loss);
        }
    }

    fn time(&mut self) {
        if let Some(loss) = &mut self.history.loss {
            let saw = |node: &Node| {
                let holds = |run: &Run| loss.is_known(run.id.token, run.id.tick_ms, run.id.attempt);
                let (token, started) = (node.floors.token, node.floors.started);
                let saw = node.runs.iter().any(holds)
                    || loss.is_known(token, started.tick_ms, started.attempt);
                node.reaches() && node.enrolling.is_none() && saw
            };
            loss.witnessed |= self.nodes.iter().any(saw);
        }
        self.now += QUARTER_MS;
        for node in &mut self.nodes {
            node.passes(self.now);
        }
        let meta = &self.server.memory.meta;
        let over = self.server.noticed() && meta.quarantine_until_ms <= self.store_now();
        if over && self.history.loss.is_some_and(|loss| !loss.witnessed) {
            self.history.excused = true;
        }
    }
}
