//! What all nodes share. `protocol` is the truth, `memory` and `redis` keep it.
//!
//! The module is public for those who check or extend the protocol; its items
//! may change before 1.0. Users of jobs need nothing from it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::diagnosis::{Finding, Report, Severity};
use crate::future::BoxFuture;
use crate::ledger::LedgerRecord;
use crate::machine;
use crate::message::{
    Caller, Claim, Claimed, Finish, Finished, Heartbeat, HeartbeatReply, OverdueRun, Recorded,
    Register, Renew, Renewed, Reply, UnitStatus, Watermarks, WrittenOff,
};
use crate::unit::UnitName;

/// The answer of a store.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The store of a namespace, as a node sees it: keeps the records of the units and applies [`machine`] to them, each
/// request atomically. A batch holds at most [`MAX_BATCH`](crate::message::MAX_BATCH) items; the answers come in the
/// order of the items.
///
/// A store that can load and save records in a transaction implements [`Records`](crate::Records) instead, which is
/// less, and gets this trait by it.
///
/// Cancel safety: a dropped call may have been carried out, or may be later. Callers repeat it with the same nonce.
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

    /// Makes units known and raises their watermarks.
    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<Watermarks>>>;

    /// Records runs as lost that stood still for nine tenths of their leases, or queues their takeovers.
    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>>;

    /// Records a node's sign of life, and returns what needs somebody.
    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>>;

    /// Writes lines into ledgers: of runs that have no lease, because each node makes its own. An error if no line is
    /// written.
    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>>;

    /// Shows what is stored of units now.
    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>>;

    /// The newest lines of a job's ledger, newest first, at most `limit`.
    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>>;

    /// One bucket of the same namespace through connections of its own. The scheduler opens each bucket twice, so
    /// that a renewal never waits behind claims and does not depend on the runtime that drives them.
    fn open(&self, bucket: Bucket) -> Arc<dyn Store>;

    /// Checks before the first request whether jobs can depend on the store. Writes nothing. Returns the findings
    /// that an operator should know although jobs run.
    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Examines more closely what the guarantees rest on, and changes nothing.
    fn diagnose<'a>(&'a self, _needs: &'a JobNeeds) -> BoxFuture<'a, Report> {
        let found = "this store has nothing to say about itself";
        let finding = Finding::new(Severity::Info, "store", found, "");
        let report = Report::new(format!("{self:?}"), vec![finding]);
        Box::pin(async move { report })
    }
}

/// Why a scheduler cannot use a store, found before the first request.
#[derive(Debug)]
pub struct PreflightError {
    /// The same as a finding of the doctor; its severity is [`Severity::Severe`].
    pub finding: Finding,
    /// The error with its type: a [`StoreError`], or a type of the store's own crate.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for PreflightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for PreflightError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

/// What jobs need of a store, to judge it by.
#[derive(Clone, Debug)]
pub struct JobNeeds {
    /// The shortest lease of a job.
    pub shortest_lease: Duration,
    /// The units whose marks are looked at.
    pub units: Vec<UnitName>,
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
                machine::VERSION
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

impl From<machine::NewerProtocol> for StoreError {
    fn from(newer: machine::NewerProtocol) -> Self {
        StoreError::NewerProtocol { found: newer.found }
    }
}

impl From<machine::EntryRefused> for StoreError {
    fn from(why: machine::EntryRefused) -> Self {
        match why {
            machine::EntryRefused::NewerProtocol(newer) => newer.into(),
            machine::EntryRefused::OtherBuckets { found, ours } => {
                StoreError::OtherBuckets { found, ours }
            }
        }
    }
}
