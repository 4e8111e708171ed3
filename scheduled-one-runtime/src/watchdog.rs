//! The watchdog: one thread with a runtime and a connection of its own to each
//! bucket, that renews the leases of all runs of the node. Business code that
//! blocks its runtime does not lose its lease, and a renewal never waits for a
//! claim.

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::active_run::ActiveRun;
use crate::cluster_clock::ClusterClock;
use crate::renewal::Renewals;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::Caller;

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
}

impl Watchdog {
    /// Starts the thread. Returns a handle for each bucket, in their order.
    pub(crate) fn start(
        clock: &Arc<dyn Clock>,
        buckets: Vec<WatchedBucket>,
    ) -> io::Result<Vec<Self>> {
        let mut watchdogs = Vec::with_capacity(buckets.len());
        let mut tasks = Vec::with_capacity(buckets.len());
        for watched in buckets {
            let clock = Arc::clone(clock);
            let store = watched.store.open(watched.bucket);
            let renewals = Renewals::new(watched.caller, clock, watched.cluster, store);
            let renewals = Arc::new(renewals);
            let (stop, stopped) = oneshot::channel();
            tasks.push(renew_until(Arc::clone(&renewals), stopped));
            watchdogs.push(Watchdog {
                renewals,
                _stop: stop,
            });
        }
        if clock.is_virtual() {
            tasks.into_iter().for_each(|task| drop(tokio::spawn(task)));
        } else {
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
        }
        Ok(watchdogs)
    }

    /// Renews the lease of the run from now on, until the run has ended.
    pub(crate) fn add(&self, run: Arc<ActiveRun>) {
        self.renewals.add(run);
    }
}

async fn renew_until(renewals: Arc<Renewals>, stopped: oneshot::Receiver<()>) {
    tokio::select! {
        biased;
        _ = stopped => {}
        () = renewals.run() => {}
    }
}
