//! Lanes: requests are asked for and taken, and runs are cancelled.

use super::{Claimed, LowerBounds, OnBusy, Overlap, Request};
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

impl OnBusy {
    /// What the policy of a job means for a request that does not say.
    pub fn of_job(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Skip | Overlap::Allow(_) => OnBusy::Skip,
            Overlap::Queue(_) => OnBusy::Wait,
            Overlap::CancelRunning => OnBusy::Cancel,
        }
    }
}

impl Request {
    /// Whether its run and those of the schedule do not wait for each other; `overlap` is the policy of the job.
    pub fn runs_beside(&self, overlap: Overlap) -> bool {
        self.on_busy.unwrap_or(OnBusy::of_job(overlap)) == OnBusy::Allow
    }
}

/// Asks for one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The job, or one shard of it; neither a slot nor a lane.
    pub unit: UnitName,
    /// What is asked for.
    pub request: Request,
}

/// The answer to one [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The request waits in the lane.
    Queued {
        /// Its tick in the lane: each request has its own.
        tick: TickMs,
    },
    /// There was a request with this id before.
    Known {
        /// The tick of that one.
        tick: TickMs,
    },
    /// As many requests wait as may wait; nothing was stored.
    Full,
}

/// Starts what waits in a lane: the claim of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Take {
    /// The lane.
    pub lane: UnitName,
    /// Random id of the claim; the same for each repetition of it.
    pub nonce: String,
    /// A claim that arrives later than this starts nothing.
    pub valid_until_ms: i64,
    /// The lease of a run that starts.
    pub lease_ms: i64,
    /// How often a run may be taken over when its node dies.
    pub takeovers: u32,
    /// What the caller saw decided of the lane.
    pub bounds: LowerBounds,
    /// The policy of the job.
    pub overlap: Overlap,
}

/// The answer to one [`Take`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taken {
    /// The watermarks of the lane, and the verdict: granted, skipped, busy, queue empty, stale, late or quarantined. A
    /// lane whose unit is busy is not ready.
    pub claimed: Claimed,
    /// The request of the run that was granted.
    pub request: Option<Request>,
}

/// Cancels one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cancel {
    /// The unit, slot or lane of the run.
    pub unit: UnitName,
    /// The fencing token of the run: no other run is cancelled.
    pub token: FencingToken,
    /// Who cancels it; may be empty.
    pub by: String,
    /// Why; may be empty.
    pub note: String,
}

impl Cancel {
    /// By whom and why, as the ledger has it.
    pub fn why(&self) -> String {
        match (self.by.as_str(), self.note.as_str()) {
            ("", "") => "by request".to_owned(),
            ("", note) => format!("by request: {note}"),
            (by, "") => format!("by {by}"),
            (by, note) => format!("by {by}: {note}"),
        }
    }
}

/// The answer to one [`Cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cancelled {
    /// The node of the run learns of it with its next renewal.
    Cancelling,
    /// The run is not active, or was never granted.
    Gone,
}
