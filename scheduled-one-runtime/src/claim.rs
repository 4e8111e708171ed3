//! Sends claims, and repeats them until the store replies.
//!
//! A claim without a reply may have been granted, or may be granted at any later
//! time. So it is repeated with the *same* nonce: then the store repeats its
//! reply, or says that the claim is too late. No other request would settle it.

use std::time::Duration;

use crate::metrics::labels::Op;
use crate::node::lead::WaveId;
use crate::permits::Permit;
use crate::request_each::Repeat;
use crate::store_client::{Replied, StoreClient};
use crate::timer::UnitIndex;
use scheduled_one_protocol::TickMs;
use scheduled_one_protocol::message::{Claim, Claimed, Target, Verdict};

/// Claims that are sent in one request, at most [`scheduled_one_protocol::message::MAX_BATCH`].
#[derive(Debug, Default)]
pub(crate) struct ClaimBatch {
    /// What the node knows of each claim, in the order of the claims.
    pub(crate) pending: Vec<PendingClaim>,
    pub(crate) claims: Vec<Claim>,
    /// The claims that were due together.
    pub(crate) wave: WaveId,
}

/// What a node knows of a claim that has no reply yet, besides what it sends.
#[derive(Debug)]
pub(crate) struct PendingClaim {
    pub(crate) unit: UnitIndex,
    /// Number of missed ticks that the run stands for in addition to its own.
    pub(crate) coalesced: u64,
    /// The newest tick that was due; that of the claim, or a later one.
    pub(crate) newest_ms: i64,
    /// How the node came to claim it, in words.
    pub(crate) placing: String,
    /// The permit of the run, or that of the run that is in its way.
    pub(crate) permit: Permit,
}

/// A batch and the replies to it.
#[derive(Debug)]
pub(crate) struct DecidedBatch {
    pub(crate) batch: ClaimBatch,
    /// The reply to each claim, in the order of the claims.
    pub(crate) replies: Vec<ClaimReply>,
    /// When the claims were sent *first*: leases are counted from then.
    pub(crate) sent: Duration,
}

/// The reply to one claim.
#[derive(Debug)]
pub(crate) enum ClaimReply {
    /// The store decided.
    Decided(Replied<Claimed>),
    /// The store refuses the claim until somebody repairs what its error names.
    Refused,
}

impl ClaimReply {
    /// `None` if the store refuses the claim.
    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        match self {
            ClaimReply::Decided(replied) => Some(&replied.body.verdict),
            ClaimReply::Refused => None,
        }
    }
}

impl ClaimBatch {
    pub(crate) fn push(&mut self, (pending, claim): (PendingClaim, Claim)) {
        self.pending.push(pending);
        self.claims.push(claim);
    }
}

/// Sends a batch until it has replies. Ends only then; who waits for it at shutdown limits the wait.
pub(crate) async fn send_claims(
    client: &StoreClient,
    batch: ClaimBatch,
    sent: Duration,
) -> DecidedBatch {
    let replies = client
        .request_each(
            Op::Claim,
            &batch.claims,
            Repeat::UntilReply,
            |store, caller, claims| store.claim(caller, claims),
        )
        .await;
    let replies = batch.claims.iter().zip(replies);
    let replies = replies.map(|(claim, reply)| match reply {
        Ok(decided) => ClaimReply::Decided(decided),
        Err(error) => {
            client.log_refused(&claim.unit, claimed_tick(claim), &error);
            ClaimReply::Refused
        }
    });
    DecidedBatch {
        replies: replies.collect(),
        batch,
        sent,
    }
}

/// The tick that is claimed; of a waiting tick, the oldest that may still start.
fn claimed_tick(claim: &Claim) -> TickMs {
    match &claim.target {
        Target::Tick(due) => due.tick,
        Target::Queued { oldest } => *oldest,
    }
}
