//! How much this node does, and whether that is more than others do.

use scheduled_one_protocol::message::{Load, MAX_RUNNING, Room};
use scheduled_one_schedule::policy::Route;

use crate::node::units::Units;

/// What a node reports of itself.
#[derive(Debug)]
pub(super) struct OwnLoad {
    /// Whether a job of this node prefers nodes by their load.
    matters: bool,
    /// Active runs that were reported last.
    running: u32,
    is_busy: bool,
}

impl OwnLoad {
    pub(super) fn new(units: &Units) -> Self {
        let route = |unit| units.get(unit).job.rules.route;
        OwnLoad {
            matters: units
                .indices()
                .any(|unit| route(unit) == Route::LeastLoaded),
            running: 0,
            is_busy: false,
        }
    }

    /// Whether a job of this node prefers nodes by their load.
    pub(super) fn matters(&self) -> bool {
        self.matters
    }

    /// Whether the next heartbeat asks for the runs of all nodes. With one run at most, no node becomes busy.
    pub(super) fn asks(&self) -> bool {
        self.matters && (self.is_busy || self.running > 1)
    }

    /// What the next heartbeat says.
    pub(super) fn report(&mut self, running: usize, is_full: bool) -> Load {
        self.running = (running as u64).min(u64::from(MAX_RUNNING)) as u32;
        // Nobody has less to do.
        self.is_busy &= self.running > 0;
        Load {
            running: self.running,
            room: match (is_full, self.is_busy) {
                (true, _) => Room::Full,
                (false, true) => Room::Busy,
                (false, false) => Room::Free,
            },
        }
    }

    /// Takes into account how many runs all nodes have. A node is busy that has a quarter more than the mean, and one
    /// run more, until it is down to the mean: a bound in each direction, so that units do not move with each run.
    pub(super) fn learn(&mut self, running: Option<u64>, nodes: usize) {
        let (Some(all), Some(nodes)) = (running, (nodes > 0).then_some(nodes as u64)) else {
            return;
        };
        let mine = u64::from(self.running) * nodes;
        self.is_busy = match self.is_busy {
            true => mine > all,
            false => 4 * mine > 5 * all + 4 * nodes,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> OwnLoad {
        OwnLoad {
            matters: true,
            running: 0,
            is_busy: false,
        }
    }

    #[test]
    fn a_node_is_busy_above_one_bound_until_it_is_below_another() {
        let mut load = load();
        let mut room = |running, all| {
            load.report(running, false);
            load.learn(Some(all), 4);
            load.report(running, false).room
        };
        assert_eq!(
            room(1, 1),
            Room::Free,
            "one run is not more than others have"
        );
        assert_eq!(room(6, 16), Room::Free, "a quarter more than four, and one");
        assert_eq!(room(7, 16), Room::Busy);
        assert_eq!(
            room(5, 16),
            Room::Busy,
            "until it has no more than the mean"
        );
        assert_eq!(room(4, 16), Room::Free);
    }

    #[test]
    fn a_node_asks_only_if_the_answer_may_matter() {
        let mut load = load();
        let mut asks = |running, all| {
            load.report(running, false);
            let asks = load.asks();
            load.learn(asks.then_some(all), 4);
            (asks, load.is_busy)
        };
        assert_eq!(asks(0, 0), (false, false));
        assert_eq!(asks(1, 1), (false, false), "one run makes no node busy");
        assert_eq!(asks(2, 6), (true, false));
        assert_eq!(asks(3, 3), (true, true));
        assert_eq!(asks(1, 3), (true, true), "it may have more than the mean");
        assert_eq!(asks(0, 8), (false, false), "nobody has less");
        load.matters = false;
        load.report(9, false);
        assert!(!load.asks());
    }

    #[test]
    fn a_full_node_is_full_however_busy_it_is() {
        let mut load = load();
        assert_eq!(load.report(9, true).room, Room::Full);
        load.learn(None, 3);
        load.learn(Some(9), 0);
        assert_eq!(load.report(9, false).room, Room::Free);
    }
}
