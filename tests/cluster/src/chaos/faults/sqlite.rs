//! Faults of a file of SQLite. Those of its processes are in `nodes`.

use std::io;

use scheduled_one_testkit::checker::FaultKind;

use super::{Fault, Heals, Made, last};
use crate::chaos::deployment::{Deployment, Kind};
use crate::chaos::seed::Seed;
use crate::chaos::sqlite::SqliteFile;
use crate::chaos::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "sqlite-disk-full",
        family: "disk",
        on: SQLITE,
        heals: Heals::Reached,
        make: disk_full,
    },
    Fault {
        name: "sqlite-file-removed",
        family: "store forgets",
        on: SQLITE,
        heals: Heals::Quarantined,
        make: remove,
    },
    Fault {
        name: "sqlite-kill-all",
        family: "store death",
        on: SQLITE,
        heals: Heals::AtOnce,
        make: kill_all,
    },
];

const SQLITE: &[Kind] = &[Kind::Sqlite];

fn file(world: &World) -> io::Result<&SqliteFile> {
    match &world.deployment {
        Deployment::Sqlite(file) => Ok(file),
        _ => Err(io::Error::other("there is no file of SQLite")),
    }
}

/// Neither the file nor its log can grow: `ENOSPC`.
fn disk_full(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(2_500..=5_000);
    file(world)?.disk.fill()?;
    world.window("the disk is full", FaultKind::Other, None, |_| {
        last(time);
        Ok(())
    })?;
    file(world)?.disk.empty()?;
    Ok(Made::now())
}

/// Somebody removes the file while all processes use it: alone, or with those next to it, in any order.
pub(super) fn remove(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.note("the file is removed", FaultKind::MemoryLoss, None);
    let mut ends = ["", "-wal", "-shm"];
    let count = *seed.pick(&[1, 3]);
    seed.shuffle(&mut ends[..count]);
    for end in &ends[..count] {
        file(world)?.remove(end)?;
    }
    Ok(Made::now())
}

/// All processes die in the midst of what they do, and others start at once: what was decided is in the file.
fn kill_all(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    world.note("all are killed", FaultKind::Killed, None);
    world.nodes.iter_mut().for_each(|node| node.kill());
    while !world.nodes.is_empty() {
        world.bury(0);
    }
    world.replace_dead_nodes()?;
    Ok(Made::now())
}
