//! The handle to a started scheduler.

mod buckets;
mod builder;
mod every_node;
mod going;
mod member;
mod node;
mod open;
mod run;
mod shutdown;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_one_schedule::policy::Scope;
use tokio::sync::{Mutex, watch};

pub use builder::SchedulerBuilder;

use crate::audit::{AuditedTick, Books, UnitState};
use crate::error::Error;
use crate::event;
use crate::job::check_name;
use crate::lease::Cancel;
use crate::ledger::{LedgerEntry, instant};
use crate::rules::CompiledJob;
use buckets::examine_all;
use going::Going;
use member::Member;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Report;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::Overlap;
use scheduled_one_protocol::{TickMs, UnitName};
use shutdown::Ending;

/// Longest answer of [`Scheduler::ledger`].
const MAX_LEDGER_LINES: usize = 10_000;
/// How many of the next ticks [`Scheduler::jobs`] tells.
const NEXT_TICKS: usize = 5;

/// Starts a scheduler with all annotated jobs of this program.
///
/// `url` is `redis://…`, `redis+sentinel://…` (the Redis that sentinels name) or
/// `redis+cluster://…` (the node of a Redis Cluster that owns the namespace),
/// each with `rediss` for TLS, or `memory://[name]` (embedded, for one process).
/// [`RedisStore::connect`](scheduled_one_redis::RedisStore::connect) has their
/// forms. Short for `Scheduler::builder(url).start()`.
///
/// # Errors
///
/// See [`SchedulerBuilder::start`].
///
/// ```no_run
/// use scheduled_one_runtime::scheduled_one;
///
/// #[scheduled_one(cron = "0 0 9 * * MON", tz = "Asia/Shanghai", name = "weekly_report")]
/// async fn weekly_report() { /* … */ }
///
/// #[tokio::main]
/// async fn main() -> Result<(), scheduled_one_runtime::Error> {
///     let scheduler = scheduled_one_runtime::start("redis://127.0.0.1/").await?;
///     scheduler.run_until_signal().await
/// }
/// ```
pub async fn start(url: impl Into<String>) -> Result<Scheduler, Error> {
    Scheduler::builder(url).start().await
}

/// Looks at the store of a URL, in the namespace `default` of one bucket, and
/// says what the guarantees rest on there: short for `Scheduler::builder(url).doctor()`, see
/// [`SchedulerBuilder::doctor`](crate::SchedulerBuilder::doctor).
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = scheduled_one_runtime::doctor("redis://127.0.0.1/").await;
/// println!("{report}");
/// for finding in report.warnings() {
///     println!("{} needs somebody: {}", finding.check, finding.remedy);
/// }
/// assert!(report.is_usable());
/// # }
/// ```
pub async fn doctor(url: impl Into<String>) -> Report {
    Scheduler::builder(url).doctor().await
}

/// A started scheduler: one node of the cluster.
///
/// Dropping it stops it without grace: nothing new starts, and what runs is
/// cancelled. Keep it for as long as jobs should run, and end it with
/// [`shutdown`](Self::shutdown) or [`run_until_signal`](Self::run_until_signal).
#[must_use = "a scheduler that is dropped stops at once"]
pub struct Scheduler {
    /// In the first bucket, and in each in which this node has jobs; by bucket.
    members: Vec<Member>,
    /// Of all buckets.
    stores: Vec<Arc<dyn Store>>,
    jobs: Vec<Arc<CompiledJob>>,
    node: Arc<str>,
    shortest_lease: Duration,
    clock: Arc<dyn Clock>,
    going: Going,
    /// Retries give way.
    stopping: watch::Sender<bool>,
    /// Nothing new starts.
    stop: watch::Sender<bool>,
    shutdown_grace: Duration,
    /// What is left of it.
    end: Mutex<Ending>,
}

/// A job as [`Scheduler::jobs`] shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobInfo {
    /// Its name, which is its identity in the cluster.
    pub name: String,
    /// When it is due, in words.
    pub schedule: String,
    /// What it is for, if that was said.
    pub description: Option<String>,
    /// Its next ticks, at most five.
    pub next_ticks: Vec<DateTime<Utc>>,
}

