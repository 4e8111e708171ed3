//! The store that all nodes of a namespace share, as a trait. The module [`machine`] decides; a store keeps the records
//! and applies the machine to them.
//!
//! The module is public for authors of stores and of checkers. Programs with jobs need nothing from it, and its items
//! may change before 1.0.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::diagnosis::{Finding, Report, Severity};
use crate::future::BoxFuture;
use crate::ledger::LedgerRecord;
use crate::machine::{self, damage::Damage};
use crate::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, WrittenOff,
};
use crate::statement::Statement;
use crate::trail::{TrailId, TrailLine};
use crate::unit::UnitName;
use crate::value::TickMs;

/// The future of a store's reply.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A bucket of a namespace, as a node uses it: the store keeps the records of the units and applies [`machine`] to
/// them, each request atomically. A batch has at most [`MAX_BATCH`](crate::message::MAX_BATCH) items, and the reply
/// has its items in the order of the request.
///
/// A store that can load and save records in a transaction implements the smaller trait [`Records`](crate::Records),
/// and this trait follows from that.
///
/// Errors: each request fails with a [`StoreError`], for the whole batch.
///
/// Cancel safety: the store may carry out a request whose future was dropped, also later. Callers repeat such a request
/// with the same nonce.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Decides ticks, and starts waiting ticks.
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>>;

    /// Extends the leases of active runs.
    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>>;

    /// Records the outcomes of attempts, and ends runs without a further attempt.
    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>>;

    /// Whether [`commit`](Self::commit) works: the store is a database that takes statements of jobs.
    fn commits_statements(&self) -> bool {
        false
    }

    /// As [`finish`](Self::finish), for the end of one run, and executes statements in the same transaction: they are
    /// committed with the outcome, or neither is. A copy of a request that was carried out executes them no second
    /// time, and a run that has lost its lease executes none.
    ///
    /// Errors: [`StoreError::Statement`] if a statement fails, and nothing was changed.
    fn commit<'a>(
        &'a self,
        _caller: &'a Caller,
        _finish: &'a Finish,
        _statements: &'a [Statement],
    ) -> Answer<'a, Reply<Finished>> {
        Box::pin(async { Err(StoreError::no_statements()) })
    }

    /// Registers units, raises their watermarks to the lower bounds, and returns the watermarks and the schedules that
    /// decide.
    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>>;

    /// Writes off stalled runs: records each as lost, or as taken over with the next attempt in the queue of its unit.
    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>>;

    /// Records that the node is alive or is leaving. The reply has the living nodes, the units with a waiting tick
    /// that can start, and the overdue runs.
    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>>;

    /// Takes directives into account that the caller saw, changes one if it is still the one that the caller saw, and
    /// returns all. The version of a directive is higher than each before; from the first on, the namespace has
    /// [`CONTROL_VERSION`](machine::CONTROL_VERSION).
    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>>;

    /// Writes ledger lines of runs without a lease (`scope = every_node`). The call fails only if no line was
    /// written; the reply says of each line whether its ledger took it.
    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>>;

    /// Reads the watermarks, the run and the queue of units. Nothing is changed.
    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>>;

    /// Lets requests for runs wait in the lanes of their units, each id of a unit once. A request that waits is in the
    /// replies to heartbeats, as long as it can start.
    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>>;

    /// Starts what waits in lanes. A lane is in a batch once.
    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>>;

    /// Cancels active runs: their nodes learn of it with the next renewals.
    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>>;

    /// Reads or writes what a run leaves for the next run of its unit. A run writes only while no later run of the unit
    /// was granted.
    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>>;

    /// Removes what is stored of a job that no living node has, in one step with the look at the nodes: units, queues,
    /// requests, checkpoints, ledger and catalog entry.
    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>>;

    /// Reads at most `limit` lines of a job's ledger, newest first.
    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>>;

    /// Reads at most `limit` entries of the trail, newest first: those before one, or the newest of all.
    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>>;

    /// Waits until the number of news is another than `seen`, and returns it; it is 0 at first. News is that somebody
    /// asked for something and gets it: a directive changed, a run is to be made or cancelled. Nodes learn of it with
    /// their heartbeats and renewals, and send these at once when there is news.
    ///
    /// Nothing depends on it: it may come late, twice, or, in a store that cannot say, never.
    fn news(&self, _seen: u64) -> BoxFuture<'_, u64> {
        Box::pin(std::future::pending())
    }

    /// Returns a bucket of the same namespace with its own connections. A scheduler opens each bucket twice, so that
    /// renewals never wait behind claims and do not depend on the runtime of the claims.
    fn open(&self, bucket: Bucket) -> Arc<dyn Store>;

    /// Checks, before the first request, that jobs can depend on the store. Nothing of the namespace is changed; a
    /// store may make what it keeps its records in (a file, tables), and try its requests on keys of their own.
    ///
    /// Returns the findings that an operator should see although jobs run.
    ///
    /// Errors: a finding that prevents the start.
    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// As [`preflight`](Self::preflight), for a caller that runs no jobs: it may have fewer rights, and the requests
    /// that need more are refused. What a start makes may be missing, and is not made.
    ///
    /// Errors: a finding because of which not even looking is possible.
    fn preflight_for_control(&self) -> BoxFuture<'_, Result<(), PreflightError>> {
        Box::pin(async { self.preflight().await.map(drop) })
    }

    /// Judges high-water marks that the store replied, at `now` by its clock: no tick of a unit runs up to its mark, so
    /// a mark that is far ahead, from a clock that was wrong, makes the unit stand still. The finding of the doctor,
    /// with the severity [`Severity::Ok`] if all is well. No I/O.
    fn judge_marks(&self, marks: &[(UnitName, TickMs)], _now: TickMs) -> Finding {
        Finding::ok("marks", format!("{} units looked at", marks.len()))
    }

    /// Examines the settings of the store on which the guarantees rest. Nothing is changed.
    fn diagnose<'a>(&'a self, _needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        let found = "this store has nothing to say about itself";
        let finding = Finding::new(Severity::Info, "store", found, "");
        let report = Report::new(format!("{self:?}"), vec![finding]);
        Box::pin(async move { report })
    }
}

