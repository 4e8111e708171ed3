//! Failovers by Sentinel.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{Fault, Heals, Made, SENTINEL, last};
use crate::chaos::deployment::Deployment;
use crate::chaos::seed::Seed;
use crate::chaos::world::{World, now_us};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "sentinel-failover",
        family: "failover",
        on: SENTINEL,
        heals: Heals::Quarantined,
        make: by_command,
    },
    Fault {
        name: "sentinel-kill-primary",
        family: "failover",
        on: SENTINEL,
        heals: Heals::Quarantined,
        make: by_kill,
    },
    Fault {
        name: "sentinel-lost-writes",
        family: "failover that loses writes",
        on: SENTINEL,
        heals: Heals::Quarantined,
        make: losing_writes,
    },
    Fault {
        name: "sentinel-old-primary-returns",
        family: "two primaries",
        on: SENTINEL,
        heals: Heals::Quarantined,
        make: old_primary_returns,
    },
];

fn sentinel(world: &World) -> io::Result<&test_support::Sentinel> {
    match &world.deployment {
        Deployment::Sentinel(sentinel) => Ok(sentinel),
        _ => Err(io::Error::other("there are no sentinels")),
    }
}

/// SENTINEL FAILOVER, while all are well.
fn by_command(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    world.window("SENTINEL FAILOVER", FaultKind::MemoryLoss, None, |world| {
        sentinel(world)?.failover().map(drop)
    })?;
    Ok(Made::now())
}

/// The primary dies; it comes back later, as a replica.
pub(super) fn by_kill(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    world.window(
        "the primary is dead",
        FaultKind::MemoryLoss,
        None,
        |world| {
            let sentinel = sentinel(world)?;
            let old = sentinel.primary()?;
            old.kill()?;
            sentinel.wait_for_failover(old).map(drop)
        },
    )?;
    Ok(Made::now())
}

/// The replicas lag behind when the primary dies: what it acknowledged last is
/// lost.
fn losing_writes(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(300..=2_500);
    world.window("writes are lost", FaultKind::MemoryLoss, None, |world| {
        let sentinel = sentinel(world)?;
        sentinel.fail_over_losing_writes(|| last(time)).map(drop)
    })?;
    Ok(Made::now())
}

/// The primary hangs until another took its place, and goes on as if nothing
/// had been.
fn old_primary_returns(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let mut healed_us = 0;
    world.window("two primaries", FaultKind::SplitBrain, None, |world| {
        let sentinel = sentinel(world)?;
        let old = sentinel.primary()?;
        old.freeze()?;
        sentinel.wait_for_failover(old)?;
        healed_us = now_us();
        old.thaw()?;
        last(Duration::from_secs(2));
        Ok(())
    })?;
    Ok(Made::at(healed_us))
}
