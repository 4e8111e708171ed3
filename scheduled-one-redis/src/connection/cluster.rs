//! Finds the node of a Redis Cluster that owns the namespace's slot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::Connection as PooledConnection;
use deadpool_redis::redis::{Pipeline, RedisError, Value, cmd};
use scheduled_one_protocol::StoreError;
use tokio::time::timeout;

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::dial::Dialer;
use crate::connection::hash_slot::hash_slot;
use crate::connection::route::{Reached, Redirect, is_redirect};
use crate::connection::{Commands, Replies};
use crate::topology::{Endpoint, list};

/// How long one node has to connect and to tell who owns what.
const ANSWER: Duration = Duration::from_millis(450);

/// Nodes that are remembered beside those of the URL.
const MAX_KNOWN: usize = 64;

pub(super) struct Cluster {
    dialer: Dialer,
    slot: u16,
    seeds: Vec<Endpoint>,
    /// The nodes that were named last: those of the URL may be gone.
    known: Mutex<Vec<Endpoint>>,
    /// Who owns the slot, as a node said that was asked for it.
    moved: Mutex<Option<Endpoint>>,
    /// Who is asked first: each time another one, since a node that is cut off
    /// from the others tells old news for as long as it is asked.
    turn: AtomicUsize,
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

    pub(super) async fn connect(&self) -> Result<Reached, RedisFailure> {
        let moved = lock(&self.moved).take();
        if let Some(endpoint) = moved
            && let Ok(connection) = self.dialer.dial(&endpoint, ANSWER).await
        {
            return Ok(Reached {
                connection,
                endpoint,
            });
        }
        let mut troubles = Vec::new();
        let mut tried: Vec<Endpoint> = Vec::new();
        for asked in self.nodes() {
            let told = timeout(ANSWER, self.owner_by(&asked)).await;
            let told = told.unwrap_or_else(|_| {
                let text = format!("{asked}: no answer within {ANSWER:?}");
                Err(RedisFailure::unavailable(FailureKind::Silent, text))
            });
            let (connection, owner) = match told {
                Ok(told) => told,
                Err(failure) => {
                    troubles.push(failure);
                    continue;
                }
            };
            if tried.contains(&owner) {
                continue;
            }
            let reached = match owner == asked {
                true => Ok(connection),
                false => {
                    // It has told what it was asked for.
                    drop(PooledConnection::take(connection));
                    self.dialer.dial(&owner, ANSWER).await
                }
            };
            match reached {
                Ok(connection) => {
                    return Ok(Reached {
                        connection,
                        endpoint: owner,
                    });
                }
                Err(failure) => troubles.push(failure),
            }
            tried.push(owner);
        }
        Err(self.worst(troubles))
    }

    /// Asks one node who owns the slot.
    async fn owner_by(
        &self,
        asked: &Endpoint,
    ) -> Result<(PooledConnection, Endpoint), RedisFailure> {
        let mut connection = self.dialer.dial(asked, ANSWER).await?;
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let ranges: Vec<Value> = match question.query_async(&mut connection).await {
            Ok(ranges) => ranges,
            Err(error) => return Err(of_question(asked, &error)),
        };
        let ranges: Vec<Range> = ranges
            .iter()
            .filter_map(|range| Range::read(range, asked))
            .collect();
        let nodes = ranges.iter().flat_map(|range| &range.nodes);
        let mut known: Vec<Endpoint> = Vec::new();
        for node in nodes.take(MAX_KNOWN) {
            if !known.contains(node) {
                known.push(node.clone());
            }
        }
        *lock(&self.known) = known;
        let range = ranges.into_iter().find(|range| range.has(self.slot));
        match range.and_then(|range| range.nodes.into_iter().next()) {
            Some(owner) => Ok((connection, owner)),
            None => {
                let text = format!("{asked}: no node of the cluster serves slot {}", self.slot);
                Err(RedisFailure::unavailable(FailureKind::NotNow, text))
            }
        }
    }

