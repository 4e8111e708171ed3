//! Failovers of PostgreSQL to its standby.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::postgres::postgres;
use super::{Fault, Heals, Made, STANDBY, last};
use crate::chaos::deployment::Kind;
use crate::chaos::seed::Seed;
use crate::chaos::world::{World, now_us};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "standby-promoted",
        family: "failover",
        on: STANDBY,
        heals: Heals::Quarantined,
        make: promote,
    },
    Fault {
        name: "standby-lacks-writes",
        family: "failover that loses writes",
        on: STANDBY,
        heals: Heals::Quarantined,
        make: losing_writes,
    },
    Fault {
        name: "standby-old-primary-returns",
        family: "two primaries",
        on: STANDBY,
        heals: Heals::Quarantined,
        make: old_primary_returns,
    },
    Fault {
        name: "standby-frozen",
        family: "store freeze",
        on: &[Kind::PostgresSync],
        heals: Heals::Reached,
        make: freeze,
    },
];

/// What a failover may cost: nothing, if the standby is synchronous.
fn loss(world: &World) -> io::Result<FaultKind> {
    Ok(match postgres(world)?.is_synchronous() {
        true => FaultKind::Other,
        false => FaultKind::MemoryLoss,
    })
}

/// The primary dies, and the standby takes its place. Then a new standby follows it.
pub(super) fn promote(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let kind = loss(world)?;
    world.window("the primary is dead", kind, None, |world| {
        let postgres = postgres(world)?;
        postgres.primary().kill()?;
        postgres.promote()
    })?;
    Ok(Made::now())
}

/// The standby hangs for a while when the primary dies. What was acknowledged last is lost; with a synchronous standby,
/// nothing is acknowledged meanwhile.
fn losing_writes(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let (time, kind) = (seed.millis(300..=2_500), loss(world)?);
    world.window("writes are lost", kind, None, |world| {
        let postgres = postgres(world)?;
        postgres.standby()?.freeze()?;
        last(time);
        postgres.primary().kill()?;
        postgres.standby()?.thaw()?;
        postgres.promote()
    })?;
    Ok(Made::now())
}

/// The primary hangs until the standby took its place, and goes on. One that waits for a standby, which has left it,
/// acknowledges nothing. Another one has to be fenced, as PostgreSQL says: it comes back as a standby.
fn old_primary_returns(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let mut healed_us = 0;
    let kind = match postgres(world)?.is_synchronous() {
        true => FaultKind::SplitBrain,
        false => FaultKind::MemoryLoss,
    };
    world.window("the old primary returns", kind, None, |world| {
        let postgres = postgres(world)?;
        postgres.primary().freeze()?;
        postgres.promote()?;
        healed_us = now_us();
        if postgres.is_synchronous() {
            postgres.standby()?.thaw()?;
            last(Duration::from_secs(2));
        }
        postgres.mend()
    })?;
    Ok(Made::at(healed_us))
}

/// The synchronous standby hangs: no commit is acknowledged.
fn freeze(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(1_000..=4_000);
    postgres(world)?.standby()?.freeze()?;
    world.window("the standby hangs", FaultKind::Isolated, None, |_| {
        last(time);
        Ok(())
    })?;
    postgres(world)?.standby()?.thaw()?;
    Ok(Made::now())
}
