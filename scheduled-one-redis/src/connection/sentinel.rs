//! Finds the primary (in the words of Sentinel: the master) by querying sentinels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::cmd;
use tokio::time::{Instant, timeout, timeout_at};

use crate::classify::{FailureKind, RedisFailure};
use crate::connection::CONNECT_TIMEOUT;
use crate::connection::dial::Dialer;
use crate::connection::route::Reached;
use crate::connection::session::PooledSession;
use crate::doctor::FailoverTiming;
use crate::topology::{Endpoint, list};

/// Longest time for the reply of one sentinel; less if there are many.
const REPLY_TIMEOUT: Duration = Duration::from_millis(300);
/// Shortest time limit for one sentinel.
const LEAST_REPLY_TIMEOUT: Duration = Duration::from_millis(50);

/// What to do if the certificate of a server is not for the address that a sentinel names.
const NAMES: &str = "sentinels name IP addresses unless they are configured for host names: set `sentinel \
     resolve-hostnames yes` and `sentinel announce-hostnames yes`, and give servers and sentinels host names that the \
     certificates are for";

/// The sentinels of a URL, and the master that they watch.
pub(super) struct Sentinels {
    /// Connects to Redis.
    pub(super) dialer: Dialer,
    /// Connects to sentinels, which may have another login.
    sentinel_dialer: Dialer,
    sentinels: Vec<Endpoint>,
    master: String,
    /// Index of the sentinel that replied last; it is queried first.
    first: AtomicUsize,
    /// An open connection to a sentinel, with its index, for the next query.
    open: Mutex<Option<(usize, PooledSession)>>,
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

    /// Queries the sentinels in turn, and connects to the first server named that reports itself as the master. No
    /// sentinel is queried after `deadline`.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Reached, RedisFailure> {
        let mut failures: Vec<RedisFailure> = Vec::new();
        let mut tried: Vec<Endpoint> = Vec::new();
        for index in self.order() {
            if !failures.is_empty() && Instant::now() >= deadline {
                break;
            }
            let endpoint = match self.query(index).await {
                Ok(endpoint) if tried.contains(&endpoint) => continue,
                Ok(endpoint) => endpoint,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            // If the server named does not reply, the next attempt begins with the next sentinel.
            self.begin_with(index + 1);
            match self.reach(&endpoint, deadline).await {
                Ok(connection) => {
                    self.begin_with(index);
                    return Ok(Reached {
                        connection,
                        endpoint,
                    });
                }
                // An error of a server is more telling than one of a sentinel.
                Err(failure) => {
                    let (at, master) = (&self.sentinels[index], &self.master);
                    let by = format!("by the sentinel {at} as the master {master}");
                    failures.insert(0, failure.named(&endpoint, by, NAMES));
                }
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
                    .dial(&self.sentinels[index], Instant::now() + REPLY_TIMEOUT)
                    .await
                    .ok()?;
                let settings: HashMap<String, String> =
                    command.query_async(&mut **connection).await.ok()?;
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

    /// Sets the sentinel that is queried first.
    fn begin_with(&self, index: usize) {
        let index = index % self.sentinels.len();
        self.first.store(index, Ordering::Relaxed);
    }

    /// Queries one sentinel for the master, within its time limit.
    async fn query(&self, index: usize) -> Result<Endpoint, RedisFailure> {
        // If this future is dropped before the reply, the next attempt begins with the next sentinel.
        self.begin_with(index + 1);
        let at = &self.sentinels[index];
        let share = CONNECT_TIMEOUT / (self.sentinels.len() as u32 + 1);
        let bound = share.clamp(LEAST_REPLY_TIMEOUT, REPLY_TIMEOUT);
        let reply = timeout(bound, self.query_master(index, at, bound)).await;
        let named = reply.unwrap_or_else(|_| {
            let text = format!("{at}: no answer within {bound:?}");
            Err(RedisFailure::unavailable(FailureKind::NoSentinel, text))
        })?;
        self.begin_with(index);
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
            && let Ok(named) = command.query_async(&mut **kept).await
        {
            return self.named(index, kept, named);
        }
        let mut fresh = self
            .sentinel_dialer
            .dial(at, Instant::now() + bound)
            .await
            .map_err(of_sentinel)?;
        match command.query_async(&mut **fresh).await {
            Ok(named) => self.named(index, fresh, named),
            Err(error) => {
                let failure = self.sentinel_dialer.not_connected(at, &error);
                Err(of_sentinel(failure.await))
            }
        }
    }

    /// Reads the reply of a sentinel, and keeps its connection.
    fn named(
        &self,
        index: usize,
        connection: PooledSession,
        named: Option<(String, u16)>,
    ) -> Result<Endpoint, RedisFailure> {
        *self.open() = Some((index, connection));
        let Some((host, port)) = named else {
            let (at, master) = (&self.sentinels[index], &self.master);
            let text = format!("the sentinel at {at} does not know a master named {master}");
            return Err(RedisFailure::unavailable(FailureKind::UnknownMaster, text));
        };
        Ok(Endpoint::tcp(host, port))
    }

    /// Connects, and verifies that the server is a master: a sentinel may learn late of a failover.
    async fn reach(
        &self,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<PooledSession, RedisFailure> {
        let mut connection = self.dialer.dial(endpoint, deadline).await?;
        let mut info = cmd("INFO");
        info.arg("replication");
        let info = info.query_async::<String>(&mut **connection);
        let failure = match timeout_at(deadline, info).await {
            Ok(Ok(text)) if text.contains("role:slave") => {
                let text = "it is a replica, so a failover is under way";
                RedisFailure::unavailable(FailureKind::NotNow, text.to_owned())
            }
            Ok(Err(error)) => match self.dialer.not_connected(endpoint, &error).await {
                failure if error.code().is_none() || failure.kind == FailureKind::Login => failure,
                // A missing permission is reported by the preflight, with all others.
                _ => return Ok(connection),
            },
            Ok(Ok(_)) => return Ok(connection),
            Err(_) => {
                let text = "it accepts connections, and did not answer INFO in time";
                RedisFailure::unavailable(FailureKind::NoReply, text.to_owned())
            }
        };
        drop(PooledSession::take(connection));
        Err(failure)
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

    fn open(&self) -> MutexGuard<'_, Option<(usize, PooledSession)>> {
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
