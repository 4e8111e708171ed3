//! The start of a scheduler, step by step. Every mistake is found here, and
//! nothing is left half-started.
//!
//! A worker goes through three stages: [`Joining`] (its store is open),
//! [`Registered`] (the store knows its units) and [`BucketWorker`] (its loop runs).
//! There is one worker, unless `buckets(k)` spreads the jobs over several.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};

use crate::cluster_clock::ClusterClock;
use crate::compiled_job::CompiledJob;
use crate::error::Error;
use crate::event;
use crate::finish::{UnitReleased, report_outcomes};
use crate::join_all::join_all;
use crate::metrics::labels::Op;
use crate::node::preference::NodeTraits;
use crate::node::{Node, NodeSignals};
use crate::outcome_report::OutcomeReport;
use crate::reporter::Reporter;
use crate::run::Runner;
use crate::scheduler::Scheduler;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::builder::SchedulerBuilder;
#[cfg(not(feature = "alerts"))]
use crate::scheduler::declared_rules::declared_rules;
use crate::scheduler::node_shared::NodeShared;
use crate::scheduler::shutdown::{ShutdownState, WorkerTasks};
use crate::scheduler::start_line::StartLine;
use crate::scheduler::store_config::start_error;
use crate::state::CommitsStatements;
use crate::store_client::StoreClient;
use crate::watchdog::{Watchdog, WatchedBucket};
use scheduled_one_protocol::message::{Caller, Heartbeat, QUARANTINE_MARGIN_MS};
use scheduled_one_protocol::{BoxFuture, Bucket, Finding, PreflightError, Store, StoreError};

/// Number of replies from which the first estimate of the cluster's clock is made.
const FIRST_SAMPLES: usize = 3;

/// What makes the rules of jobs count.
#[cfg(not(feature = "alerts"))]
const WAY_OUT: &str =
    "build with the feature `alerts`, and add `.alerts(…)` to the builder of the scheduler";

/// Jobs by the index of their bucket.
type JobsByBucket = BTreeMap<u32, Vec<Arc<CompiledJob>>>;

impl SchedulerBuilder {
    /// Starts the scheduler on the current Tokio runtime. When it returns, the
    /// store was reached and every job is waiting for its next tick.
    ///
    /// # Errors
    ///
    /// Within about 3 seconds, and nothing was started:
    /// [`Error::Connect`] (a bad URL, unreachable, wrong password,
    /// missing right, not a Redis, a newer protocol), [`Error::Setting`],
    /// [`Error::Job`], [`Error::DuplicateJob`], [`Error::State`],
    /// [`Error::NoJobs`], [`Error::UnknownJob`], [`Error::Store`].
    pub async fn start(mut self) -> Result<Scheduler, Error> {
        // 1. Settings and jobs are checked.
        self.check_settings()?;
        let zones = self.zones()?;
        #[cfg(feature = "alerts")]
        let observers = self.add_observers().await?;
        let store = self.open_store().await;
        let chosen = std::mem::take(&mut self.jobs).compile(
            &self.states,
            &zones,
            &self.calendars,
            &self.limits.groups,
        )?;
        let (program, jobs, disabled) = (chosen.program, chosen.jobs, chosen.disabled);
        let jobs_by_bucket = jobs_by_bucket(&jobs, self.buckets);

        // 2. The stores are checked before the first request.
        let stores = self.check_stores(store, &jobs_by_bucket).await?;

        // 3. The first heartbeats: the number of buckets agrees, and the cluster's clock is known.
        let shared = self.share(&jobs, program, &zones)?;
        let joining = join(&shared, &stores, jobs_by_bucket).await?;

        // 4. The watchdog is started, which renews leases on connections of its own.
        let watched = joining.iter().map(Joining::watched).collect();
        let watchdogs = Watchdog::start(&self.clock, watched).await?;

        // 5. The units are registered, and the watermarks of each are known.
        let registered = register_all(joining, watchdogs, &shared).await?;
        let first = registered.first().map(|first| first.worker.now_ms());
        self.log_started(&StartLine {
            node: &shared.node,
            outlook: &shared.outlook,
            jobs: &jobs,
            disabled: &disabled,
            store: &*stores[0],
            now_ms: first.unwrap_or_default(),
            zones: &zones,
        });

        // 6. The loops run.
        let workers = registered.into_iter().map(Registered::spawn);
        let (workers, tasks): (Vec<BucketWorker>, _) = workers.unzip();
        #[cfg(feature = "alerts")]
        let alert_source = self
            .alert_source(&workers, &stores, &jobs, &shared, &observers)
            .await?;
        #[cfg(not(feature = "alerts"))]
        event::rules_without_effect(declared_rules(&jobs).keys(), WAY_OUT);
        Ok(Scheduler {
            workers,
            stores,
            shortest_lease: shortest_lease(&jobs, self.lease),
            zone_data: zones,
            calendars: self.calendars,
            jobs,
            node: shared.node,
            clock: self.clock,
            active_runs: shared.active_runs,
            outlook: shared.outlook,
            metrics: shared.metrics,
            #[cfg(feature = "alerts")]
            alert_source,
            #[cfg(feature = "alerts")]
            monitoring: observers.monitoring,
            stopping: shared.stopping,
            shutdown_grace: self.shutdown_grace,
            shutdown: Mutex::new(ShutdownState::new(tasks)),
        })
    }

