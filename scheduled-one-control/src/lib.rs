//! Looks at the jobs of a namespace and controls them: from a process that runs no jobs, or from one that does.
//!
//! [`Control`] is the way in. What operators want of a job is a *directive* in the store: it holds for all nodes, is
//! enforced by the step that decides ticks, and survives each node and a store that forgets.
//!
#![doc = include_str!("../README.md")]

// From the URL to the store, then what is done with it.
mod ask;
mod authorization;
mod connect;
mod error;
mod error_kind;

mod reader;
mod rights;
mod store_url;

mod accounts;
mod active;
mod alerts;
pub mod audit;
pub mod backfill;
mod cancel;
mod catalog;
mod change;
mod control;
mod describe;
mod doctor;
mod forget;
mod glance;
mod gone;
mod handle;
mod history;
mod jobs;
mod next_ticks;
mod nodes;
mod older_nodes;
mod releases;
mod reschedule;
mod run;
mod trail;
mod unaccounted;
mod unit_record;
mod wish;

pub use alerts::{AlertsNow, FiringAlert, SentAlert};
pub use backfill::{BackfillJob, BackfillOnly, BackfillPlan, BackfillState};
pub use cancel::{CancelRun, CancelledRun};
pub use catalog::CatalogedJob;
pub use change::{ChangeDirective, Changed};
pub use connect::Connect;
pub use control::Control;
pub use describe::{JobDescription, PauseOf};
pub use error::Error;
pub use error_kind::ErrorKind;
pub use forget::{ForgetJob, ForgottenJob, TakeBack};
pub use glance::{JobGlance, OpenRun};
pub use gone::GoneJob;
pub use handle::{RunHandle, RunState};
pub use jobs::JobSummary;
pub use next_ticks::NextTicks;
pub use nodes::{BucketState, NodeSummary};
pub use reschedule::{OverrideOf, SchedulePreview};
pub use rights::{Action, Rights};
pub use run::RunJob;
pub use scheduled_one_protocol::TrailEntry;
pub use scheduled_one_protocol::message::OnBusy;
pub use scheduled_one_schedule::Calendar;
pub use store_url::{StoreOptions, UnusableUrl, is_redis, is_remote, open_store};
pub use trail::{ReadTrail, Trail, TrailCursor};
pub use unit_record::UnitRecord;
