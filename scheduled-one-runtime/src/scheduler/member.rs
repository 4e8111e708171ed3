//! A node in one bucket of its namespace. A bucket is a cluster of its own, so
//! the node is a member of several: in each it has a link, a clock, a loop and
//! a task for outcomes, and one that is away holds up no other.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::going::Going;
use super::node::{Node, NodeEnds};
use super::run::Runner;
use crate::cluster_clock::ClusterClock;
use crate::error::Error;
use crate::event;
use crate::finish::{Freed, Report, tell_outcomes};
use crate::handler::States;
use crate::link::{Dispute, Link};
use crate::renewal::{Kept, Watchdog};
use crate::rules::CompiledJob;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{BoxFuture, Store, StoreError};

/// The store has to grant nothing for the longest lease after it may have
/// forgotten, and for this, in which nodes reconnect and tell what they saw.
const QUARANTINE_MARGIN: Duration = Duration::from_secs(1);
/// Answers of the store from which the first idea of its clock is made.
const FIRST_SAMPLES: usize = 3;
/// How long outcomes may take to be recorded when the scheduler stops.
pub(super) const RECORD_PATIENCE: Duration = Duration::from_secs(2);

/// What a node is in all buckets.
pub(super) struct Common {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) identity: String,
    pub(super) node: Arc<str>,
    pub(super) default_lease: Duration,
    pub(super) ledger_limit: usize,
    pub(super) states: Arc<States>,
    pub(super) going: Going,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) dispute: Dispute,
}

/// A node on its way into a bucket: it has not told of its jobs yet.
pub(super) struct Candidate {
    jobs: Vec<Arc<CompiledJob>>,
    store: Arc<dyn Store>,
    cluster: Arc<ClusterClock>,
    link: Arc<Link>,
}

/// A member that has told of its jobs, but does nothing yet.
pub(super) struct Enrolled {
    member: Member,
    driver: Node,
    untold: mpsc::UnboundedReceiver<Report>,
    free: mpsc::UnboundedSender<Freed>,
}

/// A node in a bucket.
pub(super) struct Member {
    pub(super) link: Arc<Link>,
    pub(super) runner: Arc<Runner>,
}

/// The tasks of a member. All that is done with them while it stops can be left
/// half-way and begun again: who waits for it may lose patience.
pub(super) struct Tasks {
    node: JoinHandle<()>,
    outcomes: JoinHandle<()>,
    claimed: watch::Receiver<bool>,
    good_bye: watch::Sender<bool>,
    /// Whether the store learned all outcomes, when that is known.
    told: Option<bool>,
}

impl Tasks {
    /// Waits, a bounded time, for claims that are under way. Then no run starts
    /// any more.
    pub(super) async fn claimed(&mut self) {
        // An error if the task is gone: then none is under way either.
        let _ = self.claimed.wait_for(|claimed| *claimed).await;
    }
}

/// Waits for the end of a task, also when that was waited for before.
async fn ended(task: &mut JoinHandle<()>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}

impl Candidate {
    /// `jobs` are those of the bucket, ordered by name; there may be none.
    pub(super) fn new(
        common: &Common,
        bucket: Bucket,
        store: Arc<dyn Store>,
        jobs: Vec<Arc<CompiledJob>>,
    ) -> Self {
        let leases = jobs.iter().map(|job| job.lease(common.default_lease));
        let longest_lease = leases.max().unwrap_or(common.default_lease);
        let clock = Arc::clone(&common.clock);
        let cluster = Arc::new(ClusterClock::new(clock, longest_lease, bucket));
        let caller = Caller {
            node: common.identity.clone(),
            name: common.node.to_string(),
            quarantine_ms: (longest_lease + QUARANTINE_MARGIN).as_millis() as i64,
            ledger_limit: common.ledger_limit,
            buckets: bucket.of(),
        };
        let link = Arc::new(Link::new(
            bucket,
            caller,
            Arc::clone(&store),
            Arc::clone(&common.clock),
            Arc::clone(&cluster),
            common.dispute.clone(),
        ));
        Candidate {
            jobs,
            store,
            cluster,
            link,
        }
    }

