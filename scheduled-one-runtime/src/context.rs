//! What a running job knows of its run.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Timestamp, ZonedDateTime};
use scheduled_one_schedule::Zone;

use crate::attempt::Attempt;
use crate::state::States;
use crate::user_code;
use scheduled_one_protocol::Statement;
use scheduled_one_protocol::message::{Cause, Origin};

/// The run a job function is in: which tick, under which lease and token.
///
/// Take it as an argument, or call it from an extractor of your own
/// ([`FromJob`](crate::FromJob)). It is cheap to clone; a clone handed to a
/// spawned task shows that task when the run is over.
///
/// ```
/// use scheduled_one_runtime::{JobContext, scheduled_one};
///
/// #[scheduled_one(every = "10m", name = "rollup")]
/// async fn rollup(ctx: JobContext) {
///     for part in 0..100 {
///         if ctx.is_cancelled() {
///             return; // the lease cannot be proven any more, or we shut down
///         }
///         write(part, ctx.fencing_token()).await;
///     }
/// }
/// # async fn write(_part: u32, _token: u64) {}
/// ```
#[derive(Clone)]
pub struct JobContext {
    run: Arc<RunFacts>,
}

/// One of the runs of a tick: a job with `shards = n` makes `n` runs of each
/// tick, and each of them does its part of the work.
///
/// ```
/// use scheduled_one_runtime::{JobContext, scheduled_one};
///
/// #[scheduled_one(every = "1m", name = "invoices", shards = 4)]
/// async fn invoices(ctx: JobContext) {
///     let shard = ctx.shard();
///     for customer in 0..1_000_u32 {
///         if customer % shard.count == shard.index {
///             write_invoice(customer).await;
///         }
///     }
/// }
/// # async fn write_invoice(_customer: u32) {}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Shard {
    /// Number of this shard, from 0 to `count - 1`.
    pub index: u32,
    /// Number of shards of a tick; 1 unless the job has `shards`.
    pub count: u32,
}

impl Shard {
    /// The shard of a job without `shards`.
    pub(crate) const WHOLE: Shard = Shard { index: 0, count: 1 };

    pub(crate) fn new(index: u32, count: u32) -> Self {
        Shard { index, count }
    }
}

/// What was fixed when the run was granted.
pub(crate) struct RunFacts {
    pub(crate) job: Arc<str>,
    pub(crate) zone: Zone,
    pub(crate) scheduled_at: Timestamp,
    /// Where the run comes from; `None` if the schedule asked for it.
    pub(crate) origin: Option<Origin>,
    /// Parameters of a requested run, as JSON.
    pub(crate) parameters: Option<Arc<str>>,
    pub(crate) fired_at: Timestamp,
    pub(crate) attempt: u32,
    pub(crate) token: u64,
    pub(crate) node: Arc<str>,
    pub(crate) states: Arc<States>,
    pub(crate) control: Attempt,
    pub(crate) shard: Shard,
    pub(crate) missed: u64,
    /// The cluster's clock minus the boot clock, in microseconds.
    pub(crate) clock_offset_us: i64,
    /// What commits with the outcome.
    pub(crate) statements: Mutex<Vec<Statement>>,
}

impl JobContext {
    pub(crate) fn new(run: RunFacts) -> Self {
        JobContext { run: Arc::new(run) }
    }

    pub(crate) fn add_statement(&self, statement: Statement) {
        let statements = self.run.statements.lock();
        statements
            .unwrap_or_else(PoisonError::into_inner)
            .push(statement);
    }

    /// The statements that the function added.
    pub(crate) fn take_statements(&self) -> Vec<Statement> {
        let statements = self.run.statements.lock();
        std::mem::take(&mut *statements.unwrap_or_else(PoisonError::into_inner))
    }

    /// Name of the job.
    pub fn job(&self) -> &str {
        &self.run.job
    }

    /// The tick this run is for: the scheduled instant, not the moment the
    /// function started. The same on whichever node and attempt it runs. Of a
    /// requested run, the instant that the request is for: that of the tick that
    /// is run again, or when it was asked for.
    pub fn scheduled_at(&self) -> Timestamp {
        self.run.scheduled_at
    }