/// What happened when a scheduler stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Runs that ended by themselves within the grace.
    pub finished: usize,
    /// Runs that were cancelled because the grace had passed.
    pub cancelled: usize,
    /// Whether the store learned all outcomes. If not, another node finds
    /// these runs standing still and records them as lost.
    pub recorded: bool,
}

impl Scheduler {
    /// Sets up a scheduler; [`start`](SchedulerBuilder::start) starts it.
    pub fn builder(url: impl Into<String>) -> SchedulerBuilder {
        SchedulerBuilder::new(url.into())
    }

    /// Name of this node, as ledger and logs show it.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The jobs of this node, by name.
    pub fn jobs(&self) -> Vec<JobInfo> {
        let now_ms = |job| self.member(job).map_or(0, |it| it.runner.cluster.now_ms());
        let jobs = self.jobs.iter();
        jobs.map(|job| info(job, now_ms(&job.name))).collect()
    }

    /// How many runs are going on this node.
    pub fn running(&self) -> usize {
        self.going.count()
    }

    /// The newest lines of a job's ledger, newest first, at most `limit` (and
    /// never more than 10,000): what became of each tick, on whichever node.
    /// The store keeps 1,000 lines a job, see
    /// [`ledger_limit`](SchedulerBuilder::ledger_limit).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job and the store no
    /// ledger of it; [`Error::Store`] if the store does not answer.
    pub async fn ledger(&self, job: &str, limit: usize) -> Result<Vec<LedgerEntry>, Error> {
        let known = self.jobs.iter().any(|known| *known.name == *job);
        if !known && check_name(job).is_err() {
            return Err(self.unknown(job));
        }
        let limit = limit.min(MAX_LEDGER_LINES);
        let lines = self.store(job).ledger(job, limit).await?;
        if lines.is_empty() && !known {
            return Err(self.unknown(job));
        }
        Ok(lines.into_iter().map(LedgerEntry::from).collect())
    }

    /// Each tick of a job of this node in a range of time, by its schedule,
    /// oldest first, with what became of it: nothing is absent. At most
    /// 10,000 ticks of each shard. Where each node runs the job by itself, nodes
    /// are told apart by name, and each accounts for the ticks from its first
    /// line to its last: a run that its node died in is
    /// [`TickStatus::Unknown`](crate::TickStatus::Unknown). The ledger keeps 1,000 lines a job: what is older is
    /// [`TickStatus::NoLongerKept`](crate::TickStatus::NoLongerKept).
    ///
    /// A tick counts by the schedule and the time zone the job has now, and
    /// only from when the job was first seen.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job; [`Error::Store`] if
    /// the store does not answer.
    pub async fn audit(
        &self,
        job: &str,
        range: Range<DateTime<Utc>>,
    ) -> Result<Vec<AuditedTick>, Error> {
        let found = self.jobs.iter().find(|known| *known.name == *job);
        let found = found.ok_or_else(|| self.unknown(job))?;
        let member = self.member(job).ok_or_else(|| self.unknown(job))?;
        // The state first: what ends meanwhile is in the ledger by then.
        let mut units = Vec::new();
        if found.rules.scope == Scope::One {
            for (shard, unit) in found.units().enumerate() {
                units.push((shard as u32, unit_state(member, found, &unit).await?));
            }
        }
        let lines = self.store(job).ledger(job, MAX_LEDGER_LINES).await?;
        let most = member.link.caller.ledger_limit.min(MAX_LEDGER_LINES);
        let books = Books {
            full: lines.len() >= most,
            lines: lines.into_iter().rev().map(Into::into).collect(),
            units,
        };
        let from_ms = range.start.timestamp_millis() - 1;
        let now_ms = member.runner.cluster.now_ms();
        let to_ms = (range.end.timestamp_millis() - 1).min(now_ms);
        Ok(books.audit(&found.schedule, from_ms, to_ms))
    }

    fn bucket(&self, job: &str) -> Bucket {
        Bucket::of_job(job, self.stores.len() as u32)
    }

    /// What has the ledger of a job, whether this node has the job or not.
    fn store(&self, job: &str) -> &dyn Store {
        &*self.stores[self.bucket(job).index() as usize]
    }

