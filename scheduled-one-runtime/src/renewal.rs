//! Renews the leases of the runs of one bucket, each when a fifth of it has
//! passed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::active_run::ActiveRun;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::lease::{CancelReason, renew_every, renew_patience};
use crate::log_throttle::LogThrottle;
use crate::metrics::Metrics;
use crate::metrics::labels::Op;
use crate::request_each::{Repeat, request_each};
use crate::user_code;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{Caller, MAX_BATCH, Renew, Renewed};
use scheduled_one_protocol::{BoxFuture, Bucket, Store, StoreError};

/// Wait between a failed renewal and the next one.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// Number of renewals that fail in a row before a warning.
const WARNED_FAILURES: u32 = 3;

/// When which run is renewed next, and the way to the store.
#[derive(Debug)]
pub(crate) struct Renewals {
    bucket: Bucket,
    caller: Caller,
    clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    /// Connection of the renewals: no other request waits in front of them.
    store: Arc<dyn Store>,
    /// Runs by the instant of their next renewal (boot clock) and a serial number.
    due: Mutex<BTreeMap<(Duration, u64), Arc<ActiveRun>>>,
    next_serial: AtomicU64,
    /// Wakes the loop when a run is due before the instant that the loop sleeps for.
    due_sooner: Notify,
    /// Number of requests that failed since one was acknowledged.
    failures: AtomicU32,
    log_throttle: LogThrottle,
    metrics: Arc<Metrics>,
}

impl Renewals {
    pub(crate) fn new(
        bucket: Bucket,
        caller: Caller,
        clock: Arc<dyn Clock>,
        cluster: Arc<ClusterClock>,
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Renewals {
            bucket,
            caller,
            clock,
            cluster,
            store,
            due: Mutex::default(),
            next_serial: AtomicU64::new(0),
            due_sooner: Notify::new(),
            failures: AtomicU32::new(0),
            log_throttle: LogThrottle::default(),
            metrics,
        }
    }

    /// Renews the lease of the run from now on, until the run has ended.
    pub(crate) fn add(&self, run: Arc<ActiveRun>) {
        let first = run.lease.deadline() - run.lease.length() * 4 / 5;
        self.renew_after(first, run);
    }

    /// Opens the connection: no run may depend on renewals that cannot be sent. A second attempt may lead to another
    /// server, if one of several that name a server is wrong.
    pub(crate) async fn open(&self) -> Result<(), StoreError> {
        let nothing = || user_code::request(|| self.store.renew(&self.caller, &[]));
        match nothing().await {
            Ok(_) => Ok(()),
            Err(_) => nothing().await.map(drop),
        }
    }

