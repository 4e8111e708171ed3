//! The migration of a hash slot from one primary to another, step by step.

use std::io;

use super::RedisCluster;
use super::nodes::itself;
use super::slots::SLOTS;
use crate::RedisServer;
use crate::options::Login;
use crate::settle::{ensure, settle};

/// How long MIGRATE may take, in ms.
const MIGRATE_MS: &str = "4000";

/// A slot that changes its owner; made by [`RedisCluster::migrate_slot`]. Nothing happens but in its
/// steps, so a test can act in between: before `begin`, while some keys have moved (clients meet
/// `ASK` and `TRYAGAIN`), before `finish`.
#[derive(Debug)]
pub struct SlotMigration<'a> {
    cluster: &'a RedisCluster,
    slot: u16,
    from: &'a RedisServer,
    to: &'a RedisServer,
}

impl<'a> SlotMigration<'a> {
    pub(super) fn new(
        cluster: &'a RedisCluster,
        slot: u16,
        to: &'a RedisServer,
    ) -> io::Result<Self> {
        let from = cluster.owner_of_slot(slot)?;
        ensure(slot < SLOTS, || format!("there is no slot {slot}"))?;
        ensure(itself(to)?.is("master"), || {
            format!("node {} is not a primary", to.port())
        })?;
        ensure(from.port() != to.port(), || {
            format!("slot {slot} is already on {}", to.port())
        })?;
        Ok(Self {
            cluster,
            slot,
            from,
            to,
        })
    }

    /// The owner until [`finish`](Self::finish).
    #[must_use]
    pub fn from(&self) -> &'a RedisServer {
        self.from
    }

    /// The owner from then on.
    #[must_use]
    pub fn to(&self) -> &'a RedisServer {
        self.to
    }

    /// From now on the old owner sends clients on with `ASK` for keys that it does not have.
    ///
    /// # Errors
    ///
    /// A node refuses or does not answer.
    pub fn begin(&self) -> io::Result<()> {
        self.set_slot(self.to, &["IMPORTING", &itself(self.from)?.id])?;
        self.set_slot(self.from, &["MIGRATING", &itself(self.to)?.id])
    }

    /// Moves at most so many keys, and says how many it moved: 0 when none is left.
    ///
    /// # Errors
    ///
    /// A node refuses or does not answer.
    pub fn move_keys(&self, most: usize) -> io::Result<usize> {
        let (slot, most) = (self.slot.to_string(), most.to_string());
        let answer = self
            .from
            .command(&["CLUSTER", "GETKEYSINSLOT", &slot, &most])?;
        let keys: Vec<&str> = answer.lines().collect();
        if keys.is_empty() {
            return Ok(0);
        }
        // Not the port it is known by: a proxy in between is for clients to suffer from.
        let port = self.to.port().to_string();
        let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MIGRATE_MS];
        match &self.cluster.login {
            None => {}
            Some(Login {
                user: None,
                password,
            }) => command.extend(["AUTH", password]),
            Some(Login {
                user: Some(user),
                password,
            }) => command.extend(["AUTH2", user, password]),
        }
        command.push("KEYS");
        command.extend(&keys);
        self.from.command(&command)?;
        Ok(keys.len())
    }

    /// Moves what is left and makes the new owner known to all primaries.
    ///
    /// # Errors
    ///
    /// A node refuses or does not answer, or the nodes do not agree in time.
    pub fn finish(&self) -> io::Result<()> {
        while self.move_keys(100)? > 0 {}
        let new = itself(self.to)?.id;
        // The new owner takes the hash slot first: otherwise no node would serve the slot between the two steps.
        self.set_slot(self.to, &["NODE", &new])?;
        self.set_slot(self.from, &["NODE", &new])?;
        for server in self.cluster.servers().iter().filter(|it| it.is_live()) {
            if itself(server)?.is("master") {
                self.set_slot(server, &["NODE", &new])?;
            }
        }
        let servers: Vec<&RedisServer> = self.cluster.servers().iter().collect();
        settle("the slot has its new owner", &servers, || {
            let owner = self.cluster.owner_of_slot(self.slot)?.port();
            ensure(owner == self.to.port(), || format!("{owner} has it"))
        })
    }

    fn set_slot(&self, server: &RedisServer, how: &[&str]) -> io::Result<()> {
        let slot = self.slot.to_string();
        let mut command = vec!["CLUSTER", "SETSLOT", &slot];
        command.extend(how);
        server.command(&command).map(drop)
    }
}
