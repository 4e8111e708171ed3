//! Finds the primary (in the words of Sentinel: the master) by querying sentinels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::Connection as PooledConnection;
use deadpool_redis::redis::cmd;
use tokio::time::timeout;

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::CONNECT_TIMEOUT;
use crate::connection::dial::Dialer;
use crate::connection::route::Reached;
use crate::doctor::FailoverTiming;
use crate::topology::{Endpoint, list};

/// Longest time for the reply of one sentinel; less if there are many.
const REPLY_TIMEOUT: Duration = Duration::from_millis(300);
/// Shortest time limit for one sentinel.
const LEAST_REPLY_TIMEOUT: Duration = Duration::from_millis(50);

/// The sentinels of a URL, and the master that they watch.
pub(super) struct Sentinels {
    /// Connects to Redis.
    dialer: Dialer,
    /// Connects to sentinels, which may have another login.
    sentinel_dialer: Dialer,
    sentinels: Vec<Endpoint>,
    master: String,
    /// Index of the sentinel that replied last; it is queried first.
    first: AtomicUsize,
    /// An open connection to a sentinel, with its index, for the next query.
    open: Mutex<Option<(usize, PooledConnection)>>,
}

impl Sentinels {
    pub(super) fn new(
        dialer: Dialer,
        sentinel_dialer: Dialer,
        sentinels: Vec<Endpoint>,
        master: String,
    ) -> Self {
        Sentinels {
            dialer,
            sentinel_dialer,
            sentinels,
            master,
            first: AtomicUsize::new(0),
            open: Mutex::default(),
        }
    }