    /// This node where a job is. Some for all jobs that it has.
    fn member(&self, job: &str) -> Option<&Member> {
        let bucket = self.bucket(job);
        self.members.iter().find(|it| it.link.bucket == bucket)
    }

    /// Looks at the store again, as at start and more closely: see
    /// [`SchedulerBuilder::doctor`]. Changes nothing.
    ///
    /// ```
    /// # use scheduled_one_runtime::{Error, Job, Scheduler};
    /// # async fn demo(job: Job) -> Result<(), Error> {
    /// let scheduler = Scheduler::builder("memory://").job(job).start().await?;
    /// let report = scheduler.doctor().await;
    /// assert!(report.is_usable(), "{report}");
    /// # Ok(()) }
    /// ```
    pub async fn doctor(&self) -> Report {
        let mut units_of: BTreeMap<u32, Vec<UnitName>> = BTreeMap::new();
        for job in &self.jobs {
            let bucket = self.bucket(&job.name).index();
            units_of.entry(bucket).or_default().extend(job.units());
        }
        let stores = self.stores.iter().cloned();
        examine_all(stores, &units_of, self.shortest_lease, &self.clock).await
    }

    fn unknown(&self, job: &str) -> Error {
        builder::unknown_job(job, self.jobs.iter().map(|job| &*job.name))
    }

    /// Stops gracefully: no new ticks; running ones may finish within `grace`,
    /// then they are cancelled (told to stop, and dropped a fifth of their
    /// lease later). Leases are released and outcomes recorded, so that other
    /// nodes go on at once. Calling it again does nothing, but for what is left to
    /// do if the future of the first call was dropped: that goes on, with `grace`.
    ///
    /// Takes at most `grace`, a fifth of the longest lease, and about 5 s for
    /// a store that does not answer.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.stop_after(self.clock.sleep(grace)).await
    }

    /// Runs until the process is asked to end (SIGINT, SIGTERM), then shuts
    /// down with the grace of
    /// [`shutdown_grace`](SchedulerBuilder::shutdown_grace) (25 s; Kubernetes
    /// kills after 30). A second signal ends the grace.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if signals cannot be listened for.
    pub async fn run_until_signal(self) -> Result<(), Error> {
        let mut signals = Signals::listen().map_err(Error::Signal)?;
        event::signal(signals.next().await);
        let grace = self.clock.sleep(self.shutdown_grace);
        self.stop_after(async {
            tokio::select! {
                biased;
                () = grace => {}
                again = signals.next() => event::signal(again),
            }
        })
        .await;
        Ok(())
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.stopping.send_replace(true);
        self.going.cancel_all(Cancel::Shutdown);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("node", &self.node)
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

async fn unit_state(
    member: &Member,
    job: &CompiledJob,
    unit: &UnitName,
) -> Result<UnitState, Error> {
    let places = match job.rules.overlap {
        Overlap::Allow(most) => most,
        _ => 0,
    };
    let units: Vec<UnitName> = (0..=places).map(|place| unit.with_slot(place)).collect();
    let ask = member
        .link
        .ask(|store, caller| store.inspect(caller, &units));
    let inspected = ask.await?.body;
    let marks = inspected.first().map(|own| own.marks).unwrap_or_default();
    let waiting = inspected.iter().flat_map(|unit| {
        unit.waiting
            .iter()
            .map(|tick| tick.ms())
            .collect::<Vec<_>>()
    });
    Ok(UnitState {
        decided_to_ms: marks.decided_to().map_or(0, TickMs::ms),
        born_ms: marks.first_seen_ms.unwrap_or(0),
        waiting: waiting.collect(),
        running: inspected
            .iter()
            .filter_map(|unit| unit.running.map(TickMs::ms))
            .collect(),
    })
}

fn info(job: &CompiledJob, now_ms: i64) -> JobInfo {
    let next = |after: &i64| job.schedule.next_after(*after);
    let ticks = std::iter::successors(next(&now_ms), next);
    JobInfo {
        name: job.name.to_string(),
        schedule: job.schedule.to_string(),
        description: job.description.as_deref().map(str::to_owned),
        next_ticks: ticks.take(NEXT_TICKS).map(instant).collect(),
    }
}

/// The signals that ask a process to end.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
