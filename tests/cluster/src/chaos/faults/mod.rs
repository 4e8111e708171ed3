//! All faults, by family. A fault changes the world, waits, and undoes the change; after it the cluster should recover.

mod access;
mod clocks;
mod cluster;
mod control;
mod downtime;
mod forgets;
mod membership;
mod network;
mod nodes;
mod postgres;
mod releases;
mod sentinel;
mod server;
mod sqlite;
mod standby;
mod store;

use std::io;
use std::thread;
use std::time::Duration;

use super::deployment::Kind;
use super::seed::Seed;
use super::world::{LEASE, World, now_us};

/// A fault by name.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What plans and reports call it.
    pub name: &'static str,
    /// What it is like; a short plan has one of each.
    pub family: &'static str,
    /// Where it can be made.
    pub on: &'static [Kind],
    /// How soon ticks are promised to start again.
    pub heals: Heals,
    make: Make,
}

type Make = fn(&mut World, &mut Seed) -> io::Result<Made>;

/// The promise L of `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heals {
    /// Others go on at once.
    AtOnce,
    /// The way is free again.
    Reached,
    /// The store may have forgotten: nodes reconnect, and a quarantine passes.
    Quarantined,
}

impl Heals {
    /// How long after the fault the next due tick starts, at most.
    pub fn within(self) -> Duration {
        const SECOND: Duration = Duration::from_secs(1);
        match self {
            Heals::AtOnce | Heals::Reached => SECOND,
            // Reconnect (back-off and a connection attempt), quarantine, and 1 s.
            Heals::Quarantined => SECOND * 2 + (LEASE + SECOND) + SECOND,
        }
    }
}

/// What came of making a fault.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// When it was undone, by the boot clock.
    pub healed_us: u64,
    /// A tick of a job that came due meanwhile, and is to run now.
    pub runs: Option<(&'static str, i64)>,
    /// The job and token of a run that must not start any more.
    pub starts_not: Option<(&'static str, u64)>,
    /// A job that stands still for so long, and then starts.
    pub stands_still: Option<(&'static str, Duration)>,
}

impl Made {
    fn now() -> Self {
        Made::at(now_us())
    }

    fn at(healed_us: u64) -> Self {
        Made {
            healed_us,
            runs: None,
            starts_not: None,
            stands_still: None,
        }
    }
}

impl Fault {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// It cannot be made, or the world does not do what it must.
    pub fn make(&self, world: &mut World, seed: &mut Seed) -> io::Result<Made> {
        (self.make)(world, seed)
    }
}

/// All of them, in the order of their families.
pub fn all() -> Vec<Fault> {
    [
        nodes::FAULTS,
        membership::FAULTS,
        store::FAULTS,
        server::FAULTS,
        network::FAULTS,
        access::FAULTS,
        sentinel::FAULTS,
        cluster::FAULTS,
        clocks::FAULTS,
        control::FAULTS,
        downtime::FAULTS,
        releases::FAULTS,
        forgets::FAULTS,
        postgres::FAULTS,
        standby::FAULTS,
        sqlite::FAULTS,
    ]
    .concat()
}

/// Lets a fault last. Not a wait for something to happen: how long it lasts is
/// what it is.
fn last(time: Duration) {
    thread::sleep(time);
}

/// Does something again and again while a fault lasts. That it fails now and
/// then is a part of it; that it never succeeds is none.
fn keep_doing(
    time: Duration,
    every: Duration,
    mut what: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let until_us = now_us() + time.as_micros() as u64;
    let mut result = what();
    while now_us() < until_us {
        thread::sleep(every);
        result = result.or(what());
    }
    result
}

/// One Redis.
const ONE: &[Kind] = &[Kind::Alone, Kind::Aof];
/// One server, with a proxy for each node.
const ONE_SERVER: &[Kind] = &[Kind::Alone, Kind::Aof, Kind::Postgres];
const SENTINEL: &[Kind] = &[Kind::Sentinel, Kind::SentinelMin, Kind::SentinelWait];
const CLUSTER: &[Kind] = &[Kind::Cluster];
const POSTGRES: &[Kind] = &[Kind::Postgres, Kind::PostgresSync, Kind::PostgresAsync];
const STANDBY: &[Kind] = &[Kind::PostgresSync, Kind::PostgresAsync];
/// Any Redis.
const REDIS: &[Kind] = &[
    Kind::Alone,
    Kind::Aof,
    Kind::Sentinel,
    Kind::SentinelMin,
    Kind::SentinelWait,
    Kind::Cluster,
];
/// Behind proxies.
const PROXIED: &[Kind] = &[
    Kind::Alone,
    Kind::Aof,
    Kind::Sentinel,
    Kind::SentinelMin,
    Kind::SentinelWait,
    Kind::Cluster,
    Kind::Postgres,
];
/// A server, whose clock is not that of the nodes.
const SERVER: &[Kind] = &[
    Kind::Alone,
    Kind::Aof,
    Kind::Sentinel,
    Kind::SentinelMin,
    Kind::SentinelWait,
    Kind::Cluster,
    Kind::Postgres,
    Kind::PostgresSync,
    Kind::PostgresAsync,
];
const ANY: &[Kind] = &Kind::ALL;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_each_can_be_made_somewhere() {
        let mut names = HashSet::new();
        for fault in all() {
            assert!(names.insert(fault.name), "{} is there twice", fault.name);
            assert!(!fault.on.is_empty(), "{}", fault.name);
        }
    }
}