    /// Queries the sentinels in turn, and connects to the first server named that reports itself as the master.
    pub(super) async fn connect(&self) -> Result<Reached, RedisFailure> {
        let mut failures: Vec<RedisFailure> = Vec::new();
        let mut tried: Vec<Endpoint> = Vec::new();
        for index in self.order() {
            let endpoint = match self.query(index).await {
                Ok(endpoint) if tried.contains(&endpoint) => continue,
                Ok(endpoint) => endpoint,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            match self.reach(&endpoint).await {
                Ok(connection) => {
                    return Ok(Reached {
                        connection,
                        endpoint,
                    });
                }
                // An error of a server is more telling than one of a sentinel.
                Err(failure) => failures.insert(0, failure),
            }
            tried.push(endpoint);
        }
        Err(self.worst(failures, tried.is_empty()))
    }

    /// True if the first sentinel that replies names another server.
    pub(super) async fn names_another(&self, endpoint: &Endpoint) -> bool {
        for index in self.order() {
            if let Ok(named) = self.query(index).await {
                return named != *endpoint;
            }
        }
        false
    }

    /// The timing of failovers, from the first sentinel that replies with it. It needs a permission of its own, and
    /// only the doctor uses it.
    pub(super) async fn failover_timing(&self) -> Option<FailoverTiming> {
        let mut command = cmd("SENTINEL");
        command.arg("MASTER").arg(&self.master);
        for index in self.order() {
            let reply = async {
                let mut connection = self
                    .sentinel_dialer
                    .dial(&self.sentinels[index], REPLY_TIMEOUT)
                    .await
                    .ok()?;
                let settings: HashMap<String, String> =
                    command.query_async(&mut connection).await.ok()?;
                let millis =
                    |name: &str| settings.get(name)?.parse().ok().map(Duration::from_millis);
                Some(FailoverTiming {
                    down_after: millis("down-after-milliseconds")?,
                    failover_timeout: millis("failover-timeout")?,
                })
            };
            if let Ok(Some(timing)) = timeout(REPLY_TIMEOUT, reply).await {
                return Some(timing);
            }
        }
        None
    }

    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.first.load(Ordering::Relaxed), self.sentinels.len());
        (0..count).map(move |offset| (first + offset) % count)
    }

    /// Queries one sentinel for the master, within its time limit.
    async fn query(&self, index: usize) -> Result<Endpoint, RedisFailure> {
        // If this future is dropped before the reply, the next attempt begins with the next sentinel.
        let count = self.sentinels.len();
        self.first.store((index + 1) % count, Ordering::Relaxed);
        let at = &self.sentinels[index];
        let share = CONNECT_TIMEOUT / (count as u32 + 1);
        let bound = share.clamp(LEAST_REPLY_TIMEOUT, REPLY_TIMEOUT);
        let reply = timeout(bound, self.query_master(index, at, bound)).await;
        let named = reply.unwrap_or_else(|_| {
            let text = format!("{at}: no answer within {bound:?}");
            Err(RedisFailure::unavailable(FailureKind::NoSentinel, text))
        })?;
        self.first.store(index, Ordering::Relaxed);
        Ok(named)
    }

    async fn query_master(
        &self,
        index: usize,
        at: &Endpoint,
        bound: Duration,
    ) -> Result<Endpoint, RedisFailure> {
        let mut command = cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let kept = self.open().take_if(|(of, _)| *of == index);
        // The connection may have been closed meanwhile.
        if let Some((_, mut kept)) = kept
            && let Ok(named) = command.query_async(&mut kept).await
        {
            return self.named(index, kept, named);
        }
        let mut fresh = self
            .sentinel_dialer
            .dial(at, bound)
            .await
            .map_err(of_sentinel)?;
        let named = command.query_async(&mut fresh).await;
        let named = named.map_err(|error| of_sentinel(classify::of_connecting(at, &error)))?;
        self.named(index, fresh, named)
    }

    /// Reads the reply of a sentinel, and keeps its connection.
    fn named(
        &self,
        index: usize,
        connection: PooledConnection,
        named: Option<(String, u16)>,
    ) -> Result<Endpoint, RedisFailure> {
        *self.open() = Some((index, connection));
        let Some((host, port)) = named else {
            let (at, master) = (&self.sentinels[index], &self.master);
            let text = format!("the sentinel at {at} does not know a master named {master}");
            return Err(RedisFailure::unavailable(FailureKind::UnknownMaster, text));
        };
        Ok(Endpoint { host, port })
    }

    /// Connects, and verifies that the server is a master: a sentinel may learn late of a failover.
    async fn reach(&self, endpoint: &Endpoint) -> Result<PooledConnection, RedisFailure> {
        let mut connection = self.dialer.dial(endpoint, CONNECT_TIMEOUT).await?;
        let mut info = cmd("INFO");
        info.arg("replication");
        let info: Result<String, _> = info.query_async(&mut connection).await;
        match info {
            Ok(text) if text.contains("role:slave") => {
                drop(PooledConnection::take(connection));
                let text = format!(
                    "{endpoint} is a replica, although a sentinel names it as the master: \
                     a failover is under way"
                );
                Err(RedisFailure::unavailable(FailureKind::NotNow, text))
            }
            Err(error) if error.code().is_none() => Err(classify::of_connecting(endpoint, &error)),
            // A missing permission is reported by the preflight, with all others.
            Ok(_) | Err(_) => Ok(connection),
        }
    }

    /// The error to report of several: the first, or, if no sentinel named a server, one that an operator has to
    /// correct, otherwise all.
    fn worst(&self, failures: Vec<RedisFailure>, none_named: bool) -> RedisFailure {
        let worst = match none_named {
            false => failures.first(),
            true => failures
                .iter()
                .find(|failure| failure.kind != FailureKind::NoSentinel),
        };
        if let Some(failure) = worst {
            return failure.clone();
        }
        let whys: Vec<String> = failures.iter().map(RedisFailure::text).collect();
        let sentinels = list(&self.sentinels);
        let text = format!(
            "none of the sentinels {sentinels} answers: {}",
            whys.join("; ")
        );
        RedisFailure::unavailable(FailureKind::NoSentinel, text)
    }

    fn open(&self) -> MutexGuard<'_, Option<(usize, PooledConnection)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a failure as that of a sentinel: Redis refused no request, so no request is dropped for it.
fn of_sentinel(failure: RedisFailure) -> RedisFailure {
    let kind = match failure.kind {
        FailureKind::Login | FailureKind::Denied => FailureKind::SentinelLogin,
        FailureKind::Certificate => FailureKind::Certificate,
        _ => FailureKind::NoSentinel,
    };
    RedisFailure::unavailable(kind, failure.text())
}
