//! The messages between a node and the store. Plain data: the embedded store and the Redis scripts speak exactly
//! these.
//!
//! Instants are UTC milliseconds of the store's clock (`*_ms`), except `now_us`, which is in microseconds.
//!
//! The enums are exhaustive on purpose: another variant is another version of the protocol, and each store has to
//! decide what to do with it.

mod checkpoint;
mod claim;
mod control;
mod forget;
mod heartbeat;
mod lane;
mod request;
mod run;
mod unit;

pub use checkpoint::{Checkpoint, CheckpointRequest, Checkpointed, MAX_CHECKPOINT_BYTES};
pub use claim::{Claim, Claimed, DueTick, Grant, Intent, Missed, Overlap, Target, Verdict};
pub use control::{Changed, ControlReply, ControlRequest, DirectiveChange};
pub use forget::{Forget, ForgetRequest, Forgotten, MAX_FORGOTTEN_UNITS};
pub use heartbeat::{
    Heartbeat, HeartbeatReply, JobList, JobsDigest, Labels, Load, Member, Membership, Room,
};
pub use lane::{Ask, Asked, Cancel, Cancelled, Take, Taken};
pub use request::{
    Cause, KNOWN_REQUESTS, MAX_ACTOR_BYTES, MAX_ID_BYTES, MAX_NOTE_BYTES, MAX_PARAMETERS_BYTES,
    MAX_WAITING_REQUESTS, OnBusy, Origin, Request,
};
pub use run::{Finish, Finished, OverdueRun, Renew, Renewed, RunId, WrittenOff};
pub use unit::{
    KnownRequest, LowerBounds, Occasion, Recorded, Register, RegisteredUnit, UnitStatus, Watermarks,
};

/// Items of one request, at most. A script that touches more units blocks Redis for longer than a renewal may wait.
pub const MAX_BATCH: usize = 256;

/// How far ahead of the store's clock a tick may be claimed: nodes claim a little ahead, and start when the tick is
/// due. A claim that comes earlier is refused as early.
pub const EARLY_TOLERANCE_MS: i64 = 150;

/// A tick, or a run, that is later than this is caught up with.
pub const LATE_MS: i64 = 250;

/// What nodes add to a lease for the quarantine of its unit: time in which they reconnect and register their units.
pub const QUARANTINE_MARGIN_MS: i64 = 1_000;

/// Most active runs that a node reports.
pub const MAX_RUNNING: u32 = 1_000_000;

/// A node without a heartbeat for this long no longer counts as living: it missed three.
pub const NODE_GONE_MS: i64 = 3_500;

/// A node whose last heartbeat is older is suspect: it missed one. Others take its place, a little later.
pub const SUSPECT_MS: i64 = 1_200;

/// A tick that is undecided for this long after it was due is reported to all nodes: the node that was to claim it does
/// not.
pub const UNCLAIMED_MS: i64 = 400;

/// Where a heartbeat may not name all units, one that follows after this time names the next ones.
pub const ASK_AGAIN_MS: i64 = 50;

/// Nodes that a [`HeartbeatReply`] names, at most.
pub const MAX_NODES: usize = 1_000;

/// The sender of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Random identity of the started scheduler.
    pub node: String,
    /// The node's label in ledgers.
    pub name: String,
    /// How long some unit of the caller must wait after the store lost its memory: the longest lease of the caller's
    /// jobs, and the margin. No unit waits longer because of a lease that this caller states.
    pub quarantine_ms: i64,
    /// What is added to the lease of a unit for its quarantine: time in which nodes reconnect and register.
    pub margin_ms: i64,
    /// How many lines the ledger of a job keeps.
    pub ledger_limit: usize,
    /// How many buckets the caller believes the namespace has. A store that knows another number refuses the request.
    /// 0: the caller asks for the number, and the refusal has it.
    pub buckets: u32,
}

/// The head of every reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The store's clock when it decided.
    pub now_us: u64,
    /// Identity of the serving process and its replication history.
    pub serving: String,
    /// When the store last may have lost decisions: the quarantine of each unit began then. 0 if it never did.
    pub quarantine_from_ms: i64,
    /// When the last quarantine of a unit ends, as far as nodes have stated leases.
    pub quarantine_until_ms: i64,
    /// Changes with each change of a directive; 0 before the first.
    pub control_version: u64,
}

/// A reply and its head.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply<T> {
    /// The store's clock and state.
    pub head: Head,
    /// The answers, in the order of the request's items.
    pub body: T,
}
