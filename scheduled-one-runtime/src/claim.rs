//! Asks the store to decide ticks, and goes on asking until it answers.
//!
//! A claim that got no answer may have been granted, or may be at any later
//! time. So it is repeated with the *same* nonce: the store then gives the
//! same answer again, or says that it is too late for it. Nothing else would
//! tell for sure.

use std::sync::Arc;
use std::time::Duration;

use crate::link::{Answered, Link};
use crate::store::message::{Claim, Claimed};
use crate::timer::UnitIndex;

/// Claims sent in one call; at most [`crate::store::message::MAX_BATCH`].
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) asked: Vec<Asked>,
    pub(crate) claims: Vec<Claim>,
}

/// What the node remembers of a claim while it is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) unit: UnitIndex,
    /// Ticks that a run of this one stands for.
    pub(crate) stands_for: u64,
}

/// A batch and its answer.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) batch: Batch,
    /// In the order of the claims. Empty if the node stopped before an answer.
    pub(crate) answers: Vec<Claimed>,
    /// When the claims were sent *first*: leases are counted from then.
    pub(crate) sent: Duration,
    /// When the answer came.
    pub(crate) received: Duration,
}

/// Sends a batch until it is answered. Ends only with an answer; whoever waits
/// for it at shutdown bounds the wait.
pub(crate) async fn claim(link: Arc<Link>, batch: Batch, sent: Duration) -> Decided {
    let mut tries = 0;
    loop {
        let answer = link
            .ask(|store, caller| store.claim(caller, &batch.claims))
            .await;
        if let Ok(Answered { received, body }) = answer
            && body.len() == batch.claims.len()
        {
            return Decided {
                batch,
                answers: body,
                sent,
                received,
            };
        }
        tries += 1;
        link.back_off(tries).await;
    }
}
