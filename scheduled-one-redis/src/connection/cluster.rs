//! Finds the node of a Redis Cluster that owns the namespace's hash slot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisError, Value, cmd};
use scheduled_one_protocol::StoreError;
use tokio::time::{Instant, timeout_at};

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::dial::Dialer;
use crate::connection::hash_slot::hash_slot;
use crate::connection::route::{Reached, Redirect, is_redirect};
use crate::connection::session::PooledSession;
use crate::connection::{Commands, Replies};
use crate::topology::{Endpoint, list};

/// Longest time for one node: connecting, and the reply to `CLUSTER SLOTS`.
const REPLY_TIMEOUT: Duration = Duration::from_millis(450);

/// Most nodes that are remembered in addition to those of the URL.
const MAX_KNOWN: usize = 64;

/// What to do if the certificate of a node is not for the address that another node names.
const NAMES: &str = "the nodes of a cluster name IP addresses unless they are configured for host names: set \
     `cluster-announce-hostname` on each node to a name that its certificate is for, and \
     `cluster-preferred-endpoint-type hostname`";

/// The nodes of a Redis Cluster, and the owner of one hash slot among them.
pub(super) struct Cluster {
    pub(super) dialer: Dialer,
    slot: u16,
    seeds: Vec<Endpoint>,
    /// Nodes in the last reply: those of the URL may be gone.
    known: Mutex<Known>,
    /// Owner of the hash slot, from the last `MOVED` reply.
    moved: Mutex<Option<Endpoint>>,
    /// Index of the node that is queried first. It moves on each time, because a node that is cut off from the others
    /// repeats outdated owners.
    turn: AtomicUsize,
}

/// The nodes that one node has named.
#[derive(Clone, Default)]
struct Known {
    /// The node that replied.
    by: Option<Endpoint>,
    nodes: Vec<Endpoint>,
}

