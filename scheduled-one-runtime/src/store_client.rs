//! A node's way to the store of one bucket. The requests of the node's loop and
//! the reports of outcomes pass here: each is timed, its reply is a sample of the
//! cluster's clock, and the loss and the return of the store are logged once.
//!
//! Renewals do not pass here. They have a connection of their own, in the watchdog:
//! whether one fails says nothing about this connection. Reads of a ledger have no
//! head, so they are timed and are no sample.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::bucket_mismatch::BucketMismatch;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::log_throttle::LogThrottle;
use crate::metrics::labels::Op;
use crate::metrics::{BucketMetrics, Metrics};
use crate::request_each::{Repeat, request_each};
use crate::user_code;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{Caller, Head, QUARANTINE_MARGIN_MS, Reply};
use scheduled_one_protocol::{Answer, BoxFuture, Finding, LedgerRecord, Store, StoreError};
use scheduled_one_protocol::{TickMs, UnitName};

/// Waits before a request is repeated while the store is lost: the shortest and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A store that replies later than this shows nothing of other nodes: their claims may be as late.
pub(crate) const SLOW: Duration = Duration::from_millis(300);

/// How many outages are kept: a store that comes and goes has many.
const MAX_OUTAGES: usize = 16;

/// What a client knows of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreHealth {
    /// Whether the last request had a reply.
    pub(crate) up: bool,
    /// Who replied last, and with which memory.
    pub(crate) identity: StoreIdentity,
    /// Changes with each change of a directive.
    pub(crate) control_version: u64,
}

impl StoreHealth {
    /// When the last quarantine began, by the cluster's clock; `None` if there was none.
    pub(crate) fn quarantine_from_ms(&self) -> Option<i64> {
        Some(self.identity.quarantine_from_ms).filter(|from_ms| *from_ms > 0)
    }

    /// When the quarantine of a unit ends whose runs have this lease, by the cluster's clock: never earlier than this,
    /// and later if another node has stated a longer lease. 0 if there was no quarantine.
    pub(crate) fn quarantine_until_ms(&self, lease_ms: i64) -> i64 {
        let from_ms = self.quarantine_from_ms();
        from_ms.map_or(0, |from_ms| from_ms + lease_ms + QUARANTINE_MARGIN_MS)
    }
}

/// A store and its memory: another identity means that decisions may be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreIdentity {
    /// The server process and its replication history; empty before the first reply.
    serving: Arc<str>,
    /// Beginning of the last quarantine, by the cluster's clock. A process that was flushed has the same name as
    /// before, and another quarantine.
    quarantine_from_ms: i64,
}

/// A time in which the store did not reply, by the boot clock.
#[derive(Clone, Debug)]
pub(crate) struct OutageSeen {
    /// The first request without a reply.
    pub(crate) since: Duration,
    /// The next reply, if there was one.
    pub(crate) until: Option<Duration>,
    /// The error of that request.
    #[cfg_attr(not(feature = "alerts"), allow(dead_code, reason = "alerts show it"))]
    pub(crate) error: String,
}

/// A reply, and when it came.
#[derive(Debug)]
pub(crate) struct Replied<T> {
    pub(crate) received: Duration,
    pub(crate) body: T,
}

#[derive(Debug)]
pub(crate) struct StoreClient {
    pub(crate) bucket: Bucket,
    pub(crate) caller: Caller,
    store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    health: watch::Sender<StoreHealth>,
    /// The newest outages, the oldest first; the last one continues if it has no end.
    outages: Mutex<VecDeque<OutageSeen>>,
    /// When a slow reply came last, in ms of the boot clock; 0 if none did.
    slow_ms: AtomicU64,
    bucket_mismatch: BucketMismatch,
    log_throttle: LogThrottle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bucket_metrics: Arc<BucketMetrics>,
}

impl StoreClient {
    pub(crate) fn new(
        bucket: Bucket,
        caller: Caller,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cluster: Arc<ClusterClock>,
        bucket_mismatch: BucketMismatch,
        metrics: Arc<Metrics>,
    ) -> Self {
        let health = StoreHealth {
            up: true,
            identity: StoreIdentity {
                serving: "".into(),
                quarantine_from_ms: 0,
            },
            control_version: 0,
        };
        StoreClient {
            bucket,
            caller,
            store,
            clock,
            bucket_metrics: metrics.add_bucket(bucket, Arc::clone(&cluster)),
            metrics,
            cluster,
            health: watch::Sender::new(health),
            outages: Mutex::default(),
            slow_ms: AtomicU64::new(0),
            bucket_mismatch,
            log_throttle: LogThrottle::default(),
        }
    }