    /// [`scheduled_at`](Self::scheduled_at) as the clocks on the wall show it
    /// in the job's zone (`tz`; UTC for `every`).
    pub fn scheduled_at_local(&self) -> ZonedDateTime {
        self.run
            .scheduled_at
            .to_zoned_datetime(self.run.zone.time_zone().clone())
    }

    /// When this run was started, by the cluster's clock.
    pub fn fired_at(&self) -> Timestamp {
        self.run.fired_at
    }

    /// 1 for the first attempt at the tick.
    pub fn attempt(&self) -> u32 {
        self.run.attempt
    }

    /// Strictly higher than that of each earlier run of this job (of this
    /// shard; with `overlap = allow(n)`, in the order in which the store granted
    /// them; 0 with `scope = every_node`). Hand it to
    /// the resource you write to and have that refuse a lower one: then even
    /// a run that was paused at the worst moment cannot overwrite the work of
    /// its successor.
    ///
    /// The idea is from Martin Kleppmann, "How to do distributed locking"
    /// (2016); Chubby calls it a sequencer.
    pub fn fencing_token(&self) -> u64 {
        self.run.token
    }

    /// Which shard of the tick this run is; shard 0 of 1 unless the job has
    /// `shards`.
    pub fn shard(&self) -> Shard {
        self.run.shard
    }

    /// How many ticks this run stands for beside its own: those of the
    /// catch-up window that nobody could run, where the job has
    /// `misfire = run_once`; 0 elsewhere.
    pub fn missed(&self) -> u64 {
        self.run.missed
    }

    /// Why the run is made, if somebody asked for it; `None` if the schedule did.
    pub fn cause(&self) -> Option<Cause> {
        self.run.origin.as_ref().map(|origin| origin.cause)
    }

    /// Id of the request, if somebody asked for the run. No id of a job starts twice.
    pub fn request_id(&self) -> Option<&str> {
        let origin = self.run.origin.as_ref();
        origin.map(|origin| origin.request.as_str())
    }

    /// Who asked for the run; empty if that was not said, or if the schedule did.
    pub fn requested_by(&self) -> &str {
        let origin = self.run.origin.as_ref();
        origin.map_or("", |origin| &origin.actor)
    }

    /// The parameters of the request as JSON, without a check; empty if there are none.
    /// [`Params`](crate::Params) reads them.
    pub fn parameters(&self) -> &str {
        self.run.parameters.as_deref().unwrap_or_default()
    }

    /// Name of the node that runs it.
    pub fn node(&self) -> &str {
        &self.run.node
    }

    /// Completes when the run should stop: its lease could not be renewed (at
    /// 60 % of it) or was lost, its `timeout` has passed, the scheduler shuts
    /// down and the grace has passed, the next tick is to run instead
    /// (`overlap = cancel_running`), or the run has ended.
    ///
    /// A fifth of the lease later, and at most 5 s (at once, if the lease is
    /// lost; sooner, if the grace of a shutdown ends), the function's future is
    /// dropped. Dropping
    /// stops what the future awaits; it does not stop threads or tasks it
    /// spawned: those watch this, or
    /// [`is_cancelled`](Self::is_cancelled).
    pub async fn cancelled(&self) {
        let cancelled = self.run.control.wait_cancelled();
        user_code::catch_wakes(Box::pin(cancelled)).await;
    }

    /// Whether [`cancelled`](Self::cancelled) is due. Looks at the clock, so
    /// it is right even in a thread that was paused a moment ago.
    pub fn is_cancelled(&self) -> bool {
        self.run.control.cancelled().is_some()
    }

    /// When the run is stopped for good unless its lease is renewed before,
    /// by the cluster's clock. Moves ahead with each renewal. Means nothing
    /// where a run continues without a lease (`on_lease_lost = finish`,
    /// `scope = every_node`).
    pub fn deadline(&self) -> Timestamp {
        let boot_us = self.run.control.lease().deadline().as_micros() as i64;
        Timestamp::from_microsecond(boot_us + self.run.clock_offset_us).unwrap_or_default()
    }

    /// A value given to the scheduler with
    /// [`state`](crate::SchedulerBuilder::state), for extractors of your own.
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.run.states.get::<T>()
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("job", &self.job())
            .field("scheduled_at", &self.scheduled_at())
            .field("attempt", &self.attempt())
            .field("fencing_token", &self.fencing_token())
            .field("node", &self.node())
            .finish_non_exhaustive()
    }
}
