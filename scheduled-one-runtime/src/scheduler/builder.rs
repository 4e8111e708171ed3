//! The settings of a scheduler.

mod placement;
#[cfg(feature = "redis")]
mod redis;
mod release;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::job::{Job, check_lease, check_name};
use crate::lease::DEFAULT_LEASE;
use crate::run_signs::RunSigns;
use crate::scheduler::builder::placement::Limits;
use crate::scheduler::job_selection::JobSelection;
use crate::scheduler::store_config::StoreConfig;
use crate::state::States;
use scheduled_one_protocol::MAX_BUCKETS;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::clock::{Clock, SystemClock, tokio_time_is_paused};
use scheduled_one_schedule::{Calendar, ZoneData};

/// Ledger lines that a job keeps: least, default, most.
const LEDGER_LINES: (usize, usize, usize) = (1, 1_000, 100_000);

/// Settings of a scheduler; made by [`Scheduler::builder`](crate::Scheduler::builder).
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
    pub(super) store: StoreConfig,
    pub(super) jobs: JobSelection,
    pub(super) namespace: String,
    pub(super) node_name: Option<String>,
    pub(super) application: Option<String>,
    pub(super) generation: u32,
    pub(super) version: Option<String>,
    pub(super) states: States,
    /// A type of which two values were given as state.
    doubled_state: Option<&'static str>,
    pub(super) lease: Duration,
    pub(super) ledger_limit: usize,
    pub(super) buckets: u32,
    pub(super) labels: Vec<String>,
    pub(super) limits: Limits,
    pub(super) shutdown_grace: Duration,
    pub(super) clock: Arc<dyn Clock>,
    /// The rules of time zones; those of the process if there are none.
    zone_data: Option<ZoneData>,
    pub(super) calendars: Vec<Calendar>,
    /// Identity of the node; random if there is none.
    pub(super) identity: Option<String>,
    /// The instruments count nothing.
    pub(super) metrics_off: bool,
    #[cfg(feature = "alerts")]
    pub(super) alerts: Option<scheduled_one_alerts::Alerts>,
    #[cfg(feature = "alerts")]
    pub(super) monitors: Vec<Arc<dyn scheduled_one_alerts::Monitor>>,
    /// Who takes signs of runs.
    pub(super) signs: Option<Arc<dyn RunSigns>>,
}

impl SchedulerBuilder {
    pub(super) fn of(store: StoreConfig) -> Self {
        SchedulerBuilder {
            store,
            jobs: JobSelection::default(),
            namespace: "default".to_owned(),
            node_name: None,
            application: None,
            version: None,
            generation: 0,
            states: States::default(),
            doubled_state: None,
            lease: DEFAULT_LEASE,
            ledger_limit: LEDGER_LINES.1,
            buckets: 1,
            labels: Vec::new(),
            limits: Limits::default(),
            shutdown_grace: Duration::from_secs(25),
            clock: Arc::new(SystemClock),
            zone_data: None,
            calendars: Vec::new(),
            identity: None,
            metrics_off: false,
            #[cfg(feature = "alerts")]
            alerts: None,
            #[cfg(feature = "alerts")]
            monitors: Vec::new(),
            signs: None,
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

    /// The lease of jobs without `lease`. Default 5 s; 200 ms to 1 h. The shorter
    /// it is, the sooner the jobs of a dead node run elsewhere; the longer it is,
    /// the longer an outage of the store a run survives.
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
    /// down, the jobs of the others run. A job is in one bucket, by its name.
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

    /// How long the shutdown after a signal may take in all, see
    /// [`run_until_signal`](crate::Scheduler::run_until_signal). Default 25 s,
    /// of which runs may use 22 s before they are cancelled (with leases of up to 5 s).
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.shutdown_grace = grace;
        self
    }

    /// Adds a job made by hand to the annotated ones.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.jobs.push(job);
        self
    }