impl Cluster {
    pub(super) fn new(dialer: Dialer, seeds: Vec<Endpoint>, key: &str) -> Self {
        Cluster {
            dialer,
            slot: hash_slot(key),
            seeds,
            known: Mutex::default(),
            moved: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Connects to the owner of the hash slot: as the last `MOVED` reply has it, or as the first node replies that
    /// can be reached. No node is queried after `deadline`.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Reached, RedisFailure> {
        let until = || deadline.min(Instant::now() + REPLY_TIMEOUT);
        let moved = lock(&self.moved).take();
        if let Some(endpoint) = moved
            && let Ok(connection) = self.dialer.dial(&endpoint, until()).await
        {
            return Ok(Reached {
                connection,
                endpoint,
            });
        }
        let known = lock(&self.known).clone();
        let mut failures = Vec::new();
        let mut tried: Vec<Endpoint> = Vec::new();
        for queried in self.nodes(&known) {
            if !failures.is_empty() && Instant::now() >= deadline {
                break;
            }
            let (connection, owner) = match self.owner_by(&queried, until()).await {
                Ok(found) => found,
                Err(failure) => {
                    failures.push(match &known.by {
                        Some(by) if !self.seeds.contains(&queried) => {
                            failure.named(&queried, format!("by the node {by}"), NAMES)
                        }
                        _ => failure,
                    });
                    continue;
                }
            };
            if tried.contains(&owner) {
                continue;
            }
            let reached = match owner == queried {
                true => Ok(connection),
                false => {
                    // The connection served its purpose and is not reused.
                    drop(PooledSession::take(connection));
                    self.dialer.dial(&owner, until()).await
                }
            };
            match reached {
                Ok(connection) => {
                    return Ok(Reached {
                        connection,
                        endpoint: owner,
                    });
                }
                Err(failure) => {
                    let slot = self.slot;
                    let by = format!("by the node {queried} as the owner of hash slot {slot}");
                    failures.push(failure.named(&owner, by, NAMES));
                }
            }
            tried.push(owner);
        }
        Err(self.worst(failures))
    }

    /// Queries one node for the owner of the hash slot. Returns the connection to the queried node, and the owner.
    async fn owner_by(
        &self,
        queried: &Endpoint,
        deadline: Instant,
    ) -> Result<(PooledSession, Endpoint), RedisFailure> {
        let mut connection = self.dialer.dial(queried, deadline).await?;
        let mut command = cmd("CLUSTER");
        command.arg("SLOTS");
        let ranges = command.query_async::<Vec<Value>>(&mut **connection);
        let ranges = match timeout_at(deadline, ranges).await {
            Ok(Ok(ranges)) => ranges,
            Ok(Err(error)) if error.code().is_none() => {
                return Err(self.dialer.not_connected(queried, &error).await);
            }
            Ok(Err(error)) => return Err(of_cluster_slots(queried, &error)),
            Err(_) => {
                drop(PooledSession::take(connection));
                let text = format!("{queried}: it did not answer CLUSTER SLOTS in time");
                return Err(RedisFailure::unavailable(FailureKind::NoReply, text));
            }
        };
        let ranges: Vec<SlotRange> = ranges
            .iter()
            .filter_map(|range| SlotRange::read(range, queried))
            .collect();
        let nodes = ranges.iter().flat_map(|range| &range.nodes);
        let mut known: Vec<Endpoint> = Vec::new();
        for node in nodes.take(MAX_KNOWN) {
            if !known.contains(node) {
                known.push(node.clone());
            }
        }
        *lock(&self.known) = Known {
            by: Some(queried.clone()),
            nodes: known,
        };
        let range = ranges.into_iter().find(|range| range.contains(self.slot));
        match range.and_then(|range| range.nodes.into_iter().next()) {
            Some(owner) => Ok((connection, owner)),
            None => {
                let text = format!(
                    "{queried}: no node of the cluster serves slot {}",
                    self.slot
                );
                Err(RedisFailure::unavailable(FailureKind::NotNow, text))
            }
        }
    }

    /// All known nodes, beginning with another one each time.
    fn nodes(&self, known: &Known) -> Vec<Endpoint> {
        let mut nodes = known.nodes.clone();
        for seed in &self.seeds {
            if !nodes.contains(seed) {
                nodes.push(seed.clone());
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len();
        nodes.rotate_left(turn);
        nodes
    }

    /// The redirect in an error reply from `from`, if it is one. The owner in a `MOVED` reply is remembered.
    pub(super) fn follow(&self, error: &RedisError, from: &Endpoint) -> Option<Redirect> {
        if !is_redirect(error) {
            return None;
        }
        let (address, _) = error.redirect_node()?;
        let to = read_address(address, from);
        match (error.code(), to) {
            (Some("ASK"), Some(to)) => Some(Redirect::Ask(to)),
            (_, to) => {
                *lock(&self.moved) = to;
                Some(Redirect::Moved)
            }
        }
    }

    /// Sends one request to a node that a hash slot migrates to, as `from` replied. The connection returns to the pool.
    pub(super) async fn send_asking(
        &self,
        to: &Endpoint,
        from: &Endpoint,
        request: Commands<'_>,
    ) -> Result<Replies, RedisFailure> {
        let dialed = self.dialer.dial(to, Instant::now() + REPLY_TIMEOUT).await;
        let mut connection = dialed.map_err(|failure| {
            let by = format!(
                "by the node {from} as the node that hash slot {} migrates to",
                self.slot
            );
            failure.named(to, by, NAMES)
        })?;
        let mut commands = Pipeline::new();
        // `ASKING` applies to the next command only.
        let mut requests: Vec<_> = match request {
            Commands::One(command) => vec![command.clone()],
            Commands::All(commands) => commands.cmd_iter().cloned().collect(),
        };
        for command in requests.drain(..) {
            commands.add_command(cmd("ASKING"));
            commands.add_command(command);
        }
        commands.ignore_errors();
        let replies: Result<Replies, RedisError> = commands.query_async(&mut **connection).await;
        let replies = replies.map_err(|error| {
            let text = to.to_string();
            classify::of_request(&text, &error)
        })?;
        Ok(replies.into_iter().skip(1).step_by(2).collect())
    }

    /// The error to report of several: one that an operator has to correct, otherwise the last.
    fn worst(&self, failures: Vec<RedisFailure>) -> RedisFailure {
        let to_heal = |failure: &&RedisFailure| matches!(failure.error, StoreError::Refused(_));
        let worst = failures.iter().find(to_heal).or(failures.last());
        worst.cloned().unwrap_or_else(|| {
            let text = format!("none of {} leads to the cluster", list(&self.seeds));
            RedisFailure::unavailable(FailureKind::Broken, text)
        })
    }
}

/// A range of hash slots and its nodes, the owner first.
struct SlotRange {
    first: u16,
    last: u16,
    nodes: Vec<Endpoint>,
}

impl SlotRange {
    /// Reads one range of the reply to `CLUSTER SLOTS` of the node at `queried`.
    fn read(line: &Value, queried: &Endpoint) -> Option<Self> {
        let Value::Array(fields) = line else {
            return None;
        };
        let [Value::Int(first), Value::Int(last), nodes @ ..] = &fields[..] else {
            return None;
        };
        // Nodes whose address the queried node does not know are left out.
        let nodes = nodes.iter().filter_map(|node| match node {
            Value::Array(fields) => read_node(fields, queried),
            _ => None,
        });
        Some(SlotRange {
            first: u16::try_from(*first).ok()?,
            last: u16::try_from(*last).ok()?,
            nodes: nodes.collect(),
        })
    }

    fn contains(&self, slot: u16) -> bool {
        (self.first..=self.last).contains(&slot)
    }
}

fn read_node(fields: &[Value], queried: &Endpoint) -> Option<Endpoint> {
    let [host, Value::Int(port), ..] = fields else {
        return None;
    };
    let host = match host {
        // A node without a configured address is reachable where it was queried.
        Value::Nil => "",
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        _ => return None,
    };
    endpoint(host, u16::try_from(*port).ok()?, queried)
}

/// Parses `host:port` of a `MOVED` or `ASK` reply.
fn read_address(address: &str, from: &Endpoint) -> Option<Endpoint> {
    let (host, port) = address.rsplit_once(':')?;
    endpoint(host, port.parse().ok()?, from)
}

/// The address of a node in a reply of the node at `queried`; `None` if the reply does not have it.
fn endpoint(host: &str, port: u16, queried: &Endpoint) -> Option<Endpoint> {
    let host = match host {
        "" => queried.host(),
        // The node announces host names, and this one has none.
        "?" => return None,
        host => host,
    };
    Some(Endpoint::tcp(host, port))
}

/// Classifies an error reply to `CLUSTER SLOTS`, with a remedy where it is known.
fn of_cluster_slots(queried: &Endpoint, error: &RedisError) -> RedisFailure {
    let mut failure = classify::of_connecting(queried, error);
    let detail = error.detail().unwrap_or_default();
    let remedy = if detail.contains("cluster support disabled") {
        "it is not in cluster mode: use redis:// without +cluster"
    } else if classify::is_denial(error.code().unwrap_or_default(), detail) {
        "grant the user +cluster|slots and +asking"
    } else {
        return failure;
    };
    failure.error = StoreError::Refused(format!("{queried}: CLUSTER SLOTS: {detail}; {remedy}"));
    failure
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::tcp(host, port)
    }

    #[test]
    fn a_redirect_without_a_host_means_the_queried_node() {
        let queried = at("10.0.0.1", 7000);
        assert_eq!(read_address(":7001", &queried), Some(at("10.0.0.1", 7001)));
        assert_eq!(read_address("h:7001", &queried), Some(at("h", 7001)));
        assert_eq!(read_address("::1:7001", &queried), Some(at("::1", 7001)));
        assert_eq!(read_address("?:7001", &queried), None);
        assert_eq!(read_address("h:70010", &queried), None);
        assert_eq!(read_address("h", &queried), None);
    }

    #[test]
    fn ranges_are_read_with_their_owner_first() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let queried = at("10.0.0.1", 7000);
        let line = Value::Array(vec![
            Value::Int(5),
            Value::Int(9),
            node(Value::Nil, 7000),
            node(text("10.0.0.2"), 7001),
        ]);
        let range = SlotRange::read(&line, &queried).unwrap();
        assert!(
            range.contains(5) && range.contains(9) && !range.contains(4) && !range.contains(10)
        );
        assert_eq!(range.nodes, [queried.clone(), at("10.0.0.2", 7001)]);
        assert!(SlotRange::read(&Value::Array(vec![Value::Int(5)]), &queried).is_none());
    }
}
