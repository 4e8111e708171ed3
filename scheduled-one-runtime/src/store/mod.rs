//! What all nodes share. `protocol` is the truth, `memory` and `redis` keep it.
//!
//! The module is public for those who check or extend the protocol; its items
//! may change before 1.0. Users of jobs need nothing from it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::doctor::{Finding, Report, Severity};
use message::{
    Beat, Caller, Claim, Claimed, Enroll, Finish, Finished, Inspected, LedgerRecord, Marks, Pulse,
    Recorded, Renew, Renewed, Reply, Watched, WrittenOff,
};

pub mod bucket;
pub mod memory;
pub mod message;
mod outcome;
pub mod protocol;
pub mod redis;

/// A future on the heap, so that a store can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer of a store.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Keeps the records of a namespace and applies [`protocol`] to them, each
/// call atomically. Batches hold at most [`message::MAX_BATCH`] items; the
/// answers come in the order of the items.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Decides ticks.
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>>;

    /// Extends leases.
    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>>;

    /// Ends runs and records their outcomes.
    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>>;

    /// Makes units known and raises their marks.
    fn enroll<'a>(
        &'a self,
        caller: &'a Caller,
        enrolls: &'a [Enroll],
    ) -> Answer<'a, Reply<Vec<Marks>>>;

    /// Records runs as lost that stood still for nine tenths of their leases.
    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [Watched],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>>;

    /// Shows that the node lives and asks what is overdue.
    fn beat<'a>(&'a self, caller: &'a Caller, beat: Beat) -> Answer<'a, Reply<Pulse>>;

    /// Writes lines into ledgers: of runs that need no lease, because each node
    /// makes its own. An error if none is written.
    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>>;

    /// What is stored of units now.
    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [String],
    ) -> Answer<'a, Reply<Vec<Inspected>>>;

    /// The newest lines of a job's ledger, newest first, at most `limit`.
    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>>;

    /// The same store through connections of its own: a renewal never waits
    /// behind claims, and never depends on the runtime they are driven by.
    fn open(&self) -> Arc<dyn Store>;

    /// Looks at what the guarantees rest on, and changes nothing.
    fn examine<'a>(&'a self, _needs: &'a JobNeeds) -> BoxFuture<'a, Report> {
        let found = "this store has nothing to say about itself";
        let finding = Finding::new(Severity::Info, "store", found, "");
        let report = Report::new(format!("{self:?}"), vec![finding]);
        Box::pin(async move { report })
    }
}

/// What jobs need of a store, to judge it by.
#[derive(Clone, Debug)]
pub struct JobNeeds {
    /// The shortest lease of a job.
    pub shortest_lease: Duration,
    /// The units whose marks are looked at.
    pub units: Vec<String>,
    /// The clocks of this machine.
    pub clock: Arc<dyn Clock>,
}

/// Why a store gave no answer. The texts hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// No answer came: the request may have been carried out, or may still be.
    Unknown(String),
    /// The request was certainly not carried out; it may be later. Perhaps
    /// somebody has to do something for that, such as to grant a missing right:
    /// then it says what.
    Unavailable(String),
    /// This request will not be carried out until somebody changes something,
    /// and others are: a key of another type. Names it, and the way out.
    Refused(String),
    /// The namespace was written by a newer version of the protocol.
    NewerProtocol {
        /// The version found.
        found: u64,
    },
    /// The namespace is spread over another number of buckets, so that jobs
    /// would be looked for where they are not.
    OtherBuckets {
        /// The number found.
        found: u32,
        /// The number that the caller believes in.
        ours: u32,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unknown(text) => write!(f, "no answer from the store: {text}"),
            StoreError::Unavailable(text) => write!(f, "the store is not available: {text}"),
            StoreError::Refused(text) => write!(f, "the store refuses: {text}"),
            StoreError::NewerProtocol { found } => write!(
                f,
                "the namespace was written by protocol version {found}, this is version {}: \
                 upgrade this service, or give it another namespace",
                protocol::VERSION
            ),
            StoreError::OtherBuckets { found, ours } => write!(
                f,
                "the namespace has {found} bucket(s), and this service says {ours}: a job would \
                 be looked for in two places, and run twice. Give all services of the namespace \
                 the same `buckets`; for another number, give it another namespace, or stop all \
                 its nodes and delete what is stored of it"
            ),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<protocol::NewerProtocol> for StoreError {
    fn from(newer: protocol::NewerProtocol) -> Self {
        StoreError::NewerProtocol { found: newer.found }
    }
}

impl From<protocol::NoEntry> for StoreError {
    fn from(why: protocol::NoEntry) -> Self {
        match why {
            protocol::NoEntry::NewerProtocol(newer) => newer.into(),
            protocol::NoEntry::OtherBuckets { found, ours } => {
                StoreError::OtherBuckets { found, ours }
            }
        }
    }
}