    /// Runs only these jobs on this node.
    pub fn only<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.jobs.only = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Does not run these jobs on this node.
    pub fn without<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.jobs.without.extend(names.into_iter().map(Into::into));
        self
    }

    /// The rules of the time zones in which cron expressions are read: those in a folder, say, with
    /// [`ZoneData::from_folder`]. Default: [`ZoneData::current`], which follows `TZDIR` and the system. All
    /// nodes should have the same: where the rules of a job's zone differ, its ticks do.
    pub fn zone_data(mut self, data: ZoneData) -> Self {
        self.zone_data = Some(data);
        self
    }

    /// Days on which jobs are not due that name this calendar in `except`. All
    /// nodes should have the same: its days are part of the schedule's identity.
    ///
    /// ```
    /// use scheduled_one_runtime::{Calendar, Job, Scheduler};
    ///
    /// # async fn demo() -> Result<(), scheduled_one_runtime::Error> {
    /// let holidays = Calendar::new("de-holidays", ["01-01", "2026-04-03", "2026-04-06", "05-01"]);
    /// let report = Job::cron("report", "0 0 9 * * MON-FRI", || async {});
    /// let scheduler = Scheduler::builder("memory://")
    ///     .calendar(holidays)
    ///     .job(report.tz("Europe/Berlin").except(["de-holidays"]))
    ///     .start()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn calendar(mut self, calendar: Calendar) -> Self {
        self.calendars.push(calendar);
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

    /// Counts nothing: for benchmarks, which compare.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn without_metrics(mut self) -> Self {
        self.metrics_off = true;
        self
    }

    /// The zone data that the program gave, or those of the process.
    pub(super) fn zones(&self) -> Result<ZoneData, Error> {
        match &self.zone_data {
            Some(data) => Ok(data.clone()),
            None => ZoneData::current().map_err(|error| Error::Setting {
                setting: "zone_data",
                message: error.to_string(),
            }),
        }
    }

    /// Checks the settings that need neither jobs nor a store.
    pub(super) fn check_settings(&self) -> Result<(), Error> {
        let bad = |setting| move |message| Error::Setting { setting, message };
        check_name(&self.namespace).map_err(bad("namespace"))?;
        if let Some(name) = &self.node_name {
            check_name(name).map_err(bad("node_name"))?;
        }
        self.check_release()?;
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
        self.check_labels().map_err(bad("label"))?;
        self.limits.check()?;
        self.check_calendars().map_err(bad("calendar"))?;
        if tokio::runtime::Handle::try_current().is_err() {
            let message = "a scheduler needs a Tokio runtime: call it under #[tokio::main]";
            return Err(bad("start")(message.to_owned()));
        }
        self.check_time().map_err(bad("clock"))
    }

    fn check_calendars(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for calendar in &self.calendars {
            calendar.check().map_err(|error| error.to_string())?;
            if !names.insert(calendar.name()) {
                return Err(format!(
                    "two calendars are named `{}`; put the days of both into one",
                    calendar.name()
                ));
            }
        }
        Ok(())
    }

    /// Refuses Tokio's paused time where something waits for time to pass on the machine.
    fn check_time(&self) -> Result<(), String> {
        let needs_time = match (self.clock.is_virtual(), self.store.is_remote()) {
            (true, false) => return Ok(()),
            (false, false) => "the scheduler follows the clock of the machine",
            (_, true) => "a server has to reply in time",
        };
        if !tokio_time_is_paused() {
            return Ok(());
        }
        Err(format!(
            "Tokio's time is paused (`start_paused = true` or `tokio::time::pause()`), and {needs_time}. Leave it \
             running; or, in a test of jobs, use `scheduled_one_runtime::testing::TestScheduler`, or `memory://` with \
             a clock that the test moves: `.clock(scheduled_one_runtime::clock::ManualClock::new())`"
        ))
    }
}

impl fmt::Debug for SchedulerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a password.
        f.debug_struct("SchedulerBuilder")
            .field("namespace", &self.namespace)
            .field("node_name", &self.node_name)
            .field("lease", &self.lease)
            .field("jobs", &self.jobs.jobs)
            .finish_non_exhaustive()
    }
}
