//! Everybody is down; a deployment changes the schedule.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{ANY, Fault, Heals, Made, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{PULSE, PULSE_EVERY, World};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "all-nodes-down",
        family: "downtime",
        on: ANY,
        heals: Heals::AtOnce,
        make: all_down,
    },
    Fault {
        name: "rolling-restart",
        family: "deployment",
        on: ANY,
        heals: Heals::AtOnce,
        make: rolling_restart,
    },
];

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

/// One node after the other is replaced by one with another schedule.
fn rolling_restart(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.audit()?; // by the schedule as it was
    let every = seed.millis(300..=900);
    for job in &mut world.jobs {
        match job.name.as_str() {
            PULSE => job.every = every,
            "medium" => job.every = Duration::from_millis(seed.within(700..=1_500)),
            _ => {}
        }
    }
    let old: Vec<String> = world.nodes.iter().map(|it| it.name().to_owned()).collect();
    world.window("rolling restart", FaultKind::Other, None, |world| {
        for name in old {
            world.start_node()?;
            let index = world.index_of(&name);
            world.nodes[index].terminate();
            world.wait("a node has ended", |world| world.nodes[index].has_ended())?;
            world.bury(index);
        }
        Ok(())
    })?;
    let made = Made::now();
    world.account_from_now();
    Ok(made)
}
