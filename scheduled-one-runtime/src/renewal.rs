//! The watchdog: one thread with a runtime and a connection of its own to each
//! bucket, that renews the leases of all runs of the node. Business code that blocks its
//! runtime does not lose its lease, and claims never queue before a renewal.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::cluster_clock::ClusterClock;
use crate::complaint::Complaints;
use crate::event;
use crate::lease::{Cancel, Lease, renew_every, renew_patience};
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{Caller, MAX_BATCH, Renew, Renewed, RunId};
use scheduled_one_protocol::{Start, UnitName};
use scheduled_one_protocol::{Store, StoreError};

/// Between a failed renewal and the next try.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A run whose lease is renewed until it is [`end`](ActiveRun::end)ed.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    id: RunId,
    pub(crate) lease: Arc<Lease>,
    /// Counts up with retries, from the attempt that was granted.
    attempt: AtomicU32,
    /// The last attempt whose function was called, 0 before the first.
    begun: AtomicU32,
    ended: AtomicBool,
}

impl ActiveRun {
    pub(crate) fn new(id: RunId, lease: Arc<Lease>) -> Self {
        ActiveRun {
            attempt: AtomicU32::new(id.attempt),
            begun: AtomicU32::new(0),
            id,
            lease,
            ended: AtomicBool::new(false),
        }
    }

    /// The run, in the attempt it is at.
    pub(crate) fn id(&self) -> RunId {
        RunId {
            attempt: self.attempt.load(Ordering::Acquire),
            ..self.id.clone()
        }
    }

    /// Goes on to the next attempt.
    pub(crate) fn retry(&self) {
        self.attempt.fetch_add(1, Ordering::AcqRel);
    }

    /// The function is called, for the attempt the run is at.
    pub(crate) fn begin(&self) {
        let attempt = self.attempt.load(Ordering::Acquire);
        self.begun.store(attempt, Ordering::Release);
    }

    /// Whether the function was called for the attempt the run is at.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire) == self.attempt.load(Ordering::Acquire)
    }

    /// The unit and the last attempt that began; none if no attempt did. One
    /// that is still to begin may yet be another node's.
    pub(crate) fn started(&self) -> Option<(UnitName, Start)> {
        let started = Start {
            tick: self.id.tick,
            attempt: self.begun.load(Ordering::Acquire),
        };
        (started.attempt > 0).then(|| (self.id.unit.clone(), started))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// No renewal is sent from now on. One that is under way changes nothing:
    /// the store renews no run that has ended.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.lease.cancel(Cancel::Ended);
    }

    fn over(&self, now: Duration) -> bool {
        // A run that goes on without its lease may get it back.
        let given_up = !self.lease.goes_on() && now >= self.lease.deadline();
        self.has_ended() || given_up
    }
}

/// Hands the runs of a bucket to the watchdog. Its thread stops when those of
/// all buckets are dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    /// Dropped to stop.
    _stop: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    caller: Caller,
    clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    /// Runs by when they are to be renewed (boot clock), and a serial number.
    due: Mutex<BTreeMap<(Duration, u64), Arc<ActiveRun>>>,
    serial: AtomicU64,
    /// Something is due earlier than what the thread sleeps for.
    sooner: Notify,
    complaints: Complaints,
}

/// A bucket whose runs the watchdog is to keep.
pub(crate) struct Kept {
    pub(crate) bucket: Bucket,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) caller: Caller,
    pub(crate) cluster: Arc<ClusterClock>,
}

impl Watchdog {
    /// Starts the thread; one for each bucket comes back, in their order.
    pub(crate) fn start(clock: &Arc<dyn Clock>, buckets: Vec<Kept>) -> io::Result<Vec<Self>> {
        let mut watchdogs = Vec::with_capacity(buckets.len());
        let mut watches = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let shared = Arc::new(Shared {
                caller: bucket.caller,
                clock: Arc::clone(clock),
                cluster: bucket.cluster,
                due: Mutex::default(),
                serial: AtomicU64::new(0),
                sooner: Notify::new(),
                complaints: Complaints::default(),
            });
            let (stop, stopped) = oneshot::channel();
            watches.push(Arc::clone(&shared).watch(bucket.store.open(bucket.bucket), stopped));
            watchdogs.push(Watchdog {
                shared,
                _stop: stop,
            });
        }
        if clock.is_virtual() {
            watches
                .into_iter()
                .for_each(|watch| drop(tokio::spawn(watch)));
        } else {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let all = async move {
                let mut watches: JoinSet<()> = watches.into_iter().collect();
                while watches.join_next().await.is_some() {}
            };
            std::thread::Builder::new()
                .name("scheduled-one-watchdog".to_owned())
                .spawn(move || runtime.block_on(all))?;
        }
        Ok(watchdogs)
    }

    /// Renews the run from now on, until it has ended.
    pub(crate) fn keep(&self, run: Arc<ActiveRun>) {
        let first = run.lease.deadline() - run.lease.length() * 4 / 5;
        self.shared.set(first, run);
    }
}

impl Shared {
    /// Renews `run` a fifth of its lease after `from`, give or take a tenth of
    /// that, so that the renewals of many runs spread.
    fn set(&self, from: Duration, run: Arc<ActiveRun>) {
        let every = renew_every(run.lease.length());
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let percent = 90 + (serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % 21;
        self.set_at(from + every * percent as u32 / 100, serial, run);
    }

    fn set_at(&self, at: Duration, serial: u64, run: Arc<ActiveRun>) {
        let mut due = self.due();
        let first = due.first_key_value().map(|((first, _), _)| *first);
        due.insert((at, serial), run);
        drop(due);
        if first.is_none_or(|first| at < first) {
            self.sooner.notify_one();
        }
    }

    fn retry(&self, run: Arc<ActiveRun>) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.set_at(self.clock.boottime() + RETRY_AFTER, serial, run);
    }

