//! Sets up a scheduler and starts it: all that can be wrong is found here, at
//! once, and nothing is half-started.

#[cfg(feature = "redis")]
mod connect;
mod doctor;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::buckets::{by_bucket, meet_all, preflight_all};
use super::going::Going;
use super::member::{Candidate, Common, Enrolled, all};
use super::open::StoreConfig;
use super::{Scheduler, shutdown::Ending};
use crate::error::Error;
use crate::event;
use crate::handler::States;
use crate::job::{Job, check_lease, check_name};
use crate::lease::DEFAULT_LEASE;
use crate::ledger::instant;
use crate::link::Dispute;
use crate::registry::registered_jobs;
use crate::renewal::Watchdog;
use crate::rules::CompiledJob;
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::{BoxFuture, Store};
use scheduled_one_protocol::{Bucket, MAX_BUCKETS};

/// How many jobs the log line at start names.
const MAX_LISTED: usize = 20;
/// How many ledger lines a job keeps.
const LEDGER_LINES: (usize, usize, usize) = (1, 1_000, 100_000);

/// Settings of a scheduler; made by [`Scheduler::builder`].
///
/// ```
/// use std::time::Duration;
/// use scheduled_one_runtime::{Job, Scheduler, State};
///
/// #[derive(Clone)]
/// struct Db;
///
/// # async fn demo() -> Result<(), scheduled_one_runtime::Error> {
/// let scheduler = Scheduler::builder("memory://")
///     .namespace("billing")
///     .state(Db)
///     .job(Job::every("sweep", Duration::from_secs(60), |State(_db): State<Db>| async {}))
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
///
#[doc = include_str!("../../docs/builder.md")]
#[must_use = "nothing runs until `.start().await`"]
pub struct SchedulerBuilder {
    store: StoreConfig,
    namespace: String,
    node_name: Option<String>,
    states: States,
    doubled_state: Option<&'static str>,
    lease: Duration,
    ledger_limit: usize,
    buckets: u32,
    shutdown_grace: Duration,
    jobs: Vec<Job>,
    only: Option<Vec<String>>,
    without: Vec<String>,
    clock: Arc<dyn Clock>,
    identity: Option<String>,
}

impl SchedulerBuilder {
    pub(super) fn new(url: String) -> Self {
        SchedulerBuilder {
            store: StoreConfig::new(url),
            namespace: "default".to_owned(),
            node_name: None,
            states: States::default(),
            doubled_state: None,
            lease: DEFAULT_LEASE,
            ledger_limit: LEDGER_LINES.1,
            buckets: 1,
            shutdown_grace: Duration::from_secs(25),
            jobs: Vec::new(),
            only: None,
            without: Vec::new(),
            clock: Arc::new(SystemClock),
            identity: None,
        }
    }

    /// Separates services (and environments) that share one Redis: schedulers
    /// of one namespace are one cluster. Default `"default"`; 1 to 128 of
    /// `A-Z a-z 0-9 _ . : / -`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// A label for this node in ledger and logs. It need not be unique:
    /// identity is random and new with each start. Default: that identity.
    pub fn node_name(mut self, name: impl Into<String>) -> Self {
        self.node_name = Some(name.into());
        self
    }

