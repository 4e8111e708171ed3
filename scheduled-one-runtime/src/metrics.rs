//! The instruments of a node: a closed set, fed where events are, and read without a request to the store.
//!
//! What concerns one job is in its [`JobMetrics`](job_metrics::JobMetrics); the rest is here. [`Metrics::collect`]
//! makes families of all of it: the text of `openmetrics.rs` and what `mirror.rs` passes on come from there.

#[cfg(feature = "alerts")]
pub(crate) mod alert_metrics;
pub(crate) mod counters;
pub(crate) mod family;
pub(crate) mod job_metrics;
pub(crate) mod labels;
#[cfg(feature = "alerts")]
pub(crate) mod monitor_metrics;
pub(crate) mod openmetrics;

mod backlog;
mod catalog;
mod collect;
mod mirror;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::active_runs::ActiveRuns;
use crate::cluster_clock::ClusterClock;
use crate::compiled_job::CompiledJob;
use crate::node::outlook::Outlook;
use backlog::{Backlog, RunNote};
use counters::{Bounds, Counters, Histogram, add};
use job_metrics::{DURATIONS, JobMetrics, LATENESSES};
use labels::{JOB_NAME, Op, RESULTS, VERDICTS, verdict};
use mirror::Mirror;
use scheduled_one_protocol::message::{RunId, Verdict};
use scheduled_one_protocol::{Bucket, Outcome, StoreError, UnitName};
use scheduled_one_schedule::name::is_internal;

/// Most jobs that have a label of their own in the text: a server of metrics keeps each label for long.
pub(crate) const MOST_JOBS: usize = 1_000;
/// The label of the jobs beyond.
pub(crate) const OTHER_JOBS: &str = "other";
/// Buckets of the durations of requests, in seconds.
const REQUEST_DURATIONS: Bounds = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0,
];

/// The instruments of a node, in all its buckets.
pub(crate) struct Metrics {
    /// Nothing is counted: for benchmarks, which compare.
    off: bool,
    /// Somebody has read the instruments.
    are_read: AtomicBool,
    namespace: String,
    /// Number of buckets of the namespace.
    bucket_count: u32,
    /// The jobs of the program on the node, ordered by name.
    jobs: Vec<Arc<CompiledJob>>,
    /// What runs left to be counted.
    backlog: Backlog,
    /// Jobs that the node does not have, and whose stalled runs it writes off.
    elsewhere: JobMetrics,
    /// Ticks that waited in jobs that are gone, and that this node recorded as missed: no job of its own has such.
    missed_in_gone: AtomicU64,
    /// Jobs of the scheduler's own, which show nothing.
    internal: JobMetrics,
    active_runs: ActiveRuns,
    outlook: Outlook,
    /// By verdict; the last are refused.
    claims: Counters<{ VERDICTS.len() + 1 }>,
    leases_lost: AtomicU64,
    readopted: AtomicU64,
    requests: [[Histogram; RESULTS.len()]; Op::ALL.len()],
    /// The buckets in which the node works.
    buckets: RwLock<Vec<Arc<BucketMetrics>>>,
    mirror: Mirror,
    /// Of a node that was given alerts.
    #[cfg(feature = "alerts")]
    alerts: std::sync::OnceLock<alert_metrics::AlertMetrics>,
    /// Of a node that was given monitors.
    #[cfg(feature = "alerts")]
    monitors: std::sync::OnceLock<std::sync::Arc<monitor_metrics::MonitorMetrics>>,
}

/// The instruments of a node in one bucket.
#[derive(Debug)]
pub(crate) struct BucketMetrics {
    bucket: Bucket,
    cluster: Arc<ClusterClock>,
    /// When the counters of the node began, by the boot clock.
    started: Duration,
    up: AtomicBool,
    quarantines: AtomicU64,
    nodes: AtomicU64,
}

impl BucketMetrics {
    /// Whether the store replied to the last request.
    pub(crate) fn store_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    pub(crate) fn quarantine_began(&self) {
        add(&self.quarantines, 1);
    }