    fn due(&self) -> MutexGuard<'_, BTreeMap<(Duration, u64), Arc<ActiveRun>>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn watch(self: Arc<Self>, store: Arc<dyn Store>, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            biased;
            _ = stopped => {}
            () = self.renew_forever(store) => {}
        }
    }

    async fn renew_forever(self: Arc<Self>, store: Arc<dyn Store>) {
        // Opens the connection: the first renewal should not wait for that.
        let _ = store.renew(&self.caller, &[]).await;
        loop {
            let next = self.due().first_key_value().map(|((at, _), _)| *at);
            let now = self.clock.boottime();
            match next {
                None => self.sooner.notified().await,
                Some(at) if at > now => {
                    tokio::select! {
                        biased;
                        () = self.clock.sleep(at - now) => {}
                        () = self.sooner.notified() => {}
                    }
                }
                Some(_) => {
                    let batch = self.take_due(now);
                    if !batch.is_empty() {
                        // Beside the others: one slow answer holds up no lease.
                        tokio::spawn(Arc::clone(&self).renew(Arc::clone(&store), batch));
                    }
                }
            }
        }
    }

    /// Takes out runs that are to be renewed now, and forgets ended ones.
    fn take_due(&self, now: Duration) -> Vec<Arc<ActiveRun>> {
        let mut due = self.due();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH {
            match due.first_entry() {
                Some(entry) if entry.get().over(now) => drop(entry.remove()),
                Some(entry) if entry.key().0 <= now => batch.push(entry.remove()),
                _ => break,
            }
        }
        batch
    }

    async fn renew(self: Arc<Self>, store: Arc<dyn Store>, runs: Vec<Arc<ActiveRun>>) {
        let sent = self.clock.boottime();
        let requests: Vec<Renew> = runs.iter().map(|run| self.request(run)).collect();
        let patience = runs
            .iter()
            .map(|run| renew_patience(run.lease.length()))
            .min()
            .unwrap_or_default();
        // A slow answer counts as much as a quick one, from when it was asked
        // for; so the next attempt goes beside this one, not in its place.
        let mut asked = store.renew(&self.caller, &requests);
        let (answer, in_time) = tokio::select! {
            biased;
            answer = &mut asked => (answer, true),
            () = self.clock.sleep(patience) => {
                runs.iter().for_each(|run| self.retry(Arc::clone(run)));
                (asked.await, false)
            }
        };
        match answer {
            Ok(reply) if reply.body.len() == runs.len() => {
                self.cluster
                    .learn(reply.head.now_us, sent, self.clock.boottime());
                for (run, renewed) in runs.into_iter().zip(reply.body) {
                    self.renewed(run, renewed, sent, in_time);
                }
            }
            Ok(_) if in_time => runs.into_iter().for_each(|run| self.retry(run)),
            Ok(_) => {}
            Err(StoreError::Refused(why)) if in_time => {
                Arc::clone(&self).refused(&store, runs, &why);
            }
            Err(error) => {
                event::renewal_failed(runs.len(), &error.to_string());
                if in_time {
                    runs.into_iter().for_each(|run| self.retry(run));
                }
            }
        }
    }

    /// The store refuses one of these, for which the others must not lose their
    /// leases: it is asked with halves of them.
    fn refused(self: Arc<Self>, store: &Arc<dyn Store>, mut runs: Vec<Arc<ActiveRun>>, why: &str) {
        if let [run] = &*runs {
            let (unit, now) = (&run.id.unit, self.clock.boottime());
            if self.complaints.is_due(format!("{unit}: {why}"), now) {
                event::renewal_refused(unit, why);
            }
            return self.retry(Arc::clone(run));
        }
        let others = runs.split_off(runs.len() / 2);
        for runs in [runs, others] {
            tokio::spawn(Arc::clone(&self).renew(Arc::clone(store), runs));
        }
    }

    fn request(&self, run: &ActiveRun) -> Renew {
        Renew {
            run: run.id(),
            // After the deadline nobody polls the run any more: a renewal that
            // is under way for so long would keep a dead run alive.
            valid_until_ms: match run.lease.goes_on() {
                true => self.cluster.now_ms() + run.lease.length().as_millis() as i64,
                false => self.cluster.at_ms(run.lease.deadline()),
            },
        }
    }

    /// `in_time`: nobody else has set when the run is renewed next.
    fn renewed(&self, run: Arc<ActiveRun>, renewed: Renewed, sent: Duration, in_time: bool) {
        match renewed {
            Renewed::Lost => {
                if !run.has_ended() {
                    event::lease_lost(&run.id.unit, run.id.token.get());
                }
                return run.lease.cancel(Cancel::LeaseLost);
            }
            Renewed::Late if in_time => return self.retry(run),
            Renewed::Late => return,
            Renewed::Stop(_) => run.lease.cancel(Cancel::Superseded),
            Renewed::Readopted(_) => event::readopted(&run.id.unit, run.id.token.get()),
            Renewed::Until(_) => {}
        }
        run.lease.extend(sent);
        if in_time {
            self.set(sent, run);
        }
    }
}