    /// Beats for the first time: the store says whether it knows another number
    /// of buckets, and what its clock shows.
    pub(super) async fn meet(&self) -> Result<(), Error> {
        for _ in 0..FIRST_SAMPLES {
            let answer = self
                .link
                .ask(|store, caller| store.heartbeat(caller, Heartbeat::Alive));
            match answer.await {
                Ok(_) => {}
                Err(error @ StoreError::OtherBuckets { .. }) => return Err(disputed(&error)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What the watchdog needs to know of it.
    pub(super) fn kept(&self) -> Kept {
        Kept {
            bucket: self.link.bucket,
            store: Arc::clone(&self.store),
            caller: self.link.caller.clone(),
            cluster: Arc::clone(&self.cluster),
        }
    }

    /// Makes its jobs known.
    pub(super) async fn enroll(
        self,
        common: &Common,
        watchdog: Watchdog,
    ) -> Result<Enrolled, Error> {
        let (reports, untold) = mpsc::unbounded_channel();
        let (free, freed) = mpsc::unbounded_channel();
        let runner = Arc::new(Runner {
            clock: Arc::clone(&common.clock),
            cluster: self.cluster,
            watchdog,
            states: Arc::clone(&common.states),
            node: Arc::clone(&common.node),
            going: common.going.clone(),
            stopping: common.stopping.clone(),
            reports: std::sync::Mutex::new(Some(reports)),
        });
        let member = Member {
            link: self.link,
            runner,
        };
        let (link, runner) = (Arc::clone(&member.link), Arc::clone(&member.runner));
        let mut driver = Node::new(link, runner, &self.jobs, common.default_lease, freed);
        driver.enroll_first().await?;
        Ok(Enrolled {
            member,
            driver,
            untold,
            free,
        })
    }
}

/// The namespace has another number of buckets.
pub(super) fn disputed(error: &dyn fmt::Display) -> Error {
    Error::Setting {
        setting: "buckets",
        message: error.to_string(),
    }
}

impl Enrolled {
    /// The clock of its bucket.
    pub(super) fn now_ms(&self) -> i64 {
        self.member.runner.cluster.now_ms()
    }

    /// Runs until told to stop.
    pub(super) fn drive(self, stopped: watch::Receiver<bool>) -> (Member, Tasks) {
        let link = Arc::clone(&self.member.link);
        let (claims_over, claimed) = watch::channel(false);
        let (good_bye, bidden) = watch::channel(false);
        let ends = NodeEnds {
            claimed: claims_over,
            good_bye: bidden,
        };
        let tasks = Tasks {
            node: tokio::spawn(self.driver.drive(stopped, ends)),
            outcomes: tokio::spawn(tell_outcomes(link, self.untold, self.free)),
            claimed,
            good_bye,
            told: None,
        };
        (self.member, tasks)
    }
}

impl Member {
    /// Waits until all outcomes are told to the store, and says good-bye.
    /// Whether it learned them.
    pub(super) async fn leave(&self, tasks: &mut Tasks) -> bool {
        self.runner.close_reports();
        let told = match tasks.told {
            Some(told) => told,
            None => self.tell_all(tasks).await,
        };
        tasks.told = Some(told);
        let clock = &self.runner.clock;
        tasks.good_bye.send_replace(true);
        tokio::select! {
            biased;
            () = ended(&mut tasks.node) => {}
            () = clock.sleep(RECORD_PATIENCE / 4) => tasks.node.abort(),
        }
        let leaving = self
            .link
            .ask(|store, caller| store.heartbeat(caller, Heartbeat::Leaving));
        tokio::select! {
            biased;
            _ = leaving => {}
            () = clock.sleep(RECORD_PATIENCE / 4) => {}
        }
        told
    }

    async fn tell_all(&self, tasks: &mut Tasks) -> bool {
        tokio::select! {
            biased;
            () = ended(&mut tasks.outcomes) => true,
            () = self.runner.clock.sleep(RECORD_PATIENCE) => {
                tasks.outcomes.abort();
                event::unrecorded_at_stop();
                false
            }
        }
    }
}

/// Completes when all of them have; what came of them, in their order.
pub(super) async fn all<T>(steps: impl IntoIterator<Item = BoxFuture<'_, T>>) -> Vec<T> {
    let mut steps: Vec<_> = steps.into_iter().map(|step| (step, None)).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (step, done) in steps.iter_mut().filter(|(_, done)| done.is_none()) {
            match Pin::new(step).poll(cx) {
                Poll::Ready(it) => *done = Some(it),
                Poll::Pending => pending = true,
            }
        }
        match pending {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    steps.into_iter().filter_map(|(_, done)| done).collect()
}