/// The reason why a scheduler cannot use a store, found before the first request.
#[derive(Debug)]
pub struct PreflightError {
    /// The finding of the doctor for the same problem, with the severity [`Severity::Severe`].
    pub finding: Finding,
    /// The error: a [`StoreError`], or an error type of the crate of the store.
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

/// The needs of jobs, with which [`Store::diagnose`] compares the settings of a store.
#[derive(Clone, Debug)]
pub struct DiagnosticContext {
    /// The shortest lease of a job.
    pub shortest_lease: Duration,
    /// The units whose watermarks are examined.
    pub units: Vec<UnitName>,
    /// The clocks of this machine.
    pub clock: Arc<dyn Clock>,
}

/// The reason why a store did not carry out a request. The texts contain no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// No reply came. The request may have been carried out, or may be carried out later.
    Unknown(String),
    /// The request was not carried out; a repetition may be. The text names what an operator has to do, if anything,
    /// such as granting a missing right.
    Unavailable(String),
    /// The store refuses this request, and carries out others: a key has another type, for example. Repeating helps
    /// only after an operator has acted. The text names the key and what to do.
    Refused(String),
    /// A statement of a job failed, and nothing was changed. The text has no values.
    Statement(String),
    /// The namespace was written by a newer version of the protocol.
    NewerProtocol {
        /// The version that is stored.
        found: u64,
    },
    /// The namespace has another number of buckets than the caller, so the two would look for jobs in different
    /// buckets.
    OtherBuckets {
        /// The number of buckets that the store has.
        found: u32,
        /// The number of buckets that the caller has.
        ours: u32,
    },
}

impl StoreError {
    /// The store is no database that takes statements of jobs.
    pub fn no_statements() -> Self {
        let text = "this store commits no statements of jobs: PostgreSQL and SQLite do";
        StoreError::Statement(text.to_owned())
    }

    /// A checkpoint that nobody could have written is not read.
    pub fn damaged_checkpoint(unit: &UnitName, damage: &Damage) -> Self {
        let Damage { field, value } = damage;
        StoreError::Refused(format!(
            "the checkpoint of {unit} has {value} as {field}: somebody edited it; delete it, and the next run begins \
             without it"
        ))
    }

    /// A request that rests on a damaged record is refused.
    pub fn damaged(unit: &UnitName, damage: &Damage) -> Self {
        let Damage { field, value } = damage;
        StoreError::Refused(format!(
            "the record of {unit} has {value} as {field}: somebody edited it; put it right, or delete the record: the \
             nodes restore its watermarks"
        ))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unknown(text) => write!(f, "no answer from the store: {text}"),
            StoreError::Unavailable(text) => write!(f, "the store is not available: {text}"),
            StoreError::Refused(text) => write!(f, "the store refuses: {text}"),
            StoreError::Statement(text) => write!(f, "a statement of the job failed: {text}"),
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
                 its nodes, consoles and watching commands and delete what is stored of it"
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
