//! A node's link to the store. Every call passes here: it is timed, its
//! answer teaches the cluster's clock, and that the store is lost or back is
//! noticed once, not once a try.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::store::message::{Caller, Head, Reply};
use crate::store::{Answer, Store, StoreError};

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

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) caller: Caller,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    view: watch::Sender<View>,
    lost_since: Mutex<Option<Duration>>,
}

impl Link {
    pub(crate) fn new(
        caller: Caller,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        cluster: Arc<ClusterClock>,
    ) -> Self {
        let view = View {
            up: true,
            serving: "".into(),
            quarantine_until_ms: 0,
        };
        Link {
            caller,
            store,
            clock,
            cluster,
            view: watch::Sender::new(view),
            lost_since: Mutex::new(None),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
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

    /// What is known of the store, and word of each change.
    pub(crate) fn view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Waits before try number `tries` (from 1) of a call that failed.
    pub(crate) async fn back_off(&self, tries: u32) {
        let (least, most) = BACK_OFF;
        let wait = least.saturating_mul(1 << tries.min(10).saturating_sub(1));
        self.clock.sleep(wait.min(most)).await;
    }

    fn answered(&self, head: &Head, sent: Duration, received: Duration) {
        self.cluster.learn(head.now_us, sent, received);
        let lost_since = self.lost_since().take();
        if let Some(since) = lost_since {
            event::store_back(received.saturating_sub(since));
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
                event::quarantine(view.quarantine_until_ms - now_ms, &before.serving);
            }
            *view != before
        });
    }

    fn failed(&self, error: &StoreError, now: Duration) {
        if matches!(error, StoreError::Refused(_)) {
            return; // it answers: something in it is wrong
        }
        let mut lost_since = self.lost_since();
        if lost_since.is_none() {
            *lost_since = Some(now);
            event::store_lost(error);
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
