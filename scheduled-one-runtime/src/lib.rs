//! Scheduled jobs in services that run as many replicas: each tick runs on
//! exactly one of them. No leader, no server, no table to create.
//!
//! Annotate an async function, start a scheduler in `main`:
//!
//! ```no_run
//! use scheduled_one_runtime::{JobContext, State, scheduled_one, start};
//!
//! # #[derive(Clone)] struct Db;
//! # impl Db { async fn report(&self, _week: i8, _token: u64) -> Result<(), std::io::Error> { Ok(()) } }
//! #[scheduled_one(cron = "0 0 9 * * MON", tz = "Asia/Shanghai", name = "weekly_report")]
//! async fn weekly_report(ctx: JobContext, State(db): State<Db>) -> Result<(), std::io::Error> {
//!     let week = ctx.scheduled_at_local().iso_week_date().week();
//!     db.report(week, ctx.fencing_token()).await
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), scheduled_one_runtime::Error> {
//! #   let db = Db;
//!     let scheduler = scheduled_one_runtime::Scheduler::builder("redis://127.0.0.1/")
//!         .state(db)
//!         .start()
//!         .await?;
//!     scheduler.run_until_signal().await
//! }
//! ```
//!
//! What it promises: at most one *start* per tick and attempt, and no two runs
//! of a job at once, as long as the store keeps what it acknowledged or a node
//! that saw it lives. No lock can promise more: a resource that must not see
//! two runs checks the [fencing token](JobContext::fencing_token). Each tick
//! has an outcome in the [ledger](Scheduler::ledger); [audit](Scheduler::audit)
//! lists them by the schedule.
//!
//! Where to look: [`scheduled_one`] has all keys of the attribute, [`Job`] the
//! same by hand, [`JobContext`], [`State`] and [`FromJob`] the arguments of a job,
//! [`Scheduler`] and [`SchedulerBuilder`] the rest, [`doctor()`] the diagnosis of
//! a Redis, [`testing`] a kit for tests of jobs.
//!
#![doc = include_str!("../docs/stability.md")]

// The modules in the order in which a tick meets them. A job is declared, registered and compiled …
mod job;
mod registry;

mod compiled_job;
mod environment;
mod job_schedules;
mod rules;

mod context;
mod handler;
mod state;

// … a scheduler is set up and started …
mod scheduler;

// … its node plans and claims ticks …
mod node;
mod tick;
mod timer;

mod claim;

// … over the way to the store …
mod bucket_mismatch;
mod cluster_clock;
mod log_throttle;
mod request_each;
mod store_client;

// … a granted tick is run, in attempts, under a lease that is renewed …
mod active_run;
mod active_runs;
mod alarm;
mod permits;
mod run;

mod attempt;
mod guard;
mod lease;
mod retry;
mod run_result;
mod run_signs;
mod signal;

mod renewal;
mod watchdog;

// … and its outcome is reported, recorded and read.
mod finish;
mod outcome_report;
mod reporter;

mod audit;
mod audit_reads;
mod ledger;

// Used along the whole way.
mod between_attempts;
mod committing;
mod effects;
mod error;
mod event;
mod join_all;
mod metrics;
mod user_code;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(feature = "chrono")]
pub mod chrono;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "test-util")]
pub mod lease_bounds;
pub mod testing;

pub use audit::{Audit, AuditedTick, TickStatus};
pub use context::{JobContext, Shard};
pub use effects::Effects;
pub use error::Error;
pub use handler::{BoxError, FromJob, Handler, JobResult, Params, State};
pub use jiff;
pub use job::Job;
pub use ledger::{Cause, LedgerEntry, Outcome};
pub use metrics::family::{MetricFamily, MetricKind, MetricSample, MetricValue};
pub use metrics::openmetrics::OPENMETRICS_CONTENT_TYPE;
#[doc(inline)]
#[cfg(feature = "alerts")]
pub use scheduled_one_alerts as alerts;
pub use scheduled_one_control as control;
pub use scheduled_one_protocol::{Finding, Report, Severity, SqlValue, Statement, clock};
#[cfg(feature = "redis")]
pub use scheduled_one_redis::ConnectError;
pub use scheduled_one_schedule::alert::JobRules;
pub use scheduled_one_schedule::policy::{
    Backoff, Misfire, OnLeaseLost, OnNodeLoss, Overlap, RetryOn, Route, Scope,
};
pub use scheduled_one_schedule::{Calendar, ZoneData};
pub use scheduler::builder::SchedulerBuilder;
pub use scheduler::doctor::doctor;
pub use scheduler::{JobInfo, Scheduler, ShutdownReport, start};
pub use state::{MissingState, States};

#[doc(inline)]
pub use scheduled_one_macros::scheduled_one;
