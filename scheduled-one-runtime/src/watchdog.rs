//! The watchdog: one thread with a runtime and a connection of its own to each
//! bucket, that renews the leases of all runs of the node. Business code that
//! blocks its runtime does not lose its lease, and a renewal never waits for a
//! claim.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::active_run::ActiveRun;
use crate::cluster_clock::ClusterClock;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::renewal::Renewals;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::Caller;
use scheduled_one_protocol::{BoxFuture, Store, StoreError};

/// Hands the runs of one bucket to the watchdog. The thread stops when the
/// handles of all buckets are dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    renewals: Arc<Renewals>,
    /// Stops the renewals of this bucket when it is dropped.
    _stop: oneshot::Sender<()>,
}

/// A bucket whose leases the watchdog renews.
pub(crate) struct WatchedBucket {
    pub(crate) bucket: Bucket,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) caller: Caller,
    pub(crate) cluster: Arc<ClusterClock>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Watchdog {
    /// Starts the thread, and opens its connections. Returns a handle for each bucket, in their order.
    ///
    /// # Errors
    ///
    /// The thread cannot be started, or a connection cannot be opened: a store that takes one connection of a node may
    /// refuse its second. Then the thread ends.
    pub(crate) async fn start(
        clock: &Arc<dyn Clock>,
        buckets: Vec<WatchedBucket>,
    ) -> Result<Vec<Self>, Error> {
        let mut watchdogs = Vec::with_capacity(buckets.len());
        let mut opening = Vec::with_capacity(buckets.len());
        let mut tasks: Vec<BoxFuture<'static, ()>> = Vec::with_capacity(buckets.len());
        for watched in buckets {
            let clock = Arc::clone(clock);
            let (bucket, store) = (watched.bucket, watched.store.open(watched.bucket));
            let (cluster, metrics) = (watched.cluster, watched.metrics);
            let renewals = Renewals::new(bucket, watched.caller, clock, cluster, store, metrics);
            let renewals = Arc::new(renewals);
            let (stop, stopped) = oneshot::channel();
            let (opened, is_open) = oneshot::channel();
            tasks.push(Box::pin(renew_until(
                Arc::clone(&renewals),
                opened,
                stopped,
            )));
            opening.push(is_open);
            watchdogs.push(Watchdog {
                renewals,
                _stop: stop,
            });
        }
        run(clock, tasks).map_err(Error::Watchdog)?;
        for is_open in opening {
            // The sender is only dropped without a word if the thread panicked.
            let ended = |_| Error::Watchdog(io::Error::other("the thread ended"));
            is_open.await.map_err(ended)?.map_err(not_open)?;
        }
        Ok(watchdogs)
    }

    /// Renews the lease of the run from now on, until the run has ended.
    pub(crate) fn add(&self, run: Arc<ActiveRun>) {
        self.renewals.add(run);
    }

    /// Renews all leases within this time.
    pub(crate) fn renew_within(&self, time: Duration) {
        self.renewals.renew_within(time);
    }
}

/// Runs the tasks on a thread of their own, or, with a clock that is not the machine's, on the runtime of the caller.
fn run(clock: &Arc<dyn Clock>, tasks: Vec<BoxFuture<'static, ()>>) -> io::Result<()> {
    if clock.is_virtual() {
        tasks.into_iter().for_each(|task| drop(tokio::spawn(task)));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let all = async move {
        let mut tasks: JoinSet<()> = tasks.into_iter().collect();
        while tasks.join_next().await.is_some() {}
    };
    std::thread::Builder::new()
        .name("scheduled-one-watchdog".to_owned())
        .spawn(move || runtime.block_on(all))?;
    Ok(())
}

async fn renew_until(
    renewals: Arc<Renewals>,
    opened: oneshot::Sender<Result<(), StoreError>>,
    stopped: oneshot::Receiver<()>,
) {
    let renewing = async {
        let result = renewals.open().await;
        // A start that was dropped does not wait, and has dropped the handle.
        let _ = opened.send(result);
        Arc::clone(&renewals).run().await;
    };
    tokio::select! {
        biased;
        _ = stopped => {}
        () = renewing => {}
    }
}

/// The error of a store that accepts the connection for claims, and not the one for renewals.
fn not_open(error: StoreError) -> Error {
    const SECOND: &str = "the node's second connection, which renews leases";
    Error::Store(match error {
        StoreError::Unknown(why) => StoreError::Unknown(format!("{SECOND}: {why}")),
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{SECOND}: {why}")),
        StoreError::Refused(why) => StoreError::Refused(format!("{SECOND}: {why}")),
        other => other,
    })
}
