//! Times without a node.

use std::io;

use scheduled_one_testkit::checker::FaultKind;

use super::{ANY, Fault, Heals, Made, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{PULSE_EVERY, World};

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: "all-nodes-down",
    family: "downtime",
    on: ANY,
    heals: Heals::AtOnce,
    make: all_down,
}];

/// No node lives for ten ticks.
fn all_down(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    while !world.nodes.is_empty() {
        world.nodes[0].kill();
        world.bury(0);
    }
    world.window("all nodes are down", FaultKind::Killed, None, |_| {
        last(PULSE_EVERY * 10);
        Ok(())
    })?;
    world.replace_dead_nodes()?;
    Ok(Made::now())
}
