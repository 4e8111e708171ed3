//! A Redis Cluster of three primaries, which share the hash slots, with a replica each.

mod migration;
mod nodes;
mod options;
mod slots;

use std::io;

pub use migration::SlotMigration;
pub use options::RedisClusterOptions;
pub use slots::key_slot;

use self::nodes::{Node, itself, nodes_of};
use self::slots::SLOTS;
use crate::options::Login;
use crate::settle::{Failover, Info, ensure, ensure_in_sync, isolate, settle};
use crate::{FaultProxy, RedisServer};

/// How many primaries there are at first, and how many replicas.
const PRIMARIES: usize = 3;

/// A real Redis Cluster on loopback: three primaries with a replica each.
///
/// The servers are [`RedisServer`]s: each can be frozen, thawed, killed and restarted by itself.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
    /// By which port each of `servers` is known.
    announced: Vec<u16>,
    proxies: Vec<FaultProxy>,
    login: Option<Login>,
}

impl RedisCluster {
    /// Starts three primaries and three replicas and waits until they have settled.
    ///
    /// # Errors
    ///
    /// See [`RedisClusterOptions::start`].
    pub fn start() -> io::Result<Self> {
        Self::options().start()
    }

    /// Options for a cluster that differs from that of [`start`](Self::start).
    pub fn options() -> RedisClusterOptions {
        RedisClusterOptions::default()
    }

    fn with_options(mut options: RedisClusterOptions) -> io::Result<Self> {
        let mut cluster = Self {
            servers: Vec::new(),
            announced: Vec::new(),
            proxies: Vec::new(),
            login: options.login.clone(),
        };
        for _ in 0..2 * PRIMARIES {
            let server = options.server().start()?;
            let port = options.announce.announce(&server, "cluster")?;
            cluster.servers.push(server);
            cluster.announced.push(port);
        }
        cluster.proxies = options.announce.into_proxies();
        cluster.meet()?;
        cluster.share_slots()?;
        cluster.assign_replicas()?;
        cluster.wait_settled()?;
        Ok(cluster)
    }

