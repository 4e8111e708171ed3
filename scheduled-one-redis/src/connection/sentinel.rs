//! Finds the master that sentinels timing over.

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

/// How long one sentinel has for its answer; less if there are many.
const ANSWER: Duration = Duration::from_millis(300);
const LEAST_ANSWER: Duration = Duration::from_millis(50);

pub(super) struct Sentinels {
    /// To Redis.
    dialer: Dialer,
    /// To sentinels, which may have another login.
    ask: Dialer,
    sentinels: Vec<Endpoint>,
    master: String,
    /// The sentinel that answered last is asked first.
    first: AtomicUsize,
    /// A connection to a sentinel, kept for the next question.
    open: Mutex<Option<(usize, PooledConnection)>>,
}

impl Sentinels {
    pub(super) fn new(
        dialer: Dialer,
        ask: Dialer,
        sentinels: Vec<Endpoint>,
        master: String,
    ) -> Self {
        Sentinels {
            dialer,
            ask,
            sentinels,
            master,
            first: AtomicUsize::new(0),
            open: Mutex::default(),
        }
    }

    /// Asks the sentinels in turn, and connects to what they name if it says
    /// of itself that it is the master.
    pub(super) async fn connect(&self) -> Result<Reached, RedisFailure> {
        let mut troubles: Vec<RedisFailure> = Vec::new();
        let mut tried: Vec<Endpoint> = Vec::new();
        for index in self.order() {
            let endpoint = match self.question(index).await {
                Ok(endpoint) if tried.contains(&endpoint) => continue,
                Ok(endpoint) => endpoint,
                Err(failure) => {
                    troubles.push(failure);
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
                // What a server says counts more than what sentinels do not.
                Err(failure) => troubles.insert(0, failure),
            }
            tried.push(endpoint);
        }
        Err(self.worst(troubles, tried.is_empty()))
    }

    /// Whether the first sentinel that answers names another server.
    pub(super) async fn name_another(&self, endpoint: &Endpoint) -> bool {
        for index in self.order() {
            if let Ok(named) = self.question(index).await {
                return named != *endpoint;
            }
        }
        false
    }

    /// How the first sentinel that tells it watches the master. It takes a right
    /// of its own, and is only good to know.
    pub(super) async fn failover_timing(&self) -> Option<FailoverTiming> {
        let mut question = cmd("SENTINEL");
        question.arg("MASTER").arg(&self.master);
        for index in self.order() {
            let asked = async {
                let mut connection = self.ask.dial(&self.sentinels[index], ANSWER).await.ok()?;
                let told: HashMap<String, String> =
                    question.query_async(&mut connection).await.ok()?;
                let millis = |name: &str| told.get(name)?.parse().ok().map(Duration::from_millis);
                Some(FailoverTiming {
                    down_after: millis("down-after-milliseconds")?,
                    failover_timeout: millis("failover-timeout")?,
                })
            };
            if let Ok(Some(timing)) = timeout(ANSWER, asked).await {
                return Some(timing);
            }
        }
        None
    }

    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.first.load(Ordering::Relaxed), self.sentinels.len());
        (0..count).map(move |offset| (first + offset) % count)
    }

    /// Asks one sentinel, within its time.
    async fn question(&self, index: usize) -> Result<Endpoint, RedisFailure> {
        // Dropped in the middle, the next attempt begins with the next one.
        let count = self.sentinels.len();
        self.first.store((index + 1) % count, Ordering::Relaxed);
        let at = &self.sentinels[index];
        let share = CONNECT_TIMEOUT / (count as u32 + 1);
        let bound = share.clamp(LEAST_ANSWER, ANSWER);
        let answer = timeout(bound, self.ask_for_master(index, at, bound)).await;
        let named = answer.unwrap_or_else(|_| {
            let text = format!("{at}: no answer within {bound:?}");
            Err(RedisFailure::unavailable(FailureKind::NoSentinel, text))
        })?;
        self.first.store(index, Ordering::Relaxed);
        Ok(named)
    }

    async fn ask_for_master(
        &self,
        index: usize,
        at: &Endpoint,
        bound: Duration,
    ) -> Result<Endpoint, RedisFailure> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let kept = self.open().take_if(|(of, _)| *of == index);
        // It may have been closed meanwhile.
        if let Some((_, mut kept)) = kept
            && let Ok(named) = question.query_async(&mut kept).await
        {
            return self.named(index, kept, named);
        }
        let mut fresh = self.ask.dial(at, bound).await.map_err(of_sentinel)?;
        let named = question.query_async(&mut fresh).await;
        let named = named.map_err(|error| of_sentinel(classify::of_connecting(at, &error)))?;
        self.named(index, fresh, named)
    }

    /// What a sentinel answered, whose connection is kept.
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

    /// Connects, and sees whether that is a master: a sentinel may be slow to
    /// hear of a failover.
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
            // A right that is missing is named by whoever looks at all of them.
            Ok(_) | Err(_) => Ok(connection),
        }
    }

    /// What is told of several troubles: the first, or, if no sentinel named a
    /// server, the one that somebody has to heal, or all.
    fn worst(&self, troubles: Vec<RedisFailure>, none_named: bool) -> RedisFailure {
        let told = match none_named {
            false => troubles.first(),
            true => troubles
                .iter()
                .find(|it| it.kind != FailureKind::NoSentinel),
        };
        if let Some(failure) = told {
            return failure.clone();
        }
        let whys: Vec<String> = troubles.iter().map(RedisFailure::text).collect();
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

/// The trouble is that of a sentinel, not of Redis: no request was refused, and
/// none is to be given up for it.
fn of_sentinel(failure: RedisFailure) -> RedisFailure {
    let kind = match failure.kind {
        FailureKind::Login | FailureKind::Denied => FailureKind::SentinelLogin,
        FailureKind::Certificate => FailureKind::Certificate,
        _ => FailureKind::NoSentinel,
    };
    RedisFailure::unavailable(kind, failure.text())
}
