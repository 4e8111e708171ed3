//! The protocol of [`scheduled-one`](https://docs.rs/scheduled-one-runtime): what nodes ask of a store, what it
//! answers, and the pure machine that decides.

// In reading order: names and values, messages, decisions, the border to a store, the store of one process.
mod bucket;
mod hash;
mod outcome;

pub mod message;

pub mod machine;

pub mod clock;
mod diagnosis;
mod future;
mod store;

pub mod memory;

pub use bucket::{Bucket, MAX_BUCKETS};
pub use diagnosis::{Finding, Report, Severity};
pub use future::BoxFuture;
pub use hash::hash;
pub use store::{Answer, JobNeeds, PreflightError, Store, StoreError};