    /// Renews leases without end.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let next = self.due().first_key_value().map(|((at, _), _)| *at);
            let now = self.clock.boottime();
            match next {
                None => self.due_sooner.notified().await,
                Some(at) if at > now => {
                    tokio::select! {
                        biased;
                        () = self.clock.sleep(at - now) => {}
                        () = self.due_sooner.notified() => {}
                    }
                }
                Some(_) => {
                    let batch = self.take_due(now);
                    if !batch.is_empty() {
                        // Concurrently with the others: a slow reply delays no other lease.
                        tokio::spawn(Arc::clone(&self).renew(batch));
                    }
                }
            }
        }
    }

    /// Arranges a renewal a fifth of the lease after `from`, give or take a tenth
    /// of that, so that the renewals of many runs spread.
    fn renew_after(&self, from: Duration, run: Arc<ActiveRun>) {
        let every = renew_every(run.lease.length());
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let percent = 90 + (serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % 21;
        self.renew_at(from + every * percent as u32 / 100, serial, run);
    }

    /// Renews all leases within this time, in place of their next renewals.
    pub(crate) fn renew_within(&self, time: Duration) {
        let by = self.clock.boottime() + time;
        let mut due = self.due();
        let later = due.split_off(&(by, 0));
        let is_any = !later.is_empty();
        due.extend(
            later
                .into_iter()
                .map(|((_, serial), run)| ((by, serial), run)),
        );
        drop(due);
        if is_any {
            self.due_sooner.notify_one();
        }
    }

    fn renew_at(&self, at: Duration, serial: u64, run: Arc<ActiveRun>) {
        let mut due = self.due();
        let first = due.first_key_value().map(|((first, _), _)| *first);
        due.insert((at, serial), run);
        drop(due);
        if first.is_none_or(|first| at < first) {
            self.due_sooner.notify_one();
        }
    }

    fn retry(&self, run: Arc<ActiveRun>) {
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        self.renew_at(self.clock.boottime() + RETRY_AFTER, serial, run);
    }

    fn due(&self) -> MutexGuard<'_, BTreeMap<(Duration, u64), Arc<ActiveRun>>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the runs that are due for a renewal, and drops those that need none.
    fn take_due(&self, now: Duration) -> Vec<Arc<ActiveRun>> {
        let mut due = self.due();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH {
            match due.first_entry() {
                Some(entry) if entry.get().needs_no_renewal(now) => drop(entry.remove()),
                Some(entry) if entry.key().0 <= now => batch.push(entry.remove()),
                _ => break,
            }
        }
        batch
    }

    /// Renews a batch. The store may refuse one of the runs, for which the others must not lose their leases: then
    /// halves of the batch are sent, and each is handled when its own reply comes.
    async fn renew(self: Arc<Self>, runs: Vec<Arc<ActiveRun>>) {
        let send = |runs| -> BoxFuture<'_, _> { Box::pin(self.send(runs)) };
        let back_off = |_| std::future::ready(());
        request_each(&runs, Repeat::Never, &send, &back_off).await;
    }

    /// Sends one request and does what the reply says. Returns an error if halves of the batch are to be sent.
    ///
    /// A slow reply counts as much as a quick one, from when the request was sent; so the next renewal does not
    /// replace this one, but is sent in addition to it.
    async fn send(&self, runs: &[Arc<ActiveRun>]) -> Result<Vec<()>, StoreError> {
        let sent = self.clock.boottime();
        let requests: Vec<Renew> = runs.iter().map(|run| self.request(run)).collect();
        let patience = runs.iter().map(|run| renew_patience(run.lease.length()));
        let patience = patience.min().unwrap_or_default();
        let renew = || self.store.renew(&self.caller, &requests);
        let mut pending = Box::pin(user_code::request(renew));
        let (reply, in_time) = tokio::select! {
            biased;
            reply = &mut pending => (reply, true),
            () = self.clock.sleep(patience) => {
                self.retry_all(runs);
                (pending.await, false)
            }
        };
        let took = self.clock.boottime().saturating_sub(sent);
        self.metrics.requested(Op::Renew, &reply, took);
        match reply {
            Ok(reply) if reply.body.len() == runs.len() => {
                let received = self.clock.boottime();
                self.failures.store(0, Ordering::Relaxed);
                self.cluster.learn(reply.head.now_us, sent, received);
                for (run, renewed) in runs.iter().zip(reply.body) {
                    self.apply(Arc::clone(run), renewed, sent, in_time);
                }
                return Ok(vec![(); runs.len()]);
            }
            Ok(_) => {}
            Err(error @ StoreError::Refused(_)) if in_time && runs.len() > 1 => return Err(error),
            Err(StoreError::Refused(why)) if in_time => self.log_refused(runs, &why),
            Err(error) => self.log_failure(runs.len(), &error),
        }
        if in_time {
            self.retry_all(runs);
        }
        Ok(vec![(); runs.len()])
    }

    fn retry_all(&self, runs: &[Arc<ActiveRun>]) {
        runs.iter().for_each(|run| self.retry(Arc::clone(run)));
    }

    /// One failure may be a connection that was closed, and the next request opens another. More than two mean that
    /// the runs lose their leases, while the connection of the claims may be good.
    fn log_failure(&self, runs: usize, error: &StoreError) {
        let error = error.to_string();
        event::renewal_failed(runs, &error);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.clock.boottime();
        if failures >= WARNED_FAILURES && self.log_throttle.allows("renewals fail".to_owned(), now)
        {
            event::renewals_fail(self.bucket, failures, &error);
        }
    }

    fn log_refused(&self, runs: &[Arc<ActiveRun>], why: &str) {
        let now = self.clock.boottime();
        for run in runs {
            let unit = run.unit();
            if self.log_throttle.allows(format!("{unit}: {why}"), now) {
                event::renewal_refused(unit, why);
            }
        }
    }

    fn request(&self, run: &ActiveRun) -> Renew {
        Renew {
            run: run.id(),
            // After the deadline nobody polls the run any more: a renewal that
            // is under way for so long would keep a dead run alive.
            valid_until_ms: match run.lease.runs_without_lease() {
                true => self.cluster.now_ms() + run.lease.length().as_millis() as i64,
                false => self.cluster.at_ms(run.lease.deadline()),
            },
        }
    }

    /// Does what the store replied. The next renewal is arranged here if the reply came in time.
    fn apply(&self, run: Arc<ActiveRun>, renewed: Renewed, sent: Duration, in_time: bool) {
        match renewed {
            // The reply to the commit says what became of it.
            Renewed::Lost if run.is_committing() => {
                if in_time {
                    self.renew_after(sent, run);
                }
                return;
            }
            Renewed::Lost => {
                if !run.has_ended() {
                    event::lease_lost(run.unit(), run.token());
                    self.metrics.lease_lost();
                }
                return run.lease.cancel(CancelReason::LeaseLost);
            }
            Renewed::Late if in_time => return self.retry(run),
            Renewed::Late => return,
            Renewed::Stop(_) => run.lease.cancel(CancelReason::Superseded),
            Renewed::Cancelled { why, .. } => run.lease.cancel(CancelReason::Requested(why.into())),
            Renewed::Readopted(_) => {
                event::readopted(run.unit(), run.token());
                self.metrics.readopted();
            }
            Renewed::Until(_) => {}
        }
        run.lease.extend(sent);
        if in_time {
            self.renew_after(sent, run);
        }
    }
}
