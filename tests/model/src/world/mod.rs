//! The state space: nodes, a store, messages that are late, and time.
//!
//! - Here: one instant, and which of the things that can happen come first;
//! - [`actions`]: what can happen;
//! - [`step`]: what that does;
//! - [`direct`]: what an operator does, and who asks for a run;
//! - [`liveness`]: how long a due tick is undecided;
//! - [`forget`]: an operator forgets the job;
//! - [`schedules`]: which schedule decides;
//! - [`messages`]: how requests reach the store, and answers a node.

mod actions;
mod direct;
mod forget;
mod liveness;
mod messages;
mod schedules;
mod step;

use scheduled_one_protocol::DecidingSchedule;
use scheduled_one_protocol::machine::Now;
use stateright::{Model, Property};

use crate::config::{Config, EPOCH_MS, Faults, QUARTER_MS};
use crate::history::History;
use crate::node::{Duty, News, Node};
use crate::properties;
use crate::server::{Request, Server};

pub use actions::Action;
pub use messages::Message;

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
    /// Which schedule decided when somebody saw that no living node has the job.
    pub looked: Option<DecidingSchedule>,
    /// When the job was described, as an operator saw it who is about to forget the job.
    pub looked_forget: Option<i64>,
    /// What may still go wrong.
    pub left: Faults,
    /// What has happened.
    pub history: History,
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
            looked: None,
            looked_forget: None,
            left: self.faults,
            history: History::default(),
        };
        for index in 0..self.nodes {
            world.nodes.push(Node::new(self, index, name(index, 0), 0));
        }
        world.settle(self);
        world.server.before.clear();
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let news = world.news();
        let of = |n: usize| {
            let duties = world.nodes[n].duties(self, world.now, &news);
            duties.into_iter().map(move |duty| (n, duty))
        };
        let duties: Vec<(usize, Duty)> = (0..world.nodes.len()).flat_map(of).collect();
        let urgent = duties.iter().filter_map(|(_, duty)| rank(duty)).min();
        let begins = duties.iter().find_map(|(n, duty)| match duty {
            Duty::Begin(index) => Some(Action::Begin(*n, *index)),
            Duty::Ask(_) | Duty::MayAsk(_) => None,
        });
        if let Some(begins) = begins {
            return actions.push(begins);
        }
        for (n, duty) in duties {
            let is_next = rank(&duty) == urgent;
            match duty {
                Duty::Ask(request) if is_next => world.fates(n, request, actions),
                Duty::MayAsk(request) => world.fates(n, request, actions),
                Duty::Ask(_) | Duty::Begin(_) => {}
            }
        }
        world.runs(self, actions);
        world.faults(self, actions);
        if urgent.is_none() {
            actions.push(Action::Time);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.apply(self, action);
        next.note_lost_pause();
        next.note_lost_schedule();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.now <= self.horizon * QUARTER_MS
    }
}

/// Begin, then renew, then the rest. Time does not wait for what a node may leave undone.
fn rank(duty: &Duty) -> Option<u8> {
    match duty {
        Duty::Begin(_) => Some(0),
        Duty::Ask(Request::Renew(_)) => Some(1),
        Duty::Ask(_) => Some(2),
        Duty::MayAsk(_) => None,
    }
}

fn name(index: usize, generation: u8) -> String {
    format!("{}{generation}", char::from(b'a' + index as u8))
}

impl World {
    fn store_now(&self) -> i64 {
        self.now + self.clock_ms
    }

    /// The same as the protocol has it.
    fn instant(&self) -> Now {
        Now {
            us: self.store_now() as u64 * 1_000,
        }
    }

    pub(crate) fn news(&self) -> News {
        let memory = &self.server.memory;
        News {
            serving: self.server.serving,
            noticed: self.server.noticed(),
            quarantine_from_ms: memory.meta.quarantine_from_ms,
            control_version: memory.meta.control_version,
            ready: memory.record.ready(),
            unclaimed: memory.record.unclaimed(self.instant()),
            lane_ready: memory.lane.record.ready(),
            lease_over: [&memory.record, &memory.lane.record]
                .into_iter()
                .any(|record| record.running && record.run.until_ms <= self.store_now()),
            overdue: self.server.overdue(self.store_now()),
        }
    }

    /// All nodes are up, and have nothing to do.
    fn settle(&mut self, config: &Config) {
        for index in 0..self.nodes.len() {
            let duty = |world: &World| {
                let duties = world.nodes[index].duties(config, 0, &world.news());
                duties.into_iter().next()
            };
            while let Some(Duty::Ask(request)) = duty(self) {
                self.ask(config, index, &request);
            }
        }
    }
}
