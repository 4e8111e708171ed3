//! Faults of a Redis: deaths, freezes and losses of memory.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{Fault, Heals, Made, ONE, REDIS, keep_doing, last};
use crate::chaos::deployment::{Deployment, Kind};
use crate::chaos::seed::Seed;
use crate::chaos::world::{MINUTE, MINUTE_LEASE, SLOW, World};
use crate::log::Kind as Sign;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "redis-kill",
        family: "store death",
        on: ONE,
        heals: Heals::Quarantined,
        make: kill,
    },
    Fault {
        name: "redis-freeze-3s",
        family: "store freeze",
        on: ONE,
        heals: Heals::Reached,
        make: freeze_3,
    },
    Fault {
        name: "redis-freeze-10s",
        family: "store freeze",
        on: ONE,
        heals: Heals::Reached,
        make: freeze_10,
    },
    Fault {
        name: "flushall",
        family: "store forgets",
        on: REDIS,
        heals: Heals::Quarantined,
        make: flush,
    },
    Fault {
        name: "flushall-new-node",
        family: "store forgets",
        on: REDIS,
        heals: Heals::Quarantined,
        make: flush_new_node,
    },
    Fault {
        name: "flushall-lease-of-a-minute",
        family: "store forgets for a minute",
        on: REDIS,
        heals: Heals::Quarantined,
        make: flush_and_wait,
    },
    Fault {
        name: "script-flush",
        family: "scripts and clients",
        on: REDIS,
        heals: Heals::Reached,
        make: script_flush,
    },
    Fault {
        name: "client-kill",
        family: "scripts and clients",
        on: REDIS,
        heals: Heals::Reached,
        make: client_kill,
    },
    Fault {
        name: "client-pause",
        family: "store freeze",
        on: REDIS,
        heals: Heals::Quarantined,
        make: client_pause,
    },
];

/// SIGKILL, and a restart: empty, or with what it acknowledged.
fn kill(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let forgets = world.kind() == Kind::Alone;
    world.deployment.server()?.kill()?;
    let time = seed.millis(50..=3_000);
    world.window("redis is dead", FaultKind::Isolated, None, |_| {
        last(time);
        Ok(())
    })?;
    if forgets {
        world.note("redis forgot everything", FaultKind::MemoryLoss, None);
    }
    world.deployment.server()?.restart()?;
    Ok(Made::now())
}

fn freeze_3(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    freeze(world, Duration::from_secs(3))
}

fn freeze_10(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    freeze(world, Duration::from_secs(10))
}

/// SIGSTOP: connections stay open, and nothing answers.
fn freeze(world: &mut World, time: Duration) -> io::Result<Made> {
    world.deployment.server()?.freeze()?;
    world.window("redis is frozen", FaultKind::Isolated, None, |_| {
        last(time);
        Ok(())
    })?;
    world.deployment.server()?.thaw()?;
    Ok(Made::now())
}

/// An operator flushes Redis by mistake.
pub(super) fn flush(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    world.note("FLUSHALL", FaultKind::MemoryLoss, None);
    world.deployment.server()?.flush()?;
    Ok(Made::now())
}

/// The same, and it lasts until the job with a lease of a minute starts again.
fn flush_and_wait(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let made = flush(world, seed)?;
    let until_us = made.healed_us + MINUTE_LEASE.as_micros() as u64;
    world.must("the job with a lease of a minute starts again", |world| {
        let mut events = world.log.events.iter().rev();
        events.any(|it| it.job == MINUTE && it.kind == Sign::Start && it.boot_us > until_us)
    })?;
    Ok(Made {
        stands_still: Some((MINUTE, MINUTE_LEASE)),
        ..made
    })
}

/// An operator flushes Redis, and then a node starts that has seen nothing: what was decided,
/// it can only know from the others. Just after a tick of a job that is due
/// seldom, so that nothing newer stands in for it.
fn flush_new_node(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.wait_for_start_of(SLOW)?;
    let made = flush(world, seed)?;
    world.wait_for_pulse(made.healed_us)?;
    replace_a_node(world, seed)?;
    Ok(made)
}

/// A node is killed, and another one starts that has seen nothing.
pub(super) fn replace_a_node(world: &mut World, seed: &mut Seed) -> io::Result<()> {
    let names: Vec<&str> = world.nodes.iter().map(|it| it.name()).collect();
    let name = (*seed.pick(&names)).to_owned();
    let index = world.index_of(&name);
    world.nodes[index].kill();
    world.note("killed", FaultKind::Killed, Some(&name));
    world.bury(index);
    world.start_node().map(drop)
}

/// Scripts are forgotten all the time.
fn script_flush(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let (time, every) = (Duration::from_secs(3), Duration::from_millis(20));
    world.window("SCRIPT FLUSH in a loop", FaultKind::Flaky, None, |world| {
        let server = world.deployment.server()?;
        keep_doing(time, every, || {
            server.command(&["SCRIPT", "FLUSH", "ASYNC"]).map(drop)
        })
    })?;
    Ok(Made::now())
}

/// All connections are closed by the server, again and again.
fn client_kill(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let (time, every) = (Duration::from_secs(3), seed.millis(50..=400));
    world.window("CLIENT KILL in a loop", FaultKind::Flaky, None, |world| {
        let server = world.deployment.server()?;
        keep_doing(time, every, || {
            server
                .command(&["CLIENT", "KILL", "TYPE", "normal"])
                .map(drop)
        })
    })?;
    Ok(Made::now())
}

/// The server takes requests and answers them later.
fn client_pause(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(500..=3_500);
    let what = *seed.pick(&["ALL", "WRITE"]);
    let server = world.deployment.server()?;
    server.command(&["CLIENT", "PAUSE", &time.as_millis().to_string(), what])?;
    // Sentinels and other servers are not answered either: they may fail over.
    let kind = match world.deployment {
        Deployment::One(..) => FaultKind::Other,
        _ => FaultKind::SplitBrain,
    };
    world.window("CLIENT PAUSE", kind, None, |_| {
        last(time);
        Ok(())
    })?;
    Ok(Made::now())
}