    /// Opens the store, which sends no request, and notes among the states what it can do.
    async fn open_store(&mut self) -> Result<Arc<dyn Store>, PreflightError> {
        let opened = Box::pin(self.store.open(&self.namespace, &self.clock)).await;
        // Without a store, that is the error.
        let commits = opened.as_ref().map_or(true, |it| it.commits_statements());
        self.states.insert(CommitsStatements(commits));
        opened
    }

    /// The stores of all buckets, given the first; those that this node needs were checked. Boxed: the type of the
    /// whole future would be too deep for rustc in a program that awaits it a few functions down.
    async fn check_stores(
        &self,
        first: Result<Arc<dyn Store>, PreflightError>,
        jobs_by_bucket: &JobsByBucket,
    ) -> Result<Vec<Arc<dyn Store>>, Error> {
        let first = first.map_err(start_error)?;
        let stores: Vec<_> = Bucket::all(self.buckets)
            .map(|bucket| first.open(bucket))
            .collect();
        let checked = Box::pin(preflight(&stores, jobs_by_bucket)).await;
        checked.map_err(start_error)?;
        Ok(stores)
    }
}

/// The buckets in which this node has jobs, and the first bucket, with their jobs.
fn jobs_by_bucket(jobs: &[Arc<CompiledJob>], buckets: u32) -> JobsByBucket {
    let mut by_bucket = JobsByBucket::from([(0, Vec::new())]);
    for job in jobs {
        let bucket = Bucket::of_job(&job.name, buckets);
        let of_bucket = by_bucket.entry(bucket.index()).or_default();
        of_bucket.push(Arc::clone(job));
    }
    by_bucket
}

