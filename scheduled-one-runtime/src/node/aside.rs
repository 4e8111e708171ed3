//! A unit that stands aside, because another schedule decides its ticks.

use scheduled_one_protocol::DecidingSchedule;

/// Heartbeats in a row that must not name a node before it counts as gone: after an outage of the store, nodes come
/// back one by one.
const ABSENT: u32 = 5;

/// A unit whose ticks another schedule decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    /// The schedule that decides.
    pub(crate) decides: DecidingSchedule,
    /// How many heartbeats in a row have not named its node.
    absent: u32,
    /// The generation of the schedule that stands aside.
    generation: u32,
}

impl Aside {
    pub(crate) fn new(decides: DecidingSchedule, generation: u32) -> Self {
        Aside {
            decides,
            absent: 0,
            generation,
        }
    }

    /// Takes a heartbeat's list of living nodes into account. Returns whether the node is gone that registered the
    /// deciding schedule, or has no right to it; if so, it is counted anew.
    pub(crate) fn is_orphan(&mut self, living: &[String]) -> bool {
        self.absent = match living.iter().any(|node| **node == *self.decides.node) {
            true => 0,
            false => self.absent + 1,
        };
        // The job was gone, and this node has it, or has a later generation of its schedule: at once.
        if self.decides.gone_since_ms().is_some() || self.decides.generation < self.generation {
            return true;
        }
        let is_gone = self.absent >= ABSENT;
        if is_gone {
            self.absent = 0;
        }
        is_gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::ScheduleId;

    #[test]
    fn a_node_is_gone_when_several_heartbeats_in_a_row_do_not_name_it() {
        let decides = DecidingSchedule {
            id: ScheduleId(1),
            registered_ms: 1,
            since_ms: 1,
            node: "b".into(),
            generation: 1,
        };
        let mut aside = Aside::new(decides.clone(), 1);
        let (with, without) = (["a".to_owned(), "b".to_owned()], ["a".to_owned()]);
        assert!((1..ABSENT).all(|_| !aside.is_orphan(&without)));
        assert!(!aside.is_orphan(&with));
        assert!((1..ABSENT).all(|_| !aside.is_orphan(&without)));
        assert!(aside.is_orphan(&without));
        // Asked for once, and not with each heartbeat.
        assert!(!aside.is_orphan(&without));
        // A later generation waits for nobody.
        assert!(Aside::new(decides, 2).is_orphan(&with));
    }
}
