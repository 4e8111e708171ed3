//! Faults of clocks: wrong clocks of nodes, and clocks that are set while in use.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;
use test_support::ClockShim;

use super::{Fault, Heals, Made, ONE, SERVER, keep_doing, last};
use crate::chaos::deployment::Deployment;
use crate::chaos::seed::Seed;
use crate::chaos::world::{LEASE, STEADY, World};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "node-clocks",
        family: "node clocks",
        on: SERVER,
        heals: Heals::AtOnce,
        make: node_clocks,
    },
    Fault {
        name: "redis-clock-30s-ahead",
        family: "store clock",
        on: ONE,
        heals: Heals::Quarantined,
        make: ahead_30_s,
    },
    Fault {
        name: "redis-clock-1h-ahead",
        family: "store clock",
        on: ONE,
        heals: Heals::Quarantined,
        make: ahead_1_h,
    },
    Fault {
        name: "redis-clock-fast",
        family: "store clock",
        on: ONE,
        heals: Heals::AtOnce,
        make: fast,
    },
    Fault {
        name: "redis-clock-30s-back",
        family: "store clock",
        on: ONE,
        heals: Heals::Quarantined,
        make: back_30_s,
    },
    Fault {
        name: "redis-clock-1h-back",
        family: "store clock",
        on: ONE,
        heals: Heals::Quarantined,
        make: back_1_h,
    },
];

const HOUR: Duration = Duration::from_secs(3_600);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// The wall clocks of the nodes are wrong by hours, and jump.
fn node_clocks(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(300..=1_000);
    world.window("wall clocks jump", FaultKind::Other, None, |world| {
        for _ in 0..5 {
            for clock in world.clocks.values() {
                let by_us = seed.within(0..=6 * HOUR.as_micros() as u64) as i64;
                clock.set_us(by_us - 3 * HOUR.as_micros() as i64)?;
            }
            last(time);
        }
        Ok(())
    })?;
    Ok(Made::now())
}

/// The store's clock is set forward, and stays so.
fn ahead_30_s(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    ahead(world, HALF_A_MINUTE)
}

fn ahead_1_h(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    ahead(world, HOUR)
}

fn ahead(world: &mut World, by: Duration) -> io::Result<Made> {
    let clock = clock_of(world)?;
    clock.set_us(clock.offset_us() + by.as_micros() as i64)?;
    world.note("the store's clock jumps ahead", FaultKind::Other, None);
    Ok(Made::now())
}

/// The store's clock goes nearly twice as fast, too little at a time for a jump,
/// while a node is cut off in the midst of a run: its lease ends long before
/// the node may have stopped.
fn fast(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    const STEP: Duration = Duration::from_millis(50);
    const FASTER_US: i64 = 45_000;
    let clock = clock_of(world)?;
    let run = world.wait_for_start_of(STEADY)?;
    let proxy = &world.proxies[&run.node];
    proxy.refuse()?;
    proxy.cut();
    world.window(
        "cut off, fast clock",
        FaultKind::Isolated,
        Some(&run.node),
        |_| {
            keep_doing(LEASE * 2, STEP, || {
                clock.set_us(clock.offset_us() + FASTER_US)
            })
        },
    )?;
    world.proxies[&run.node].heal()?;
    Ok(Made::now())
}

/// The store's clock is set back for a while: ticks that were decided come
/// again, and none of them may run.
fn back_30_s(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    back(world, HALF_A_MINUTE)
}

fn back_1_h(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    back(world, HOUR)
}

fn back(world: &mut World, by: Duration) -> io::Result<Made> {
    let clock = clock_of(world)?;
    let right_us = clock.offset_us();
    clock.set_us(right_us - by.as_micros() as i64)?;
    world.window("the store's clock is back", FaultKind::Other, None, |_| {
        last(LEASE * 2);
        Ok(())
    })?;
    clock_of(world)?.set_us(right_us)?;
    Ok(Made::now())
}

fn clock_of(world: &World) -> io::Result<ClockShim> {
    match &world.deployment {
        Deployment::One(_, clock) => Ok(clock.clone()),
        _ => Err(io::Error::other("several servers have several clocks")),
    }
}