    pub(crate) fn living_nodes(&self, count: usize) {
        self.nodes.store(count as u64, Ordering::Relaxed);
    }
}

impl Metrics {
    /// The instruments of a node with these jobs, which are ordered by name.
    pub(crate) fn new(
        namespace: &str,
        bucket_count: u32,
        jobs: &[Arc<CompiledJob>],
        active_runs: ActiveRuns,
        outlook: Outlook,
        off: bool,
    ) -> Self {
        Metrics {
            off,
            are_read: AtomicBool::new(false),
            namespace: namespace.to_owned(),
            bucket_count,
            jobs: jobs
                .iter()
                .filter(|job| !job.is_internal)
                .cloned()
                .collect(),
            backlog: Backlog::default(),
            elsewhere: JobMetrics::default(),
            missed_in_gone: AtomicU64::new(0),
            internal: JobMetrics::default(),
            active_runs,
            outlook,
            claims: Counters::default(),
            leases_lost: AtomicU64::new(0),
            readopted: AtomicU64::new(0),
            requests: Default::default(),
            buckets: RwLock::default(),
            mirror: Mirror::new(),
            #[cfg(feature = "alerts")]
            alerts: std::sync::OnceLock::new(),
            #[cfg(feature = "alerts")]
            monitors: std::sync::OnceLock::new(),
        }
    }

    /// The node works in this bucket.
    pub(crate) fn add_bucket(
        &self,
        bucket: Bucket,
        cluster: Arc<ClusterClock>,
    ) -> Arc<BucketMetrics> {
        let of_bucket = Arc::new(BucketMetrics {
            bucket,
            started: cluster.boottime(),
            cluster,
            up: AtomicBool::new(true),
            quarantines: AtomicU64::new(0),
            nodes: AtomicU64::new(0),
        });
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        buckets.push(Arc::clone(&of_bucket));
        of_bucket
    }

    /// The node evaluates alerts, and sends messages over these channels.
    #[cfg(feature = "alerts")]
    pub(crate) fn add_alerts(&self, channels: Vec<String>) {
        let _ = self.alerts.set(alert_metrics::AlertMetrics::of(channels));
    }

    /// The instruments of alerts, if the node was given any.
    #[cfg(feature = "alerts")]
    pub(crate) fn alerts(&self) -> Option<&alert_metrics::AlertMetrics> {
        self.alerts.get()
    }

    /// The node informs monitors; their signs are counted there.
    #[cfg(feature = "alerts")]
    pub(crate) fn add_monitors(&self, monitors: std::sync::Arc<monitor_metrics::MonitorMetrics>) {
        let _ = self.monitors.set(monitors);
    }