    /// Gives jobs a value to take as [`State<T>`](crate::State): one of each
    /// type.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.states.insert(value) {
            self.doubled_state = Some(std::any::type_name::<T>());
        }
        self
    }

    /// The lease of jobs that ask for none. Default 5 s; 200 ms to 1 h. The
    /// shorter it is, the sooner a dead node's unit goes on; the longer, the
    /// longer an outage of the store a run survives.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How many lines the ledger of a job keeps. Default 1,000; 1 to 100,000.
    /// Each takes about 150 bytes of the store.
    pub fn ledger_limit(mut self, lines: usize) -> Self {
        self.ledger_limit = lines;
        self
    }

    /// Spreads the jobs of the namespace over so many buckets. Default 1; 1 to
    /// 64. A bucket is one hash slot of a Redis Cluster, so with several of them
    /// the work of a namespace is shared by several servers, and while one is
    /// away, the jobs of the others go on. A job is in one bucket, by its name.
    ///
    /// A node sends one command a second and holds two connections for each
    /// bucket in which it has jobs, and for the first.
    ///
    /// The number is stored with the first start, and then another one is
    /// refused: all services of a namespace need the same. The user of Redis
    /// needs the keys `so:{namespace+*}:*` as well.
    pub fn buckets(mut self, buckets: u32) -> Self {
        self.buckets = buckets;
        self
    }

    /// How long runs may go on after a signal, see
    /// [`run_until_signal`](Scheduler::run_until_signal). Default 25 s.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.shutdown_grace = grace;
        self
    }

    /// Adds a job made by hand to the annotated ones.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Runs only these jobs on this node.
    pub fn only<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.only = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Does not run these jobs on this node.
    pub fn without<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.without.extend(names.into_iter().map(Into::into));
        self
    }

    /// Takes the time from another clock: for tests, with the embedded store.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Keeps the records of the namespace in this store, which takes the place of the one that the URL names: a store
    /// of your own, for instance. [`Store`] says what a store has to promise; `scheduled-one-testkit` has the suite
    /// that checks it.
    ///
    /// The store belongs to one namespace already, so [`namespace`](Self::namespace) only labels the log.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use scheduled_one_protocol::memory::MemoryStore;
    /// use scheduled_one_runtime::clock::SystemClock;
    /// use scheduled_one_runtime::{Job, Scheduler};
    ///
    /// # async fn demo() -> Result<(), scheduled_one_runtime::Error> {
    /// let store = MemoryStore::new(Arc::new(SystemClock));
    /// let scheduler = Scheduler::builder("memory://")
    ///     .store(store)
    ///     .job(Job::every("sweep", Duration::from_secs(60), || async {}))
    ///     .start()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn store(mut self, store: impl Store) -> Self {
        self.store.given = Some(Arc::new(store));
        self
    }

    /// An identity that is not random: for simulations, which are to be repeated exactly. No two nodes of a cluster
    /// may have the same.
    #[cfg(feature = "test-util")]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

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
        self.check_settings()?;
        let jobs = self.compile_jobs()?;
        let jobs_of = by_bucket(&jobs, self.buckets);
        // Boxed: the type of the whole future would be too deep for rustc in a program that awaits it a few
        // functions down.
        let first = Box::pin(self.store.open(&self.namespace, &self.clock)).await?;
        let stores: Vec<_> = Bucket::all(self.buckets)
            .map(|bucket| first.open(bucket))
            .collect();
        Box::pin(preflight_all(&stores, &jobs_of)).await?;
        let leases = jobs.iter().map(|job| job.lease(self.lease));
        let shortest_lease = leases.min().unwrap_or(self.lease);
        let identity = match self.identity.take() {
            Some(identity) => identity,
            None => random_identity()?,
        };
        let node: Arc<str> = self.node_name.as_deref().unwrap_or(&identity).into();
        let common = Common {
            clock: Arc::clone(&self.clock),
            identity,
            node,
            default_lease: self.lease,
            ledger_limit: self.ledger_limit,
            states: Arc::new(std::mem::take(&mut self.states)),
            going: Going::default(),
            stopping: watch::Sender::new(false),
            dispute: Dispute::default(),
        };
        let candidates = meet_all(&common, &stores, jobs_of).await?;
        let kept = candidates.iter().map(Candidate::kept).collect();
        let watchdogs = Watchdog::start(&self.clock, kept).map_err(Error::Watchdog)?;
        let enrolling = candidates.into_iter().zip(watchdogs).map(|it| {
            let (candidate, watchdog) = it;
            Box::pin(candidate.enroll(&common, watchdog)) as BoxFuture<'_, _>
        });
        let enrolled: Result<Vec<Enrolled>, Error> = all(enrolling).await.into_iter().collect();
        let enrolled = enrolled?;
        self.report_start(&common.node, &jobs, &stores, enrolled.first());
        let (stop, stopped) = watch::channel(false);
        let driving = enrolled.into_iter().map(|it| it.drive(stopped.clone()));
        let (members, tasks) = driving.unzip();
        Ok(Scheduler {
            members,
            stores,
            jobs,
            node: common.node,
            clock: self.clock,
            going: common.going,
            stopping: common.stopping,
            shortest_lease,
            stop,
            shutdown_grace: self.shutdown_grace,
            end: Mutex::new(Ending::of(tasks)),
        })
    }

    fn check_settings(&self) -> Result<(), Error> {
        let bad = |setting| move |message| Error::Setting { setting, message };
        check_name(&self.namespace).map_err(bad("namespace"))?;
        if let Some(name) = &self.node_name {
            check_name(name).map_err(bad("node_name"))?;
        }
        check_lease(self.lease).map_err(bad("lease"))?;
        let (least, _, most) = LEDGER_LINES;
        if !(least..=most).contains(&self.ledger_limit) {
            let message = format!("{} lines; {least} to {most} are allowed", self.ledger_limit);
            return Err(bad("ledger_limit")(message));
        }
        if !(1..=MAX_BUCKETS).contains(&self.buckets) {
            let message = format!("{}; 1 to {MAX_BUCKETS} are allowed", self.buckets);
            return Err(bad("buckets")(message));
        }
        if let Some(type_name) = self.doubled_state {
            let message = format!(
                "two values of type `{type_name}` were given; jobs tell states apart by type, so \
                 wrap one of them in a type of its own"
            );
            return Err(bad("state")(message));
        }
        if tokio::runtime::Handle::try_current().is_err() {
            let message = "a scheduler needs a Tokio runtime: call it under #[tokio::main]";
            return Err(bad("start")(message.to_owned()));
        }
        Ok(())
    }

    fn compile_jobs(&mut self) -> Result<Vec<Arc<CompiledJob>>, Error> {
        let mut by_name: HashMap<String, Job> = HashMap::new();
        for job in registered_jobs().chain(self.jobs.drain(..)) {
            let second = job.declared_at();
            if let Some(first) = by_name.insert(job.name().to_owned(), job) {
                return Err(Error::DuplicateJob {
                    job: first.name().to_owned(),
                    first: first.declared_at(),
                    second,
                });
            }
        }
        if by_name.is_empty() {
            return Err(Error::NoJobs);
        }
        for name in self.only.iter().flatten().chain(&self.without) {
            if !by_name.contains_key(name) {
                return Err(unknown_job(name, by_name.keys().map(String::as_str)));
            }
        }
        let chosen = |name: &String| {
            let only = self.only.as_ref().is_none_or(|only| only.contains(name));
            only && !self.without.contains(name)
        };
        let mut jobs: Vec<_> = by_name
            .into_values()
            .filter(|job| chosen(&job.name().to_owned()))
            .map(|job| job.compile(&self.states).map(Arc::new))
            .collect::<Result<_, _>>()?;
        if jobs.is_empty() {
            return Err(Error::Setting {
                setting: "only/without",
                message: "they leave no job to run on this node".to_owned(),
            });
        }
        jobs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(jobs)
    }

    /// One line, so that a log shows at a glance what this node runs.
    fn report_start(
        &self,
        node: &str,
        jobs: &[Arc<CompiledJob>],
        stores: &[Arc<dyn Store>],
        first: Option<&Enrolled>,
    ) {
        let now_ms = first.map_or(0, Enrolled::now_ms);
        let mut list: Vec<String> = jobs
            .iter()
            .take(MAX_LISTED)
            .map(|job| match job.schedule.next_after(now_ms) {
                Some(next_ms) => {
                    let next = instant(next_ms).format("%FT%TZ");
                    format!("{} ({}, next {next})", job.name, job.schedule)
                }
                None => format!("{} ({}, never again)", job.name, job.schedule),
            })
            .collect();
        if jobs.len() > MAX_LISTED {
            list.push(format!("and {} more", jobs.len() - MAX_LISTED));
        }
        let store = stores.first().map(|store| format!("{store:?}"));
        event::started(
            jobs.len(),
            node,
            &self.namespace,
            (self.buckets > 1).then_some(self.buckets),
            &store.unwrap_or_default(),
            &list.join("; "),
        );
    }
}

impl fmt::Debug for SchedulerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a password.
        f.debug_struct("SchedulerBuilder")
            .field("namespace", &self.namespace)
            .field("node_name", &self.node_name)
            .field("lease", &self.lease)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}

/// New with each start: a node that restarts is another one.
fn random_identity() -> Result<String, Error> {
    let random = getrandom::u64().map_err(|error| Error::Identity(error.to_string()))?;
    Ok(format!("{random:016x}"))
}

pub(super) fn unknown_job<'a>(job: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.truncate(10);
    Error::UnknownJob {
        job: job.to_owned(),
        known: known.join(", "),
    }
}
