//! Faults of the network between nodes and store: delays, losses, half-open connections, partitions.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;
use test_support::FaultProxy;

use super::{Fault, Heals, Made, ONE, ONE_SERVER, PROXIED, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{LEASE, SLOW, STEADY, Strike, World, now_us};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "slow-replies",
        family: "slow network",
        on: PROXIED,
        heals: Heals::Reached,
        make: slow,
    },
    Fault {
        name: "lost-replies",
        family: "lossy network",
        on: PROXIED,
        heals: Heals::Reached,
        make: lost_replies,
    },
    Fault {
        name: "lost-requests",
        family: "lossy network",
        on: PROXIED,
        heals: Heals::Reached,
        make: lost_requests,
    },
    Fault {
        name: "claim-answer-cut",
        family: "lossy network",
        on: ONE,
        heals: Heals::Reached,
        make: claim_answer_cut,
    },
    Fault {
        name: "late-requests",
        family: "lossy network",
        on: PROXIED,
        heals: Heals::Reached,
        make: late_requests,
    },
    Fault {
        name: "late-replies",
        family: "slow network",
        on: PROXIED,
        heals: Heals::Reached,
        make: late_replies,
    },
    Fault {
        name: "half-open",
        family: "partition",
        on: ONE_SERVER,
        heals: Heals::Reached,
        make: half_open,
    },
    Fault {
        name: "churn",
        family: "lossy network",
        on: PROXIED,
        heals: Heals::Reached,
        make: churn,
    },
    Fault {
        name: "partition-one",
        family: "partition",
        on: ONE_SERVER,
        heals: Heals::AtOnce,
        make: partition_one,
    },
    Fault {
        name: "partition-all",
        family: "partition",
        on: ONE_SERVER,
        heals: Heals::Reached,
        make: partition_all,
    },
];

/// Each answer takes 50 ms to 2 s.
fn slow(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let least = seed.millis(50..=300);
    let most = least + seed.millis(100..=1_700);
    each(world, |proxy| proxy.delay_replies(least, most));
    during(
        world,
        "slow answers",
        FaultKind::Other,
        seed.millis(3_000..=6_000),
    )
}

/// Requests are carried out, and their replies are lost.
fn lost_replies(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    each(world, FaultProxy::lose_replies);
    during(
        world,
        "replies lost",
        FaultKind::Isolated,
        LEASE + seed.millis(500..=2_000),
    )
}

/// Requests get lost on open connections.
fn lost_requests(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    each(world, FaultProxy::lose_requests);
    during(
        world,
        "requests lost",
        FaultKind::Isolated,
        LEASE + seed.millis(500..=2_000),
    )
}

/// A connection breaks just when a claim was granted and the answer is under
/// way: the claim is repeated, and must be granted again. Some times in a row.
fn claim_answer_cut(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let what = "answers to claims cut off";
    world.window(what, FaultKind::Flaky, None, |world| {
        for _ in 0..5 {
            world.at_grant("medium", Strike::Cut)?;
        }
        Ok(())
    })?;
    Ok(Made::now())
}

/// Requests arrive after the end of their validity. The tick that came due meanwhile runs under a new claim, because
/// the verdict on the claim that arrived late is *late*.
fn late_requests(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let last_one = world.wait_for_start_of(SLOW)?;
    let every = world.every(SLOW);
    let due_us = last_one.boot_us + every.as_micros() as u64;
    world.wait("the slow job is nearly due", |_| {
        now_us() + 500_000 > due_us
    })?;
    each(world, FaultProxy::hold_requests);
    let time = LEASE + seed.millis(500..=2_500);
    let made = during(world, "requests held", FaultKind::Isolated, time)?;
    Ok(Made {
        runs: Some((SLOW, last_one.tick_ms + every.as_millis() as i64)),
        ..made
    })
}

/// Replies take nearly as long as a renewal waits for one, and then no request arrives. A late reply proves the lease
/// only from the sending of its request.
fn late_replies(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let time = LEASE * 22 / 100;
    world.wait_for_start_of(STEADY)?;
    each(world, |proxy| proxy.delay_replies(time, time));
    last(LEASE / 2);
    each(world, FaultProxy::lose_requests);
    during(
        world,
        "late replies, then none",
        FaultKind::Isolated,
        LEASE * 2,
    )
}

/// Connections are there and lead nowhere, old ones and new ones.
fn half_open(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    each(world, |proxy| {
        proxy.lose_requests();
        proxy.black_hole();
    });
    during(
        world,
        "half-open",
        FaultKind::Isolated,
        LEASE + seed.millis(500..=2_000),
    )
}

/// No connection lives long.
fn churn(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let age = seed.millis(30..=300);
    each(world, |proxy| proxy.churn(age));
    during(world, "churn", FaultKind::Other, seed.millis(3_000..=5_000))
}

/// One node, in the midst of a run, does not reach the store.
fn partition_one(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let run = world.wait_for_start_of(STEADY)?;
    let proxy = &world.proxies[&run.node];
    proxy.refuse()?;
    proxy.cut();
    let time = LEASE + seed.millis(500..=2_000);
    world.window("cut off", FaultKind::Isolated, Some(&run.node), |_| {
        last(time);
        Ok(())
    })?;
    world.proxies[&run.node].heal()?;
    Ok(Made::now())
}

/// No node reaches the store.
fn partition_all(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    for proxy in world.proxies.values() {
        proxy.refuse()?;
        proxy.cut();
    }
    during(
        world,
        "cut off",
        FaultKind::Isolated,
        seed.millis(200..=4_000),
    )
}

fn each(world: &World, set: impl Fn(&FaultProxy)) {
    world.all_proxies().for_each(set);
}

fn during(world: &mut World, what: &str, kind: FaultKind, time: Duration) -> io::Result<Made> {
    world.window(what, kind, None, |_| {
        last(time);
        Ok(())
    })?;
    for proxy in world.all_proxies() {
        proxy.heal()?;
    }
    Ok(Made::now())
}
