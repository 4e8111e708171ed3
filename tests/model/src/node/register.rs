//! Registration: a node sends its lower bounds to the store, at its start and whenever the store may have forgotten.

use scheduled_one_protocol::message::{
    LowerBounds, Occasion, Register, RegisteredUnit, Watermarks,
};

use super::Node;
use crate::config::Config;
use crate::history::start_of;
use crate::server::Request;

impl Node {
    /// At once when the store may have forgotten; again when no answer came.
    pub(super) fn register_due(&self, config: &Config, now: i64) -> Option<Request> {
        let waits = self
            .registering
            .as_ref()
            .is_some_and(|(tried, _)| now <= *tried);
        let due = self.registers(config) && !waits;
        due.then(|| Request::Register(self.registration(config, now)))
    }

    fn registers(&self, config: &Config) -> bool {
        match &self.registered_with {
            None => true,
            Some(_) if self.succeeds || self.seen.registers => true,
            Some(_) if !config.guards.registers_again => false,
            Some(identity) => *identity != self.memory(),
        }
    }

    /// As `View::memory`.
    pub(super) fn memory(&self) -> (String, i64) {
        (self.serving.clone(), self.quarantine_from_ms)
    }

    fn registration(&self, config: &Config, now: i64) -> Register {
        let bounds = self.bounds(config);
        let of_schedule = self.runs.iter().filter(|run| !run.id.unit.is_lane());
        let newest_run = of_schedule.map(|run| start_of(&run.id)).max();
        Register {
            unit: Config::unit(),
            requests: Vec::new(),
            first_seen_ms: self.marks.first_seen_ms.unwrap_or(0),
            lease_ms: match config.guards.states_lease {
                true => self.lease_ms,
                false => 0,
            },
            schedule: self.schedule,
            generation: config.generation_of(self.schedule),
            occasion: match self.registered_with {
                None => Occasion::Start {
                    valid_until_ms: self.store_now(now) + self.lease_ms,
                },
                Some(_) if self.succeeds => Occasion::Succession,
                Some(_) => Occasion::Again,
            },
            decides: match config.guards.tells_schedule {
                true => self.decides.clone(),
                false => None,
            },
            bounds: LowerBounds {
                // Of attempts that were made since the grant, only the runs know.
                start: match config.guards.bounds {
                    true => bounds.start.max(newest_run),
                    false => bounds.start,
                },
                ..bounds
            },
            next_due_ms: match config.guards.registrations_name_next {
                true => self.due_after(config, self.marks.decided_to()),
                false => None,
            },
        }
    }

    /// The lower bounds of a request: the watermarks that this node has seen.
    pub(super) fn bounds(&self, config: &Config) -> LowerBounds {
        match config.guards.bounds {
            true => self.marks.bounds(),
            false => LowerBounds::default(),
        }
    }

    /// The reply to a registration: the watermarks in it include those that other nodes have sent.
    pub(super) fn registered(&mut self, unit: RegisteredUnit, sent: i64) {
        let waited = self.registering.take_if(|(tried, _)| *tried == sent);
        if let Some((_, identity)) = waited {
            self.registered_with = Some(identity);
            self.lane.unregistered = self.lane.marks != Watermarks::default();
            self.succeeds = false;
            self.seen.registers = false;
            self.learn(unit.marks);
            self.decides = unit.decides;
        }
    }

    /// Watermarks only rise.
    pub(super) fn learn(&mut self, seen: Watermarks) {
        let marks = &mut self.marks;
        marks.decided = marks.decided.max(seen.decided);
        marks.token = marks.token.max(seen.token);
        marks.start = marks.start.max(seen.start);
        if seen.first_seen_ms.is_some() {
            marks.first_seen_ms = seen.first_seen_ms;
        }
    }
}
