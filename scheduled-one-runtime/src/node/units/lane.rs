//! What a node has seen of the lanes of its units.

use std::collections::HashMap;

use super::{Unit, Units};
use crate::timer::UnitIndex;
use scheduled_one_protocol::TickMs;
use scheduled_one_protocol::message::{KnownRequest, Occasion, Register, Watermarks};

/// Most requests that a node remembers.
const MAX_REQUESTS: usize = 1_000;

impl Units {
    /// Takes watermarks of a lane that a store replied into account. They are no lower bounds of the unit: its active
    /// run would lose its lease to the token of a run that goes on at the same time.
    pub(crate) fn learn_lane(&mut self, index: UnitIndex, seen: Watermarks) {
        let lane = &mut self.all[index as usize].lane;
        lane.decided = lane.decided.max(seen.decided);
        lane.token = lane.token.max(seen.token);
        lane.start = lane.start.max(seen.start);
    }

    /// A request was granted to this node.
    pub(crate) fn remember_request(&mut self, index: UnitIndex, id: String, tick: TickMs) {
        if self.requests.len() >= MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back((index, KnownRequest { id, tick }));
    }

    /// The registrations of the lanes that this node has seen, with the requests that it was granted.
    pub(crate) fn lane_registrations(&self) -> Vec<Register> {
        let mut requests: HashMap<UnitIndex, Vec<KnownRequest>> = HashMap::new();
        for (unit, request) in &self.requests {
            requests.entry(*unit).or_default().push(request.clone());
        }
        let seen = self.indices().zip(&self.all);
        let seen = seen.filter(|(_, unit)| unit.lane != Watermarks::default());
        let registration = |(index, unit): (UnitIndex, &Unit)| Register {
            unit: unit.name().lane(),
            first_seen_ms: unit.marks.first_seen_ms.unwrap_or(0),
            lease_ms: unit.lease_ms,
            schedule: None,
            generation: 0,
            occasion: Occasion::Again,
            decides: None,
            bounds: unit.lane.bounds(),
            next_due_ms: None,
            requests: requests.remove(&index).unwrap_or_default(),
        };
        seen.map(registration).collect()
    }
}