    /// Everybody to ask, another one first each time.
    fn nodes(&self) -> Vec<Endpoint> {
        let mut nodes = lock(&self.known).clone();
        for seed in &self.seeds {
            if !nodes.contains(seed) {
                nodes.push(seed.clone());
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len();
        nodes.rotate_left(turn);
        nodes
    }

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

    /// A connection of the pool, and back: it is for one request.
    pub(super) async fn ask_at(
        &self,
        to: &Endpoint,
        request: Commands<'_>,
    ) -> Result<Replies, RedisFailure> {
        let mut connection = self.dialer.dial(to, ANSWER).await?;
        let mut commands = Pipeline::new();
        // `ASKING` is for the very next command.
        let mut of_request: Vec<_> = match request {
            Commands::One(command) => vec![command.clone()],
            Commands::All(commands) => commands.cmd_iter().cloned().collect(),
        };
        for command in of_request.drain(..) {
            commands.add_command(cmd("ASKING"));
            commands.add_command(command);
        }
        commands.ignore_errors();
        let answers: Result<Replies, RedisError> = commands.query_async(&mut connection).await;
        let answers = answers.map_err(|error| {
            let text = to.to_string();
            classify::of_request(&text, &error)
        })?;
        Ok(answers.into_iter().skip(1).step_by(2).collect())
    }

    /// What is told of several troubles: what somebody has to heal, else the last.
    fn worst(&self, troubles: Vec<RedisFailure>) -> RedisFailure {
        let to_heal = |failure: &&RedisFailure| matches!(failure.error, StoreError::Refused(_));
        let told = troubles.iter().find(to_heal).or(troubles.last());
        told.cloned().unwrap_or_else(|| {
            let text = format!("none of {} leads to the cluster", list(&self.seeds));
            RedisFailure::unavailable(FailureKind::Broken, text)
        })
    }
}

/// A range of slots, and who has it, its owner first.
struct Range {
    first: u16,
    last: u16,
    nodes: Vec<Endpoint>,
}

impl Range {
    /// One line of `CLUSTER SLOTS`, as the node at `asked` tells it.
    fn read(line: &Value, asked: &Endpoint) -> Option<Self> {
        let Value::Array(fields) = line else {
            return None;
        };
        let [Value::Int(first), Value::Int(last), nodes @ ..] = &fields[..] else {
            return None;
        };
        // Of those whose address is not known yet, the node knows but the name.
        let nodes = nodes.iter().filter_map(|node| match node {
            Value::Array(fields) => read_node(fields, asked),
            _ => None,
        });
        Some(Range {
            first: u16::try_from(*first).ok()?,
            last: u16::try_from(*last).ok()?,
            nodes: nodes.collect(),
        })
    }

    fn has(&self, slot: u16) -> bool {
        (self.first..=self.last).contains(&slot)
    }
}

fn read_node(fields: &[Value], asked: &Endpoint) -> Option<Endpoint> {
    let [host, Value::Int(port), ..] = fields else {
        return None;
    };
    let host = match host {
        // Nobody told the node its own address: it is the one it was asked at.
        Value::Nil => "",
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        _ => return None,
    };
    endpoint(host, u16::try_from(*port).ok()?, asked)
}

/// `host:port` of a `MOVED` or `ASK`.
fn read_address(address: &str, from: &Endpoint) -> Option<Endpoint> {
    let (host, port) = address.rsplit_once(':')?;
    endpoint(host, port.parse().ok()?, from)
}

fn endpoint(host: &str, port: u16, asked: &Endpoint) -> Option<Endpoint> {
    let host = match host {
        "" => asked.host.as_str(),
        // A name that is request and not known.
        "?" => return None,
        host => host,
    };
    Some(Endpoint {
        host: host.to_owned(),
        port,
    })
}

/// The answer to `CLUSTER SLOTS` is an error.
fn of_question(asked: &Endpoint, error: &RedisError) -> RedisFailure {
    let mut failure = classify::of_connecting(asked, error);
    let detail = error.detail().unwrap_or_default();
    let way_out = if detail.contains("cluster support disabled") {
        "it is not in cluster mode: use redis:// without +cluster"
    } else if classify::is_denial(error.code().unwrap_or_default(), detail) {
        "grant the user +cluster|slots and +asking"
    } else {
        return failure;
    };
    failure.error = StoreError::Refused(format!("{asked}: CLUSTER SLOTS: {detail}; {way_out}"));
    failure
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn a_redirect_without_a_host_means_the_one_asked() {
        let asked = at("10.0.0.1", 7000);
        assert_eq!(read_address(":7001", &asked), Some(at("10.0.0.1", 7001)));
        assert_eq!(read_address("h:7001", &asked), Some(at("h", 7001)));
        assert_eq!(read_address("::1:7001", &asked), Some(at("::1", 7001)));
        assert_eq!(read_address("?:7001", &asked), None);
        assert_eq!(read_address("h:70010", &asked), None);
        assert_eq!(read_address("h", &asked), None);
    }

    #[test]
    fn ranges_are_read_with_their_owner_first() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let asked = at("10.0.0.1", 7000);
        let line = Value::Array(vec![
            Value::Int(5),
            Value::Int(9),
            node(Value::Nil, 7000),
            node(text("10.0.0.2"), 7001),
        ]);
        let range = Range::read(&line, &asked).unwrap();
        assert!(range.has(5) && range.has(9) && !range.has(4) && !range.has(10));
        assert_eq!(range.nodes, [asked.clone(), at("10.0.0.2", 7001)]);
        assert!(Range::read(&Value::Array(vec![Value::Int(5)]), &asked).is_none());
    }
}
