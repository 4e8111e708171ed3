//! Redis Cluster: failovers, moving slots, minorities.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;
use test_support::{RedisCluster, key_slot};

use super::{CLUSTER, Fault, Heals, Made, last};
use crate::chaos::deployment::{Deployment, meta_key};
use crate::chaos::seed::Seed;
use crate::chaos::world::{LEASE, World, now_us};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "cluster-failover",
        family: "failover",
        on: CLUSTER,
        heals: Heals::Quarantined,
        make: by_command,
    },
    Fault {
        name: "cluster-kill-primary",
        family: "failover",
        on: CLUSTER,
        heals: Heals::Quarantined,
        make: by_kill,
    },
    Fault {
        name: "cluster-lost-writes",
        family: "failover that loses writes",
        on: CLUSTER,
        heals: Heals::Quarantined,
        make: losing_writes,
    },
    Fault {
        name: "cluster-slot-moves",
        family: "slot migration",
        on: CLUSTER,
        heals: Heals::Quarantined,
        make: slot_moves,
    },
    Fault {
        name: "cluster-minority",
        family: "minority",
        on: CLUSTER,
        heals: Heals::Quarantined,
        make: minority,
    },
    Fault {
        name: "cluster-old-primary-returns",
        family: "two primaries",
        on: CLUSTER,
        heals: Heals::Quarantined,
        make: old_primary_returns,
    },
];

fn cluster(world: &World) -> io::Result<&RedisCluster> {
    match &world.deployment {
        Deployment::Cluster(cluster) => Ok(cluster),
        _ => Err(io::Error::other("there is no cluster")),
    }
}

/// CLUSTER FAILOVER, while all are well.
fn by_command(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    world.window("CLUSTER FAILOVER", FaultKind::Other, None, |world| {
        cluster(world)?.fail_over(&meta_key()).map(drop)
    })?;
    Ok(Made::now())
}

/// The owner of the namespace dies.
fn by_kill(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    world.window("the owner is dead", FaultKind::MemoryLoss, None, |world| {
        let cluster = cluster(world)?;
        let old = cluster.owner_of(&meta_key())?;
        old.kill()?;
        cluster.wait_for_failover(&meta_key(), old).map(drop)
    })?;
    Ok(Made::now())
}

/// Its replica lags behind when it dies.
fn losing_writes(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(300..=1_200);
    world.window("writes are lost", FaultKind::MemoryLoss, None, |world| {
        let cluster = cluster(world)?;
        let lost = cluster.fail_over_losing_writes(&meta_key(), || last(time));
        lost.map(drop)
    })?;
    Ok(Made::now())
}

/// The namespace's slot moves to another primary, key by key.
fn slot_moves(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let (keys, pause) = (seed.within(1..=5) as usize, seed.millis(50..=500));
    world.window("the slot moves", FaultKind::Other, None, |world| {
        let cluster = cluster(world)?;
        let slot = key_slot(&meta_key());
        let old = cluster.owner_of_slot(slot)?.port();
        let mut others = Vec::new();
        for server in cluster.servers() {
            let role = server.command(&["ROLE"])?;
            if server.port() != old && role.starts_with("master") {
                others.push(server);
            }
        }
        let to = *others.first().ok_or(io::ErrorKind::NotFound)?;
        let moving = cluster.migrate_slot(slot, to)?;
        moving.begin()?;
        last(pause);
        moving.move_keys(keys)?;
        last(pause);
        moving.finish()
    })?;
    Ok(Made::now())
}

/// The owner is alone with the nodes: all others hang. It must stop serving
/// when it has noticed.
fn minority(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = LEASE * 2 + seed.millis(500..=2_000);
    world.window(
        "the owner is in a minority",
        FaultKind::Other,
        None,
        |world| {
            let cluster = cluster(world)?;
            let owner = cluster.owner_of(&meta_key())?.port();
            let others = cluster.servers().iter().filter(|it| it.port() != owner);
            for server in others {
                server.freeze()?;
            }
            last(time);
            Ok(())
        },
    )?;
    world.deployment.mend()?;
    Ok(Made::now())
}

/// The owner hangs until another took its place, and goes on as if nothing had
/// been.
fn old_primary_returns(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let mut healed_us = 0;
    world.window("two primaries", FaultKind::SplitBrain, None, |world| {
        let cluster = cluster(world)?;
        let old = cluster.owner_of(&meta_key())?;
        old.freeze()?;
        cluster.wait_for_failover(&meta_key(), old)?;
        healed_us = now_us();
        old.thaw()?;
        last(Duration::from_secs(2));
        Ok(())
    })?;
    Ok(Made::at(healed_us))
}
