//! A job: a named function with a schedule and policies.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::{Schedule, parse_zone};

use crate::error::Error;
use crate::handler::{AnyHandler, Handler, States, erase};
use crate::lease::{MAX_LEASE, MIN_LEASE};

/// A job registered by hand. Everything the attribute can say can be said
/// here; what is wrong is told by [`start`](crate::SchedulerBuilder::start),
/// with the place the job was made.
///
/// ```
/// use std::time::Duration;
/// use scheduled_one_runtime::{Job, JobContext, Scheduler};
///
/// # async fn demo() -> Result<(), scheduled_one_runtime::Error> {
/// let scheduler = Scheduler::builder("memory://")
///     .job(
///         Job::cron("nightly", "0 30 2 * * *", |ctx: JobContext| async move {
///             println!("{} for {}", ctx.job(), ctx.scheduled_at());
///         })
///         .tz("Europe/Berlin")
///         .lease(Duration::from_secs(10)),
///     )
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "a job runs only when it is given to a scheduler"]
pub struct Job {
    name: String,
    when: When,
    policies: Policies,
    description: Option<String>,
    handler: Box<dyn AnyHandler>,
    declared_at: &'static Location<'static>,
    /// A setting of the other kind of schedule.
    misplaced: Option<&'static str>,
}

/// What was said of the schedule, not checked yet.
#[derive(Debug)]
enum When {
    Cron { expression: String, zone: String },
    Every { period: Duration, offset: Duration },
}

/// How the ticks of a job are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    /// The lease of its runs, where it differs from the scheduler's.
    pub(crate) lease: Option<Duration>,
    /// How long a run may take.
    pub(crate) timeout: Option<Duration>,
}

impl Job {
    /// A job due whenever a cron expression says, in UTC unless
    /// [`tz`](Self::tz) says otherwise.
    #[track_caller]
    pub fn cron<Args: 'static>(
        name: impl Into<String>,
        expression: impl Into<String>,
        handler: impl Handler<Args>,
    ) -> Self {
        let when = When::Cron {
            expression: expression.into(),
            zone: "UTC".to_owned(),
        };
        Self::new(name.into(), when, erase(handler), Location::caller())
    }

    /// A job due each time `period` has passed since the Unix epoch, so that
    /// all nodes agree when that is.
    #[track_caller]
    pub fn every<Args: 'static>(
        name: impl Into<String>,
        period: Duration,
        handler: impl Handler<Args>,
    ) -> Self {
        let when = When::Every {
            period,
            offset: Duration::ZERO,
        };
        Self::new(name.into(), when, erase(handler), Location::caller())
    }

    fn new(
        name: String,
        when: When,
        handler: Box<dyn AnyHandler>,
        declared_at: &'static Location<'static>,
    ) -> Self {
        Job {
            name,
            when,
            policies: Policies::default(),
            description: None,
            handler,
            declared_at,
            misplaced: None,
        }
    }

    /// The IANA time zone of the cron expression, such as `"Asia/Shanghai"`.
    /// On an `every` job it is an error at start: such a job has no zone.
    pub fn tz(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        match &mut self.when {
            When::Cron { zone, .. } => *zone = name,
            When::Every { .. } => self.misplaced = Some("tz"),
        }
        self
    }

    /// Shifts the ticks of an `every` job; shorter than its period.
    /// On a cron job it is an error at start.
    pub fn offset(mut self, shift: Duration) -> Self {
        match &mut self.when {
            When::Every { offset, .. } => *offset = shift,
            When::Cron { .. } => self.misplaced = Some("offset"),
        }
        self
    }

    /// How long a run keeps its right to run without a renewal; after a crash
    /// the job stands still for about so long. Default: the scheduler's, 5 s.
    /// Between 200 ms and 1 h.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.policies.lease = Some(lease);
        self
    }

    /// Cancels a run that takes longer and records it as timed out.
    /// Default: none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policies.timeout = Some(timeout);
        self
    }

    /// A sentence for people, shown by [`jobs`](crate::Scheduler::jobs).
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn declared_at(&self) -> &'static Location<'static> {
        self.declared_at
    }

    /// Checks all that can be checked without a store.
    pub(crate) fn compile(self, states: &States) -> Result<CompiledJob, Error> {
        let bad = |message: String| Error::Job {
            job: self.name.clone(),
            declared_at: self.declared_at,
            message,
        };
        check_name(&self.name).map_err(bad)?;
        if let Some(key) = self.misplaced {
            let only = if key == "tz" { "cron" } else { "every" };
            return Err(bad(format!("`{key}` goes only with `{only}`")));
        }
        let schedule = self.when.compile().map_err(|e| bad(e.to_string()))?;
        check_policies(&self.policies).map_err(bad)?;
        self.handler.check(states).map_err(|missing| Error::State {
            job: self.name.clone(),
            missing,
        })?;
        Ok(CompiledJob {
            name: self.name.into(),
            schedule,
            policies: self.policies,
            description: self.description.map(Into::into),
            handler: self.handler.into(),
        })
    }
}

impl When {
    fn compile(&self) -> Result<Schedule, scheduled_one_schedule::ScheduleError> {
        match self {
            When::Cron { expression, zone } => Schedule::cron(expression, parse_zone(zone)?),
            When::Every { period, offset } => Schedule::every(*period, *offset),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("when", &self.when)
            .field("policies", &self.policies)
            .field("declared_at", &format_args!("{}", self.declared_at))
            .finish_non_exhaustive()
    }
}

/// A job that was found good.
pub(crate) struct CompiledJob {
    pub(crate) name: Arc<str>,
    pub(crate) schedule: Schedule,
    pub(crate) policies: Policies,
    pub(crate) description: Option<Box<str>>,
    pub(crate) handler: Arc<dyn AnyHandler>,
}

impl CompiledJob {
    /// The lease of its runs.
    pub(crate) fn lease(&self, default: Duration) -> Duration {
        self.policies.lease.unwrap_or(default)
    }
}

/// Names are parts of Redis keys and labels of metrics.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    const MAX_NAME_BYTES: usize = 128;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(format!(
            "the name has {} characters; it must have 1 to {MAX_NAME_BYTES}",
            name.len()
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    match name.chars().find(|c| !allowed(*c)) {
        Some(bad) => Err(format!(
            "the name {name:?} has the character {bad:?}; allowed are A-Z a-z 0-9 _ . : / -"
        )),
        None => Ok(()),
    }
}

pub(crate) fn check_lease(lease: Duration) -> Result<(), String> {
    if (MIN_LEASE..=MAX_LEASE).contains(&lease) {
        return Ok(());
    }
    Err(format!(
        "a lease of {lease:?} is out of range; it must be between {MIN_LEASE:?} and {MAX_LEASE:?}"
    ))
}

fn check_policies(policies: &Policies) -> Result<(), String> {
    if let Some(lease) = policies.lease {
        check_lease(lease)?;
    }
    if policies.timeout == Some(Duration::ZERO) {
        return Err("a timeout of zero would cancel each run before it starts".to_owned());
    }
    Ok(())
}