    /// The random identity of this node.
    pub(crate) fn node(&self) -> &str {
        &self.caller.node
    }

    /// Whether the store of any bucket has another number of buckets.
    pub(crate) fn has_bucket_mismatch(&self) -> bool {
        self.bucket_mismatch.is_any()
    }

    /// Sends a request once.
    pub(crate) async fn request<'a, T>(
        &'a self,
        op: Op,
        send: impl FnOnce(&'a dyn Store, &'a Caller) -> Answer<'a, Reply<T>>,
    ) -> Result<Replied<T>, StoreError> {
        let sent = self.clock.boottime();
        let reply = user_code::request(|| send(&*self.store, &self.caller)).await;
        let received = self.clock.boottime();
        let took = received.saturating_sub(sent);
        self.metrics.requested(op, &reply, took);
        if took > SLOW {
            let now_ms = received.as_millis() as u64;
            self.slow_ms.store(now_ms.max(1), Ordering::Relaxed);
        }
        match reply {
            Ok(reply) => {
                self.note_reply(&reply.head, sent, received);
                Ok(Replied {
                    received,
                    body: reply.body,
                })
            }
            Err(error) => {
                self.note_error(&error, received);
                Err(error)
            }
        }
    }

    /// Sends a request until the store replies.
    pub(crate) async fn request_until_reply<'a, T>(
        &'a self,
        op: Op,
        send: impl Fn(&'a dyn Store, &'a Caller) -> Answer<'a, Reply<T>>,
    ) -> Replied<T> {
        let mut failures = 0;
        loop {
            if let Ok(replied) = self.request(op, &send).await {
                return replied;
            }
            failures += 1;
            self.back_off(failures).await;
        }
    }

    /// Sends a batch, and returns the reply to each item, in their order: see [`request_each`].
    pub(crate) async fn request_each<'a, I, T, S>(
        &'a self,
        op: Op,
        items: &'a [I],
        repeat: Repeat,
        send: S,
    ) -> Vec<Result<Replied<T>, StoreError>>
    where
        I: Sync,
        T: Send + 'a,
        S: Fn(&'a dyn Store, &'a Caller, &'a [I]) -> Answer<'a, Reply<Vec<T>>>
            + Copy
            + Send
            + Sync
            + 'a,
    {
        let send = move |items| -> BoxFuture<'a, _> {
            let reply = self.request(op, move |store, caller| send(store, caller, items));
            Box::pin(async move {
                let Replied { received, body } = reply.await?;
                let replied = |body| Replied { received, body };
                Ok(body.into_iter().map(replied).collect())
            })
        };
        let back_off = |failures| self.back_off(failures);
        request_each(items, repeat, &send, &back_off).await
    }

    /// Waits until the number of news of the store is another than this.
    pub(crate) async fn news(&self, seen: u64) -> u64 {
        let news = || -> Answer<'_, u64> { Box::pin(async { Ok(self.store.news(seen).await) }) };
        match user_code::request(news).await {
            Ok(count) => count,
            // A store that panics there has no news.
            Err(_) => std::future::pending().await,
        }
    }

    /// The newest lines of a job's ledger, newest first.
    pub(crate) async fn ledger(
        &self,
        job: &str,
        lines: usize,
    ) -> Result<Vec<LedgerRecord>, StoreError> {
        let sent = self.clock.boottime();
        let reply = user_code::request(|| self.store.ledger(job, lines)).await;
        let took = self.clock.boottime().saturating_sub(sent);
        self.metrics.requested(Op::Ledger, &reply, took);
        reply
    }

    /// Logs that the store refuses a unit. The same text is logged now and then, however often it is refused.
    pub(crate) fn log_refused(&self, unit: &UnitName, tick: TickMs, error: &StoreError) {
        let why = refusal(error);
        let now = self.clock.boottime();
        if self.log_throttle.allows(format!("{unit}: {why}"), now) {
            event::refused(unit, tick, &why);
        }
    }

    /// Logs that a node did not claim a tick that it was to claim: now and then, however often it does not.
    pub(crate) fn log_stood_in(&self, unit: &UnitName, tick: TickMs, preferred: Option<&str>) {
        if let Some(node) = preferred {
            let now = self.clock.boottime();
            if self
                .log_throttle
                .allows(format!("stood in for {node}"), now)
            {
                event::stood_in(unit, tick, node);
            }
        }
    }

    /// The health of the store, which changes with its replies.
    pub(crate) fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.subscribe()
    }

    /// The health of the store now.
    pub(crate) fn health_now(&self) -> StoreHealth {
        self.health.borrow().clone()
    }

    /// The doctor's finding about units that are decided up to these instants.
    pub(crate) fn judge_marks(&self, marks: &[(UnitName, TickMs)], now: TickMs) -> Finding {
        self.store.judge_marks(marks, now)
    }

    /// Whether the store replied slowly to a request of this node within this time.
    pub(crate) fn was_slow_within(&self, time: Duration) -> bool {
        let slow = Duration::from_millis(self.slow_ms.load(Ordering::Relaxed));
        !slow.is_zero() && self.now().saturating_sub(slow) < time
    }

    /// The boot clock.
    pub(crate) fn now(&self) -> Duration {
        self.clock.boottime()
    }

    /// Sleeps on the boot clock.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Waits before repetition `failures` (from 1) of a request.
    pub(crate) async fn back_off(&self, failures: u32) {
        let (least, most) = BACK_OFF;
        let wait = least.saturating_mul(1 << failures.min(10).saturating_sub(1));
        self.clock.sleep(wait.min(most)).await;
    }

    fn note_reply(&self, head: &Head, sent: Duration, received: Duration) {
        self.cluster.learn(head.now_us, sent, received);
        self.bucket_mismatch.set(self.bucket, false);
        let ended = self.end_outage(received);
        if let Some(since) = ended {
            event::store_back(self.bucket, received.saturating_sub(since));
        }
        self.bucket_metrics.store_up(true);
        self.health.send_if_modified(|health| {
            let before = health.clone();
            health.up = true;
            let identity = &mut health.identity;
            if *identity.serving != *head.serving {
                identity.serving = head.serving.as_str().into();
            }
            identity.quarantine_from_ms = head.quarantine_from_ms;
            health.control_version = head.control_version;
            *health != before
        });
    }

    fn note_error(&self, error: &StoreError, now: Duration) {
        match error {
            // The store replies: the request, or a record that it touches, is wrong.
            StoreError::Refused(why) => {
                if self.log_throttle.allows(why.clone(), now) {
                    event::request_refused(why);
                }
                return;
            }
            StoreError::Statement(_) => return,
            StoreError::OtherBuckets { .. } => self.bucket_mismatch.set(self.bucket, true),
            _ => {}
        }
        self.bucket_metrics.store_up(false);
        if self.begin_outage(error, now) {
            event::store_lost(self.bucket, error);
        }
        self.health
            .send_if_modified(|health| std::mem::take(&mut health.up));
    }

    /// Notes an outage. False if it continues.
    fn begin_outage(&self, error: &StoreError, now: Duration) -> bool {
        let mut outages = self.seen();
        let is_new = outages.back().is_none_or(|known| known.until.is_some());
        if is_new {
            if outages.len() == MAX_OUTAGES {
                outages.pop_front();
            }
            outages.push_back(OutageSeen {
                since: now,
                until: None,
                error: error.to_string(),
            });
        }
        is_new
    }

    /// Notes the end of an outage, and returns when it began; `None` if there is none.
    fn end_outage(&self, now: Duration) -> Option<Duration> {
        let mut outages = self.seen();
        let open = outages.back_mut().filter(|known| known.until.is_none())?;
        open.until = Some(now);
        Some(open.since)
    }

    /// The newest outages that this node saw, the oldest first.
    #[cfg(feature = "alerts")]
    pub(crate) fn outages(&self) -> VecDeque<OutageSeen> {
        self.seen().clone()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, VecDeque<OutageSeen>> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a store refuses and the way out, in its own words.
pub(crate) fn refusal(error: &StoreError) -> Cow<'_, str> {
    match error {
        StoreError::Refused(why) => why.as_str().into(),
        other => other.to_string().into(),
    }
}
