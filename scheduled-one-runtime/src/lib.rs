//! (under construction)

mod claim;
mod cluster_clock;
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
mod scheduler;
mod tick;
mod timer;
mod watch;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod clock;
pub mod store;

pub use context::JobContext;
pub use error::Error;
pub use handler::{BoxError, FromJob, Handler, JobResult, MissingState, State, States};
pub use job::Job;
pub use ledger::{LedgerEntry, Outcome};
pub use scheduled_one_schedule::Tz;
pub use scheduler::{JobInfo, Scheduler, SchedulerBuilder, Shutdown, start};
pub use store::redis::ConnectError;

#[doc(inline)]
pub use scheduled_one_macros::scheduled_one;
