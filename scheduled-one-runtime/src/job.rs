//! A job: a named function with a schedule and policies.

// What was said of the schedule.
pub(crate) mod when;

mod descriptor;
mod failures;
mod placement;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::alert::JobRules;
use scheduled_one_schedule::name;
use scheduled_one_schedule::policy::{
    Misfire, OnLeaseLost, OnNodeLoss, Overlap, Policies, Route, Scope,
};

use crate::compiled_job::{Compiled, CompiledJob};
use crate::environment::switch;
use crate::error::Error;
use crate::handler::{AnyHandler, Handler, erase};
pub(crate) use crate::job::descriptor::check_version;
use crate::job::descriptor::descriptor;
use crate::job::placement::placement;
use crate::job::when::{Rate, Schedules, When};
use crate::job_schedules::JobSchedules;
use crate::rules::Rules;
use crate::state::States;
use crate::user_code;
use scheduled_one_protocol::UnitName;

/// A job made by hand. It has every setting that the attribute has. A mistake is
/// an error of [`start`](crate::SchedulerBuilder::start), which names the place
/// where the job was made.
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
    name: Arc<str>,
    when: When,
    policies: Policies,
    description: Option<String>,
    group: Option<String>,
    /// Labels of the nodes that run it; none stands for every node.
    on: Vec<String>,
    handler: Arc<dyn AnyHandler>,
    declared_at: &'static Location<'static>,
    enabled: bool,
    /// Environment variable that says whether the job is enabled.
    enabled_env: Option<String>,
    /// What of it is worth an alert.
    alert: JobRules,
    /// The scheduler brings it itself.
    is_internal: bool,
    /// What the releases of its crate have in common, if it is one of the attribute.
    label: Option<String>,
    /// The version of its crate, likewise.
    version: Option<String>,
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
        let rate = Rate::Cron(expression.into());
        Self::new(name.into(), rate, erase(handler), Location::caller())
    }

    /// A job due each time `period` has passed since the Unix epoch, so that
    /// all nodes agree when that is.
    #[track_caller]
    pub fn every<Args: 'static>(
        name: impl Into<String>,
        period: Duration,
        handler: impl Handler<Args>,
    ) -> Self {
        let offset = Duration::ZERO;
        let rate = Rate::Every { period, offset };
        Self::new(name.into(), rate, erase(handler), Location::caller())
    }

    /// A job without a schedule: it runs only if somebody asks for it, with
    /// [`Control::run`](crate::control::Control::run).
    #[track_caller]
    pub fn manual<Args: 'static>(name: impl Into<String>, handler: impl Handler<Args>) -> Self {
        let rate = Rate::Manual;
        Self::new(name.into(), rate, erase(handler), Location::caller())
    }

    fn new(
        name: String,
        rate: Rate,
        handler: Arc<dyn AnyHandler>,
        declared_at: &'static Location<'static>,
    ) -> Self {
        Job {
            name: name.into(),
            when: When::new(rate),
            policies: Policies::default(),
            description: None,
            group: None,
            on: Vec::new(),
            handler,
            declared_at,
            enabled: true,
            enabled_env: None,
            alert: JobRules::new(),
            is_internal: false,
            label: None,
            version: None,
        }
    }

    /// The IANA time zone of the cron expression, and of [`start`](Self::start),
    /// [`end`](Self::end), [`within`](Self::within) and [`except`](Self::except),
    /// such as `"Asia/Shanghai"`. Default UTC. On an `every` job without any of
    /// these it is an error at start.
    pub fn tz(mut self, name: impl Into<String>) -> Self {
        self.when.zone = Some(name.into());
        self
    }

    /// Shifts the ticks of an `every` job; shorter than its period.
    /// On a cron job it is an error at start.
    pub fn offset(mut self, shift: Duration) -> Self {
        self.when.has_offset = true;
        if let Rate::Every { offset, .. } = &mut self.when.rate {
            *offset = shift;
        }
        self
    }

    /// The job is not due before this: `"2026-03-01T00:00"` in its zone
    /// ([`tz`](Self::tz)), or with `Z`, an offset or a zone behind it.
    pub fn start(mut self, instant: impl Into<String>) -> Self {
        self.when.start = Some(instant.into());
        self
    }

    /// The job is not due from this on, in the forms of [`start`](Self::start).
    pub fn end(mut self, instant: impl Into<String>) -> Self {
        self.when.end = Some(instant.into());
        self
    }

    /// The job is due only at these times of day in its zone: `"08:00-18:00"`,
    /// `"22:00-06:00"` over midnight, or several with commas between them. The
    /// first time is part of it, the second is not.
    pub fn within(mut self, times: impl Into<String>) -> Self {
        self.when.within = Some(times.into());
        self
    }

    /// The job is not due on these days of its zone: weekdays (`"SAT"`), dates
    /// (`"2026-05-01"`), ranges (`"2026-12-24..2027-01-01"`), dates of each year
    /// (`"12-25"`), and calendars by name, which the
    /// [builder](crate::SchedulerBuilder::calendar) is given. A second call adds
    /// days.
    pub fn except<D: Into<String>>(mut self, days: impl IntoIterator<Item = D>) -> Self {
        let all = self.when.except.get_or_insert_default();
        all.extend(days.into_iter().map(Into::into));
        self
    }

    /// How long a run keeps its right to run without a renewal. After a crash
    /// the job stands still for this and a fifth, and a second. Default: the
    /// scheduler's, 5 s. Between 200 ms and 1 h.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.policies.lease = Some(lease);
        self
    }

    /// Cancels an attempt that takes longer and records it as timed out.
    /// Default: none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policies.timeout = Some(timeout);
        self
    }

    /// Cancels a run whose attempts, and the waits between them, take longer
    /// in all. Default: none.
    pub fn timeout_total(mut self, timeout: Duration) -> Self {
        self.policies.timeout_total = Some(timeout);
        self
    }

    /// What becomes of a tick while the previous run is still going, on any
    /// node. Default: it is skipped.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.policies.overlap = Some(overlap);
        self
    }

    /// What becomes of ticks that nobody could run. Default: they are missed.
    pub fn misfire(mut self, misfire: Misfire) -> Self {
        self.policies.misfire = Some(misfire);
        self
    }

    /// How old a tick may be that [`misfire`](Self::misfire) catches up with.
    /// Default 1 h.
    pub fn catch_up(mut self, window: Duration) -> Self {
        self.policies.catch_up = Some(window);
        self
    }

    /// A tick that cannot start within this is missed, not run late.
    /// Default 60 s.
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.policies.start_deadline = Some(deadline);
        self
    }

    /// What becomes of a run whose node died. Default: it is recorded as lost.
    pub fn on_node_loss(mut self, policy: OnNodeLoss) -> Self {
        self.policies.on_node_loss = Some(policy);
        self
    }

    /// What becomes of a run whose lease cannot be proven any more. Default:
    /// it is cancelled.
    pub fn on_lease_lost(mut self, policy: OnLeaseLost) -> Self {
        self.policies.on_lease_lost = Some(policy);
        self
    }

    /// Spreads starts over this time behind their ticks: each tick of each job
    /// has its own delay, the same on all nodes, never past the next tick.
    /// [`scheduled_at`](crate::JobContext::scheduled_at) stays the tick. Default 0.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.policies.jitter = Some(jitter);
        self
    }

    /// Whether each tick runs on one node or on every node. Default: one.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.policies.scope = Some(scope);
        self
    }

    /// Which node runs its ticks. Default: the same one as long as it lives.
    pub fn route(mut self, route: Route) -> Self {
        self.policies.route = Some(route);
        self
    }

    /// Splits each tick into so many runs, each with a claim, a lease and a
    /// fencing token of its own, spread over the living nodes; a run knows
    /// which one it is by [`shard`](crate::JobContext::shard). 1 to 1,024,
    /// default 1.
    pub fn shards(mut self, shards: u32) -> Self {
        self.policies.shards = Some(shards);
        self
    }

    /// A job that is not enabled does not run on this node; ticks that no node ran are skipped. Default: enabled.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The environment variable that says whether the job is enabled: `true`,
    /// `1`, `yes`, `on`, or `false`, `0`, `no`, `off`. Read at start; unset or
    /// empty, it is as [`enabled`](Self::enabled) says; anything else is an error.
    pub fn enabled_env(mut self, name: impl Into<String>) -> Self {
        self.enabled_env = Some(name.into());
        self
    }

    /// The environment variable that, if it is set and not empty, holds the
    /// cron expression in place of the one given. Read and checked at start.
    ///
    /// An expression that cannot be used is an error, unless the job is
    /// disabled: then the job is left out on this node, with a warning.
    pub fn cron_env(mut self, name: impl Into<String>) -> Self {
        self.when.cron_env = Some(name.into());
        self
    }

    /// The lease it asks for, and its units; none of a job that cannot start.
    pub(crate) fn lease_and_units(&self) -> (Option<Duration>, Vec<UnitName>) {
        let right = check_name(&self.name).is_ok() && self.policies.contradictions().is_empty();
        let shards = self.policies.shards.unwrap_or(1) * u32::from(right);
        let units = (0..shards).map(|index| UnitName::new(&self.name, index));
        (self.policies.lease, units.collect())
    }

    /// Checks all that can be checked without a store.
    pub(crate) fn compile(
        self,
        states: &States,
        schedules: &mut Schedules<'_>,
    ) -> Result<Compiled, Error> {
        let bad = |message: String| Error::Job {
            job: self.name.to_string(),
            declared_at: self.declared_at,
            message,
        };
        let renamed = "give it another name (`name = \"…\"` in the attribute)";
        if !self.is_internal {
            check_name(&self.name).map_err(|why| bad(format!("{why}; {renamed}")))?;
        }
        self.check_placement().map_err(bad)?;
        if let Some((_, why)) = self.alert.fault() {
            return Err(bad(why));
        }
        if let Some(found) = self.policies.contradictions().into_iter().next() {
            return Err(bad(found.message));
        }
        let enabled = self.is_enabled().map_err(bad)?;
        user_code::call(|| self.handler.check(states))
            .map_err(|panic| bad(format!("the check of an argument panicked: {}", panic.text)))?
            .map_err(|missing| Error::State {
                job: self.name.to_string(),
                missing,
            })?;
        let schedule = match self.when.compile(schedules) {
            Ok(schedule) => schedule,
            Err(why) if enabled => return Err(bad(why)),
            // Without its schedule nobody knows which of its ticks are skipped.
            Err(why) => {
                let job = self.name.to_string();
                return Ok(Compiled::LeftOut { job, why });
            }
        };
        Ok(Compiled::Job(Box::new(CompiledJob {
            descriptor: descriptor(&self, &schedule, schedules.zones(), enabled),
            placement: placement(self.group, self.on),
            is_internal: self.is_internal,
            name: self.name,
            schedules: JobSchedules::new(schedule),
            rules: Rules::shared(&self.policies, enabled),
            description: self.description.map(Into::into),
            handler: self.handler,
            metrics: Default::default(),
        })))
    }

    fn is_enabled(&self) -> Result<bool, String> {
        let of_environment = match &self.enabled_env {
            Some(name) => switch(name)?,
            None => None,
        };
        Ok(of_environment.unwrap_or(self.enabled))
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

/// The rule for names, with the error as text.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    name::check_name(name).map_err(|error| error.to_string())
}

/// The rule for leases, for the scheduler's own.
pub(crate) fn check_lease(lease: Duration) -> Result<(), String> {
    let mut policies = Policies::default();
    policies.lease = Some(lease);
    let found = policies.contradictions().pop();
    found.map_or(Ok(()), |found| Err(found.message))
}
