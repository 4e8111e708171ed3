//! Scheduled jobs in services that run as many replicas: each tick runs on
//! exactly one of them. No leader, no server, no table to create.
//!
//! Annotate an async function, start a scheduler in `main`:
//!
//! ```no_run
//! use scheduled_one_runtime::{JobContext, State, scheduled_one, start};
//!
//! # #[derive(Clone)] struct Db;
//! # impl Db { async fn report(&self, _week: u32, _token: u64) -> Result<(), std::io::Error> { Ok(()) } }
//! #[scheduled_one(cron = "0 0 9 * * MON", tz = "Asia/Shanghai", name = "weekly_report")]
//! async fn weekly_report(ctx: JobContext, State(db): State<Db>) -> Result<(), std::io::Error> {
//!     use chrono::Datelike;
//!     let week = ctx.scheduled_at_local().iso_week().week();
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
//! same by hand, [`JobContext`], [`State`] and [`FromJob`] what a job may take,
//! [`Scheduler`] and [`SchedulerBuilder`] the rest, [`doctor()`] what is wrong
//! with a Redis, [`testing`] a kit for tests of jobs.

// The modules, in the order in which a tick meets them: registry → job → tick,
// timer → claim → store → attempt, lease, renewal, guard → finish → ledger,
// audit; link and cluster_clock are the way to the store, scheduler/node.rs
// drives it all.
mod attempt;
mod audit;
mod claim;
mod cluster_clock;
mod complaint;
mod context;
mod error;
mod event;
mod finish;
mod guard;
mod handler;
mod job;
mod lease;
mod ledger;
mod link;
mod registry;
mod renewal;
mod rules;
mod scheduler;
mod tick;
mod timer;
mod watch;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "test-util")]
pub mod lease_bounds;
pub mod testing;

pub use audit::{AuditedTick, TickStatus};
pub use context::{JobContext, Shard};
pub use error::Error;
pub use handler::{BoxError, FromJob, Handler, JobResult, MissingState, State, States};
pub use job::Job;
pub use ledger::{LedgerEntry, Outcome};
pub use scheduled_one_protocol::{Finding, Report, Severity, clock};
#[cfg(feature = "redis")]
pub use scheduled_one_redis::ConnectError;
pub use scheduled_one_schedule::Tz;
pub use scheduled_one_schedule::policy::{
    Backoff, Misfire, OnLeaseLost, OnNodeLoss, Overlap, RetryOn, Scope,
};
pub use scheduler::{JobInfo, Scheduler, SchedulerBuilder, ShutdownReport, doctor, start};

#[doc(inline)]
pub use scheduled_one_macros::scheduled_one;
