//! Asks the store to decide ticks, and goes on asking until it answers.
//!
//! A claim that got no answer may have been granted, or may be at any later
//! time. So it is repeated with the *same* nonce: the store then gives the
//! same answer again, or says that it is too late for it. Nothing else would
//! tell for sure.

use std::sync::Arc;
use std::time::Duration;

use crate::link::{Answered, Link};
use crate::timer::UnitIndex;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{Claim, Claimed, Target, Verdict, Watermarks};

/// Claims sent in one call; at most [`scheduled_one_protocol::message::MAX_BATCH`].
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

/// How long a unit is left alone that the store refuses to decide.
const REFUSED_FOR_MS: i64 = 10_000;

/// Sends a batch until it is answered. Ends only with an answer; whoever waits
/// for it at shutdown bounds the wait.
pub(crate) async fn claim(link: Arc<Link>, batch: Batch, sent: Duration) -> Decided {
    let (answers, received) = ask(&link, &batch.claims).await;
    Decided {
        batch,
        answers,
        sent,
        received,
    }
}

/// Asks until answered. What the store refuses for good (a key that somebody
/// made something else) must not hold up the others: it is asked alone, at once,
/// since they wait for their grants. Then twice, since it may be but the ledger
/// that takes no line; and left alone for a while.
async fn ask(link: &Link, claims: &[Claim]) -> (Vec<Claimed>, Duration) {
    let (mut tries, mut refusals) = (0, 0);
    loop {
        let answer = link.ask(|store, caller| store.claim(caller, claims)).await;
        match (answer, claims) {
            (Ok(Answered { received, body }), _) if body.len() == claims.len() => {
                return (body, received);
            }
            (Err(StoreError::Refused(_)), [_, _, ..]) => {
                let (first, second) = claims.split_at(claims.len() / 2);
                let (mut answers, one) = Box::pin(ask(link, first)).await;
                let (others, other) = Box::pin(ask(link, second)).await;
                answers.extend(others);
                return (answers, one.max(other));
            }
            (Err(StoreError::Refused(why)), [claim]) if refusals > 0 => {
                link.refused(&claim.unit, claimed_tick(claim), &why);
                return (vec![left_alone()], Duration::ZERO);
            }
            (Err(StoreError::Refused(_)), [_]) => refusals += 1,
            _ => {
                tries += 1;
                link.back_off(tries).await;
            }
        }
    }
}

fn claimed_tick(claim: &Claim) -> i64 {
    match &claim.target {
        Target::Tick(due) => due.tick.ms(),
        Target::Queued { oldest } => oldest.ms(),
    }
}

fn left_alone() -> Claimed {
    Claimed {
        marks: Watermarks::default(),
        ready: false,
        verdict: Verdict::Early {
            by_ms: REFUSED_FOR_MS,
        },
    }
}