    /// Makes all nodes known to all.
    fn meet(&self) -> io::Result<()> {
        let [first, rest @ ..] = &*self.servers else {
            return Ok(());
        };
        for (server, epoch) in self.servers.iter().zip(1_u64..) {
            // Distinct from the start; else the nodes quarrel about it for a while.
            server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])?;
        }
        for server in rest {
            let bus = server.bus_port().to_string();
            let port = server.port().to_string();
            first.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        settle("the nodes know each other", &self.everybody(), || {
            self.servers.iter().try_for_each(|server| {
                let nodes = nodes_of(server)?;
                let met = nodes.iter().filter(|node| !node.is("handshake")).count();
                ensure(met == self.servers.len(), || {
                    format!("node {} has met {met}", server.port())
                })
            })
        })
    }

    fn share_slots(&self) -> io::Result<()> {
        let primaries = PRIMARIES as u16;
        for (server, index) in self.servers.iter().zip(0..primaries) {
            let first = u32::from(SLOTS) * u32::from(index) / u32::from(primaries);
            let end = u32::from(SLOTS) * u32::from(index + 1) / u32::from(primaries);
            // One by one: Redis before 7 takes no ranges.
            let slots: Vec<String> = (first..end).map(|slot| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            server.command(&command)?;
        }
        Ok(())
    }

    fn assign_replicas(&self) -> io::Result<()> {
        let (primaries, replicas) = self.servers.split_at(PRIMARIES);
        for (primary, replica) in primaries.iter().zip(replicas) {
            let id = itself(primary)?.id;
            replica.command(&["CLUSTER", "REPLICATE", &id])?;
        }
        Ok(())
    }

    /// `redis+cluster://[user:pass@]127.0.0.1:p1,127.0.0.1:p2,127.0.0.1:p3`: the first primaries.
    #[must_use]
    pub fn url(&self) -> String {
        let login = Login::in_url(self.login.as_ref());
        let ports = self.announced.iter().take(PRIMARIES);
        let hosts: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+cluster://{login}{}", hosts.join(","))
    }

    /// The nodes, whatever their role; the first three were the first primaries, and each was
    /// followed by the one three places behind it.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The proxy in front of each of [`servers`](Self::servers); none unless it was started with
    /// [`proxied`](RedisClusterOptions::proxied).
    #[must_use]
    pub fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    /// The primary that has this key, as the live nodes say of themselves; where two say so, the one
    /// that says it since later.
    ///
    /// # Errors
    ///
    /// No live node says so.
    pub fn owner_of(&self, key: &str) -> io::Result<&RedisServer> {
        self.owner_of_slot(key_slot(key))
    }

    /// The same by slot.
    ///
    /// # Errors
    ///
    /// As [`owner_of`](Self::owner_of).
    pub fn owner_of_slot(&self, slot: u16) -> io::Result<&RedisServer> {
        let mut owner: Option<(u64, &RedisServer)> = None;
        for server in self.live() {
            let node = itself(server)?;
            let later = owner.is_none_or(|(epoch, _)| node.epoch > epoch);
            if node.is("master") && node.owns(slot) && later {
                owner = Some((node.epoch, server));
            }
        }
        let (_, server) =
            owner.ok_or_else(|| io::Error::other(format!("no live node has slot {slot}")))?;
        Ok(server)
    }

    /// The live replicas of a primary, as they say.
    ///
    /// # Errors
    ///
    /// The primary, or a node that is live, does not answer.
    pub fn replicas_of(&self, primary: &RedisServer) -> io::Result<Vec<&RedisServer>> {
        let id = itself(primary)?.id;
        let mut replicas = Vec::new();
        for server in self.live() {
            if itself(server)?.primary == id {
                replicas.push(server);
            }
        }
        Ok(replicas)
    }

    /// Makes a replica the owner of this key while all are alive (CLUSTER FAILOVER): the old primary
    /// becomes a replica.
    ///
    /// # Errors
    ///
    /// There is no replica, or it does not succeed in time.
    pub fn fail_over(&self, key: &str) -> io::Result<Failover<'_>> {
        let old = self.owner_of(key)?;
        let replicas = self.replicas_of(old)?;
        let new = replicas.first().ok_or_else(|| no_replica(old))?;
        let failover = settle("the failover is done", &self.everybody(), || {
            // Asked again, because an election may fail; the answer to a primary is an error.
            let asked = new.command(&["CLUSTER", "FAILOVER"]);
            let owner = self.owner_of(key)?;
            ensure(owner.port() != old.port(), || {
                format!("{} is still the owner ({asked:?})", old.port())
            })?;
            Ok(Failover { old, new: owner })
        })?;
        Ok(failover)
    }

    /// Waits until another node than `old` has this key and takes writes.
    ///
    /// # Errors
    ///
    /// That does not happen in time.
    pub fn wait_for_failover<'a>(
        &'a self,
        key: &str,
        old: &'a RedisServer,
    ) -> io::Result<Failover<'a>> {
        settle("another node serves", &self.everybody(), || {
            let new = self.owner_of(key)?;
            ensure(new.port() != old.port(), || "it is the same".to_owned())?;
            ensure_state_ok(new)?;
            Ok(Failover { old, new })
        })
    }

    /// A failover after which the writes of `during` to the owner of this key are lost: its replica
    /// is frozen and cut off, `during` runs while the owner goes on and acknowledges, then the owner
    /// is killed, and the replica goes on. The old owner stays dead until it is restarted; it then
    /// becomes a replica.
    ///
    /// # Errors
    ///
    /// There is no replica, or the failover does not happen in time.
    pub fn fail_over_losing_writes(
        &self,
        key: &str,
        during: impl FnOnce(),
    ) -> io::Result<Failover<'_>> {
        let old = self.owner_of(key)?;
        let replicas = self.replicas_of(old)?;
        ensure(!replicas.is_empty(), || no_replica(old).to_string())?;
        isolate(old, &replicas)?;
        during();
        old.kill()?;
        for replica in replicas {
            replica.thaw()?;
        }
        self.wait_for_failover(key, old)
    }

    /// Moves a slot to another primary, step by step; nothing has happened yet when this returns.
    ///
    /// # Errors
    ///
    /// `to` is no primary, or has the slot already, or a live node does not answer.
    pub fn migrate_slot<'a>(
        &'a self,
        slot: u16,
        to: &'a RedisServer,
    ) -> io::Result<SlotMigration<'a>> {
        SlotMigration::new(self, slot, to)
    }

    /// Waits until the live nodes are at rest: all say that the cluster is well, hold no live node
    /// for failing, agree on who is a primary, and all live replicas are in sync.
    ///
    /// # Errors
    ///
    /// That does not happen in time; the error has what is missing and the tails of all logs.
    pub fn wait_settled(&self) -> io::Result<()> {
        settle("the cluster has settled", &self.everybody(), || {
            self.live().try_for_each(|server| {
                ensure_state_ok(server)?;
                self.ensure_agrees(server)?;
                self.ensure_replica_in_sync(server)
            })
        })
    }

    pub(crate) fn announced_port(&self, server: &RedisServer) -> u16 {
        let mut pairs = self.servers.iter().zip(&self.announced);
        let found = pairs.find(|(it, _)| it.port() == server.port());
        found.map_or(server.port(), |(_, announced)| *announced)
    }

    fn everybody(&self) -> Vec<&RedisServer> {
        self.servers.iter().collect()
    }

    fn live(&self) -> impl Iterator<Item = &RedisServer> {
        self.servers.iter().filter(|server| server.is_live())
    }

    /// That what this node thinks of the live ones is what they think of themselves.
    fn ensure_agrees(&self, server: &RedisServer) -> io::Result<()> {
        let known = nodes_of(server)?;
        self.live().try_for_each(|other| {
            let truth = itself(other)?;
            let seen = known.iter().find(|node| node.id == truth.id);
            let agrees = |seen: &Node| {
                let flawed = seen.is("fail") || seen.is("fail?") || seen.is("handshake");
                let same = seen.is("master") == truth.is("master")
                    && seen.primary == truth.primary
                    && seen.epoch == truth.epoch
                    && seen.port == self.announced_port(other);
                same && !flawed
            };
            ensure(seen.is_some_and(agrees), || {
                let (seen, truth) = (seen.map(|node| &node.flags), &truth.flags);
                format!(
                    "node {} sees {} as {seen:?}, which is {truth:?}",
                    server.port(),
                    other.port()
                )
            })
        })
    }

    fn ensure_replica_in_sync(&self, server: &RedisServer) -> io::Result<()> {
        let node = itself(server)?;
        if node.is("master") {
            return Ok(());
        }
        let mut live = self.live();
        let primary = live.find(|it| itself(it).is_ok_and(|it| it.id == node.primary));
        let primary = primary.ok_or_else(|| {
            io::Error::other(format!("replica {} has no live primary", server.port()))
        })?;
        let offset = Info::ask(primary, &["INFO", "replication"])?.number("master_repl_offset")?;
        ensure_in_sync(server, self.announced_port(primary), offset)
    }
}

fn ensure_state_ok(server: &RedisServer) -> io::Result<()> {
    let info = Info::ask(server, &["CLUSTER", "INFO"])?;
    let assigned = info.number("cluster_slots_assigned")?;
    let well = info.get("cluster_state") == "ok" && assigned == u64::from(SLOTS);
    ensure(well, || {
        let state = info.get("cluster_state");
        format!(
            "to node {} the cluster is {state:?}, {assigned} slots",
            server.port()
        )
    })
}

fn no_replica(primary: &RedisServer) -> io::Error {
    io::Error::other(format!("node {} has no live replica", primary.port()))
}
