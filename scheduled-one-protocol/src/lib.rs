//! The protocol of [`scheduled-one`](https://docs.rs/scheduled-one-runtime): what nodes ask of a store, what it
//! answers, and the pure machine that decides.

// In reading order: names and values, messages, decisions, the border to a store, the store of one process.
mod bucket;
mod catalog;
mod directive;
mod hash;
mod schedule;
mod unit;
mod value;

mod ledger;
pub mod message;
mod outcome;
mod statement;
mod trail;

pub mod machine;
mod wanted;
mod working_set;

pub mod fields;

mod checks;
mod diagnosis;
mod future;
mod records;
mod store;

pub mod clock;
pub mod memory;

pub use bucket::{Bucket, MAX_BUCKETS};
pub use catalog::{Catalog, CatalogEntry, JobDescriptor};
pub use checks::{check_asks, check_control};
pub use diagnosis::{Finding, Report, Severity};
pub use directive::{
    ALL_JOBS, Backfill, BackfillRange, Directive, Directives, InForce, MAX_BACKFILL_RANGES,
    MAX_BACKFILL_TICKS, MAX_PAST_PAUSES, PastPause, Pause, ScheduleOverride,
};
pub use future::BoxFuture;
pub use hash::hash;
pub use ledger::{LedgerRecord, MAX_ERROR_BYTES};
pub use outcome::{Outcome, SkipReason};
pub use records::{Decide, Records, Survey};
pub use schedule::{DecidingSchedule, MAX_GENERATION, ScheduleId};
pub use statement::{MAX_STATEMENT_BYTES, MAX_STATEMENTS, MAX_VALUES, SqlValue, Statement};
pub use store::{Answer, DiagnosticContext, PreflightError, Store, StoreError};
pub use trail::{MAX_TRAIL, NoTrailId, TrailEntry, TrailId, TrailLine};
pub use unit::UnitName;
pub use value::{FencingToken, Start, TickMs};
pub use wanted::{Access, Beat, Wanted};
pub use working_set::WorkingSet;