/// Registers the units of all buckets at once.
async fn register_all(
    joining: Vec<Joining>,
    watchdogs: impl IntoIterator<Item = Watchdog>,
    shared: &NodeShared,
) -> Result<Vec<Registered>, Error> {
    let workers = joining.into_iter().zip(watchdogs);
    let registering = workers
        .map(|(worker, watchdog)| Box::pin(worker.register(shared, watchdog)) as BoxFuture<'_, _>);
    join_all(registering).await.into_iter().collect()
}

/// Checks the stores of the buckets that this node needs.
async fn preflight(
    stores: &[Arc<dyn Store>],
    jobs_by_bucket: &JobsByBucket,
) -> Result<(), PreflightError> {
    let needed = jobs_by_bucket.keys();
    let needed = needed.map(|index| &stores[*index as usize]);
    let checks = needed.map(|store| store.preflight());
    let findings: Result<Vec<_>, _> = join_all(checks).await.into_iter().collect();
    let mut logged: Vec<Finding> = Vec::new();
    for finding in findings?.into_iter().flatten() {
        if !logged.contains(&finding) {
            event::doubtful(&finding);
            logged.push(finding);
        }
    }
    Ok(())
}

/// A worker whose store is open. Its units are not registered.
struct Joining {
    jobs: Vec<Arc<CompiledJob>>,
    store: Arc<dyn Store>,
    cluster: Arc<ClusterClock>,
    client: Arc<StoreClient>,
}

/// A worker whose units are registered. Its loop does not run.
struct Registered {
    worker: BucketWorker,
    node: Node,
    reports_receiver: mpsc::UnboundedReceiver<OutcomeReport>,
    released_sender: mpsc::UnboundedSender<UnitReleased>,
}

/// Sends the first heartbeats. The first bucket says how many buckets the
/// namespace has, so nothing is written into the others before it agrees.
async fn join(
    shared: &NodeShared,
    stores: &[Arc<dyn Store>],
    jobs_by_bucket: JobsByBucket,
) -> Result<Vec<Joining>, Error> {
    let buckets = Bucket::all(stores.len() as u32).zip(stores);
    let joining = |(bucket, store): (Bucket, &Arc<dyn Store>)| {
        let jobs = jobs_by_bucket.get(&bucket.index())?;
        Some(Joining::new(
            shared,
            bucket,
            Arc::clone(store),
            jobs.clone(),
        ))
    };
    let joining: Vec<Joining> = buckets.filter_map(joining).collect();
    if let Some((first, others)) = joining.split_first() {
        first.handshake().await?;
        let others = others.iter();
        let others = others.map(|other| Box::pin(other.handshake()) as BoxFuture<'_, _>);
        join_all(others)
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
    }
    Ok(joining)
}

impl Joining {
    /// `jobs` are those of the bucket, ordered by name; there may be none.
    fn new(
        shared: &NodeShared,
        bucket: Bucket,
        store: Arc<dyn Store>,
        jobs: Vec<Arc<CompiledJob>>,
    ) -> Self {
        let leases = jobs.iter().map(|job| job.lease(shared.default_lease));
        let longest_lease = leases.clone().max().unwrap_or(shared.default_lease);
        let shortest_lease = leases.min().unwrap_or(shared.default_lease);
        let clock = Arc::clone(&shared.clock);
        let cluster = Arc::new(ClusterClock::new(clock, shortest_lease, bucket));
        let caller = Caller {
            node: shared.identity.clone(),
            name: shared.node.to_string(),
            quarantine_ms: longest_lease.as_millis() as i64 + QUARANTINE_MARGIN_MS,
            margin_ms: QUARANTINE_MARGIN_MS,
            ledger_limit: shared.ledger_limit,
            buckets: bucket.of(),
        };
        let client = Arc::new(StoreClient::new(
            bucket,
            caller,
            Arc::clone(&store),
            Arc::clone(&shared.clock),
            Arc::clone(&cluster),
            shared.bucket_mismatch.clone(),
            Arc::clone(&shared.metrics),
        ));
        Joining {
            jobs,
            store,
            cluster,
            client,
        }
    }

    /// Sends heartbeats: the store says whether the namespace has another number
    /// of buckets, and what its clock shows. The node does not count as living yet: it would be preferred for units
    /// before it claims them.
    async fn handshake(&self) -> Result<(), Error> {
        for _ in 0..FIRST_SAMPLES {
            let reply = self.client.request(Op::Heartbeat, |store, caller| {
                store.heartbeat(caller, Heartbeat::leaving())
            });
            match reply.await {
                Ok(_) => {}
                Err(error @ StoreError::OtherBuckets { .. }) => return Err(other_buckets(&error)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What the watchdog needs of the bucket.
    fn watched(&self) -> WatchedBucket {
        WatchedBucket {
            bucket: self.client.bucket,
            store: Arc::clone(&self.store),
            caller: self.client.caller.clone(),
            cluster: Arc::clone(&self.cluster),
            metrics: Arc::clone(&self.client.metrics),
        }
    }

    /// Registers the units.
    async fn register(self, shared: &NodeShared, watchdog: Watchdog) -> Result<Registered, Error> {
        let (reports_sender, reports_receiver) = mpsc::unbounded_channel();
        let (released_sender, released_receiver) = mpsc::unbounded_channel();
        let reporter = Reporter::new(
            Arc::clone(&self.cluster),
            Arc::clone(&shared.node),
            shared.identity.clone(),
            reports_sender,
        );
        let runner = Arc::new(Runner {
            clock: Arc::clone(&shared.clock),
            cluster: self.cluster,
            alarm: shared.alarm.clone(),
            watchdog,
            states: Arc::clone(&shared.states),
            node: Arc::clone(&shared.node),
            active_runs: shared.active_runs.clone(),
            permits: shared.permits.clone(),
            stopping: shared.stopping.clone(),
            slow_polls: Arc::clone(&shared.slow_polls),
            metrics: Arc::clone(&shared.metrics),
            signs: shared.signs.clone(),
            client: Arc::clone(&self.client),
            reporter,
        });
        let node = Node::register(
            Arc::clone(&self.client),
            Arc::clone(&runner),
            (&self.jobs, shared.default_lease),
            shared.outlook.clone(),
            (Arc::clone(&shared.program), shared.zones.clone()),
            NodeTraits {
                labels: shared.labels.clone(),
                permits: shared.permits.clone(),
                is_first_bucket: self.client.bucket.index() == 0,
                program: Arc::clone(&shared.program),
            },
            released_receiver,
        );
        Ok(Registered {
            node: node.await?,
            worker: BucketWorker {
                client: self.client,
                runner,
            },
            reports_receiver,
            released_sender,
        })
    }
}

impl Registered {
    /// Starts the loop, and the task that reports outcomes.
    fn spawn(self) -> (BucketWorker, WorkerTasks) {
        let (drained_sender, drained_receiver) = watch::channel(false);
        let (leave_sender, leave_receiver) = watch::channel(false);
        let signals = NodeSignals {
            stop: self.worker.runner.stopping.subscribe(),
            drained: drained_sender,
            leave: leave_receiver,
        };
        let client = Arc::clone(&self.worker.client);
        let node = tokio::spawn(self.node.drive(signals));
        let outcomes = report_outcomes(client, self.reports_receiver, self.released_sender);
        let outcomes = tokio::spawn(outcomes);
        let tasks = WorkerTasks::new(node, outcomes, drained_receiver, leave_sender);
        (self.worker, tasks)
    }
}

/// The namespace has another number of buckets.
fn other_buckets(error: &dyn fmt::Display) -> Error {
    Error::Setting {
        setting: "buckets",
        message: error.to_string(),
    }
}

/// The shortest of the leases of these jobs, of which those that say none have this one.
fn shortest_lease(jobs: &[Arc<CompiledJob>], lease: Duration) -> Duration {
    let leases = jobs.iter().map(|job| job.lease(lease));
    leases.min().unwrap_or(lease)
}
