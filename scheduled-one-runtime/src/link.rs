//! A node's link to the store. Every call passes here: it is timed, its
//! answer teaches the cluster's clock, and that the store is lost or back is
//! noticed once, not once a try.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::cluster_clock::ClusterClock;
use crate::complaint::Complaints;
use crate::event;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{Caller, Head, Reply};
use scheduled_one_protocol::{Answer, Store, StoreError};
use scheduled_one_protocol::{Bucket, MAX_BUCKETS};

/// Waits between two tries while the store is lost: from … to.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What the node knows of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Whether the last call was answered.
    pub(crate) up: bool,
    /// Who serves; a change means that decisions may have been forgotten.
    pub(crate) serving: Arc<str>,
    /// Nothing is granted before, by the cluster's clock.
    pub(crate) quarantine_until_ms: i64,
}

impl View {
    /// What a store that has lost its memory does not have in common with what
    /// it was: another process serves, or the same is in another quarantine.
    pub(crate) fn memory(&self) -> (Arc<str>, i64) {
        (Arc::clone(&self.serving), self.quarantine_until_ms)
    }
}

/// An answer, and when it came.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    pub(crate) received: Duration,
    pub(crate) body: T,
}

/// In which buckets the store says that there is another number of them than
/// this node believes: by bits, shared by the links to all of them. While there
/// is one, nothing is claimed in any: a node that believes in that number may
/// look for all jobs elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dispute(Arc<AtomicU64>);

impl Dispute {
    fn set(&self, bucket: Bucket, disputed: bool) {
        let bit = 1_u64 << (bucket.index() % MAX_BUCKETS);
        if (self.0.load(Ordering::Acquire) & bit != 0) == disputed {
            return;
        }
        match disputed {
            true => self.0.fetch_or(bit, Ordering::AcqRel),
            false => self.0.fetch_and(!bit, Ordering::AcqRel),
        };
    }

    /// Whether there is one.
    fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) bucket: Bucket,
    pub(crate) caller: Caller,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    view: watch::Sender<View>,
    lost_since: Mutex<Option<Duration>>,
    dispute: Dispute,
    complaints: Complaints,
}

impl Link {
    pub(crate) fn new(
        bucket: Bucket,
        caller: Caller,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cluster: Arc<ClusterClock>,
        dispute: Dispute,
    ) -> Self {
        let view = View {
            up: true,
            serving: "".into(),
            quarantine_until_ms: 0,
        };
        Link {
            bucket,
            caller,
            store,
            clock,
            cluster,
            view: watch::Sender::new(view),
            lost_since: Mutex::new(None),
            dispute,
            complaints: Complaints::default(),
        }
    }

    /// Whether any bucket's store says that there is another number of them.
    pub(crate) fn disputed(&self) -> bool {
        self.dispute.any()
    }

    /// Asks the store once.
    pub(crate) async fn ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Store, &'a Caller) -> Answer<'a, Reply<T>>,
    ) -> Result<Answered<T>, StoreError> {
        let sent = self.clock.boottime();
        let answer = question(&*self.store, &self.caller).await;
        let received = self.clock.boottime();
        match answer {
            Ok(reply) => {
                self.answered(&reply.head, sent, received);
                Ok(Answered {
                    received,
                    body: reply.body,
                })
            }
            Err(error) => {
                self.failed(&error, received);
                Err(error)
            }
        }
    }

    /// Tells that the store refuses one unit, however often it does.
    pub(crate) fn refused(&self, unit: &str, tick_ms: i64, why: &str) {
        let now = self.clock.boottime();
        if self.complaints.is_due(format!("{unit}: {why}"), now) {
            event::refused(unit, tick_ms, why);
        }
    }

    /// What is known of the store, and word of each change.
    pub(crate) fn view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// The boot clock.
    pub(crate) fn now(&self) -> Duration {
        self.clock.boottime()
    }

    /// Sleeps on the boot clock.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Waits before try number `tries` (from 1) of a call that failed.
    pub(crate) async fn back_off(&self, tries: u32) {
        let (least, most) = BACK_OFF;
        let wait = least.saturating_mul(1 << tries.min(10).saturating_sub(1));
        self.clock.sleep(wait.min(most)).await;
    }

    fn answered(&self, head: &Head, sent: Duration, received: Duration) {
        self.cluster.learn(head.now_us, sent, received);
        self.dispute.set(self.bucket, false);
        let lost_since = self.lost_since().take();
        if let Some(since) = lost_since {
            event::store_back(self.bucket, received.saturating_sub(since));
        }
        self.view.send_if_modified(|view| {
            let before = view.clone();
            view.up = true;
            if *view.serving != *head.serving {
                view.serving = head.serving.as_str().into();
            }
            view.quarantine_until_ms = head.quarantine_until_ms;
            if before.quarantine_until_ms != view.quarantine_until_ms {
                let now_ms = (head.now_us / 1000) as i64;
                let for_ms = view.quarantine_until_ms - now_ms;
                event::quarantine(self.bucket, for_ms, &before.serving);
            }
            *view != before
        });
    }

    fn failed(&self, error: &StoreError, now: Duration) {
        if let StoreError::Refused(why) = error {
            // It answers: something in it is wrong.
            if self.complaints.is_due(why.clone(), now) {
                event::request_refused(why);
            }
            return;
        }
        if matches!(error, StoreError::OtherBuckets { .. }) {
            self.dispute.set(self.bucket, true);
        }
        let mut lost_since = self.lost_since();
        if lost_since.is_none() {
            *lost_since = Some(now);
            event::store_lost(self.bucket, error);
        }
        drop(lost_since);
        self.view.send_if_modified(|view| {
            let was_up = view.up;
            view.up = false;
            was_up
        });
    }

    fn lost_since(&self) -> std::sync::MutexGuard<'_, Option<Duration>> {
        self.lost_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