    fn buckets(&self) -> Vec<Arc<BucketMetrics>> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.clone()
    }

    fn bucket_of(&self, job: &str) -> Bucket {
        Bucket::of_job(job, self.bucket_count)
    }

    /// The cluster's clock in the bucket of a job; 0 if the node does not work there.
    fn now_ms(&self, job: &str) -> i64 {
        let bucket = self.bucket_of(job);
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        let of_bucket = buckets.iter().find(|known| known.bucket == bucket);
        of_bucket.map_or(0, |known| known.cluster.now_ms())
    }

    /// Whether the job at this place has no label of its own.
    fn is_folded(&self, index: usize, most: usize) -> bool {
        self.jobs.len() > most && (index >= most || *self.jobs[index].name == *OTHER_JOBS)
    }

    /// The instruments of a unit's job; those of the jobs that the node does not have, if it does not have it.
    fn of_unit(&self, unit: &UnitName) -> &JobMetrics {
        if is_internal(unit.job()) {
            return &self.internal;
        }
        let index = self.index(unit.job());
        index.map_or(&self.elsewhere, |index| &self.jobs[index].metrics)
    }

    /// What waited in a job that is gone has ended so.
    pub(crate) fn ended_in_gone(&self, unit: &UnitName, outcome: Outcome) {
        match outcome {
            Outcome::Lost => self.lost(unit),
            _ => add(&self.missed_in_gone, 1),
        }
    }

    fn index(&self, job: &str) -> Option<usize> {
        let found = self.jobs.binary_search_by(|known| (*known.name).cmp(job));
        found.ok()
    }

    /// The label of a job in the text.
    fn label<'a>(&self, job: &'a str) -> &'a str {
        match self.index(job) {
            Some(index) if !self.is_folded(index, MOST_JOBS) => job,
            _ => OTHER_JOBS,
        }
    }

    /// The function of a run is called for the first time, `lateness` after its tick was due.
    pub(crate) fn run_began(&self, job: &Arc<CompiledJob>, lateness: Duration) {
        if !self.off && !job.is_internal {
            self.backlog.note(job, RunNote::Began(lateness));
            let labels = || [(JOB_NAME, self.label(&job.name))];
            let of = (catalog::RUN_LATENESS.name, &LATENESSES);
            self.mirror.record(of, labels, lateness);
        }
    }

    /// A run has ended at `at_ms`, `took` after its function was called first, if it was.
    pub(crate) fn run_ended(
        &self,
        job: &Arc<CompiledJob>,
        (cause, shard): (&'static str, u32),
        (outcome, reason): (Outcome, &str),
        took: Option<Duration>,
        at_ms: i64,
    ) {
        if self.off || job.is_internal {
            return;
        }
        match outcome {
            Outcome::Missed => job.metrics.missed_ticks(reason, 1),
            Outcome::Lost => add(&job.metrics.lost, 1),
            outcome => {
                let ended = RunNote::Ended {
                    cause,
                    shard,
                    outcome,
                    took,
                    at_ms,
                };
                self.backlog.note(job, ended);
            }
        }
        if let Some(took) = took {
            let labels = || {
                [
                    (JOB_NAME, self.label(&job.name)),
                    ("outcome", outcome.as_str()),
                ]
            };
            let of = (catalog::RUN_DURATION.name, &DURATIONS);
            self.mirror.record(of, labels, took);
        }
    }

    /// Counts what runs have left to be counted.
    pub(crate) fn count_runs(&self) {
        self.backlog.count();
    }

    pub(crate) fn taken_over(&self, unit: &UnitName) {
        add(&self.of_unit(unit).takeovers, 1);
    }

    pub(crate) fn lost(&self, unit: &UnitName) {
        add(&self.of_unit(unit).lost, 1);
    }

    pub(crate) fn finished_without_lease(&self, run: &RunId) {
        add(&self.of_unit(&run.unit).finished_without_lease, 1);
    }

    pub(crate) fn lease_lost(&self) {
        add(&self.leases_lost, 1);
    }

    pub(crate) fn readopted(&self) {
        add(&self.readopted, 1);
    }

    /// A claim has its verdict; `None` if the store refuses the claim.
    pub(crate) fn claimed(&self, decided: Option<&Verdict>) {
        if !self.off {
            self.claims.add(decided.map_or(VERDICTS.len(), verdict), 1);
        }
    }

    /// A request took so long, and had this reply.
    pub(crate) fn requested<T>(&self, op: Op, reply: &Result<T, StoreError>, took: Duration) {
        if self.off {
            return;
        }
        let result = labels::result(reply);
        self.requests[op as usize][result].record(&REQUEST_DURATIONS, took);
        let labels = || [("op", op.as_str()), ("result", RESULTS[result])];
        let of = (catalog::REQUESTS.name, &REQUEST_DURATIONS);
        self.mirror.record(of, labels, took);
    }

    /// Whether somebody has read the instruments. Until then nothing is asked of the store only for them.
    pub(crate) fn are_read(&self) -> bool {
        self.are_read.load(Ordering::Relaxed)
    }

    /// Passes on what the instruments show, if it is time; `now` is the boot clock.
    pub(crate) fn publish_if_due(&self, now: Duration) {
        self.mirror.publish_if_due(now, || self.collect(MOST_JOBS));
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}
