//! Faults of what nodes believe of each other: which of them live, and which jobs they have.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{ANY, Fault, Heals, Made, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{STEADY, World, now_us};
use crate::node::Order;

/// So many nodes none of which a job prefers are no chance: of one, that is one in ten.
const MOST_NODES: usize = 8;
/// Twice the longest period of a job, and what the start takes.
const TO_RUN_SOMETHING: Duration = Duration::from_secs(25);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "preferred-node-killed",
        family: "membership",
        on: ANY,
        heals: Heals::AtOnce,
        make: kill_preferred,
    },
    Fault {
        name: "preferred-node-hangs",
        family: "membership",
        on: ANY,
        heals: Heals::AtOnce,
        make: hang_preferred,
    },
    Fault {
        name: "membership-flaps",
        family: "membership",
        on: ANY,
        heals: Heals::AtOnce,
        make: flap,
    },
    Fault {
        name: "mixed-builds",
        family: "membership",
        on: ANY,
        heals: Heals::AtOnce,
        make: mix_builds,
    },
];

/// Jobs that run on all nodes anyway: all of their ticks, or some.
const OF_ALL: [&str; 3] = ["every", "spread", "failing"];

/// The node dies that a job prefers: it ran the newest tick. Another one runs the next.
fn kill_preferred(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let run = world.wait_for_start_of(STEADY)?;
    kill(world, &run.node);
    let made = Made::now();
    world.must("another node runs the job", |world| {
        let mut events = world.log.events.iter().rev();
        events.any(|it| it.job == run.job && it.node != run.node && it.boot_us > made.healed_us)
    })?;
    Ok(made)
}

/// A node that jobs prefer sends heartbeats, and claims nothing any more. Others run its jobs.
fn hang_preferred(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let (name, job) = preferred_that_can_hang(world)?;
    let from_us = now_us();
    let time = seed.millis(2_000..=5_000);
    world.window("hangs", FaultKind::Other, None, |world| {
        let index = world.index_of(&name);
        world.nodes[index].order(&Order::Hang)?;
        world.must("another node runs what the hanging one ran", |world| {
            let mut events = world.log.events.iter().rev();
            events.any(|it| it.job == job && it.node != name && it.boot_us > from_us)
        })?;
        last(time);
        Ok(())
    })?;
    kill(world, &name);
    Ok(Made::now())
}

/// A new node that can hang, and a job that it has run. Which jobs prefer a node is a matter of its identity: of those
/// that none prefers, another one takes the place.
fn preferred_that_can_hang(world: &mut World) -> io::Result<(String, String)> {
    for _ in 0..MOST_NODES {
        world.next_can_hang = true;
        let started = world.start_node();
        world.next_can_hang = false;
        let name = started?;
        let until_us = now_us() + TO_RUN_SOMETHING.as_micros() as u64;
        let mut job = None;
        world.must(
            "the new node runs something, or nothing prefers it",
            |world| {
                let mut events = world.log.events.iter().rev();
                let own = events.find(|it| it.node == name && !OF_ALL.contains(&&*it.job));
                job = own.map(|it| it.job.clone());
                job.is_some() || now_us() > until_us
            },
        )?;
        if let Some(job) = job {
            return Ok((name, job));
        }
        kill(world, &name);
    }
    Err(io::Error::other(format!(
        "of {MOST_NODES} new nodes, none ran anything"
    )))
}

/// Nodes come and go, faster than the others learn of it.
fn flap(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    for _ in 0..seed.within(2..=4) {
        let name = world.start_node()?;
        last(seed.millis(300..=1_500));
        kill(world, &name);
    }
    Ok(Made::now())
}

/// Some nodes have only a part of the jobs, as while a release is rolled out. The ticks of each job go on.
fn mix_builds(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let all = world.jobs.clone();
    world.jobs.retain(|_| seed.within(0..=1) == 0);
    if world.jobs.is_empty() {
        world.jobs.push(all[0].clone());
    }
    let started = (0..3).map(|_| world.start_node());
    let started = started.collect::<io::Result<Vec<String>>>();
    world.jobs = all;
    let started = started?;
    last(seed.millis(3_000..=6_000));
    let until_us = now_us();
    world.must("the steady job goes on beside nodes without it", |world| {
        let mut events = world.log.events.iter().rev();
        events.any(|it| it.job == STEADY && it.boot_us > until_us)
    })?;
    for name in started {
        kill(world, &name);
    }
    last(Duration::from_millis(100));
    Ok(Made::now())
}

fn kill(world: &mut World, node: &str) {
    let index = world.index_of(node);
    world.nodes[index].kill();
    world.note("killed", FaultKind::Killed, Some(node));
    world.bury(index);
}
