//! Waits until replicas have what was claimed.
//!
//! `WAIT` holds up all that is sent behind it on its connection, and answers
//! for everything that was written before it. So one is under way at a time,
//! and claims that were answered before it began share its answer, unless it was
//! no, and they have longer leases and so more time. Behind two of them a request
//! still gets its own answer in time.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::{Value, cmd};
use tokio::time::Instant;

use crate::ANSWER_TIMEOUT;
use crate::connection::{Link, Passage};
use crate::fault::Fault;
use scheduled_one_protocol::message::{Claim, Claimed, Verdict};

/// Longest wait for replicas; less for short leases, since it costs of them.
const BOUND: Duration = Duration::from_millis(500);

/// Waits for replicas on behalf of one link.
pub(crate) struct Replication {
    wanted: u32,
    /// Held by the one that waits for Redis; the others wait for it.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
}

/// The `WAIT` that was sent last.
#[derive(Default)]
struct Last {
    /// Counts them.
    number: u64,
    /// What came of it, if it was answered.
    answered: Option<Waited>,
}

#[derive(Clone, Copy)]
struct Waited {
    passage: Passage,
    bound: Duration,
    reached: bool,
}

impl Waited {
    /// Whether it answers for those who would have waited so long there. That
    /// replicas have something holds for all; that they do not have it yet says
    /// nothing to those with more time.
    fn answers(&self, passage: Passage, bound: Duration) -> bool {
        self.passage == passage && (self.reached || self.bound >= bound)
    }
}

impl Replication {
    pub(crate) fn new(wanted: u32) -> Self {
        Replication {
            wanted,
            turn: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Takes back what was granted by a request that went out on this passage,
    /// unless enough replicas have it. An error if that cannot be told: the
    /// request is to be repeated.
    pub(crate) async fn confirm(
        &self,
        link: &Link,
        passage: Passage,
        claims: &[Claim],
        answers: &mut [Claimed],
    ) -> Result<(), Fault> {
        let granted = |answer: &Claimed| matches!(answer.verdict, Verdict::Granted(_));
        let pairs = claims.iter().zip(answers.iter());
        let leases = pairs.filter(|(_, answer)| granted(answer));
        let shortest = leases.map(|(claim, _)| claim.lease_ms.max(0) as u64).min();
        let Some(shortest) = shortest.filter(|_| self.wanted > 0) else {
            return Ok(());
        };
        let bound = (Duration::from_millis(shortest) / 4).min(BOUND);
        if self.reached(link, passage, bound).await? {
            return Ok(());
        }
        for answer in answers {
            answer.verdict = match mem::replace(&mut answer.verdict, Verdict::QueueEmpty) {
                Verdict::Granted(grant) => Verdict::NotReplicated(grant),
                other => other,
            };
        }
        Ok(())
    }

    async fn reached(&self, link: &Link, passage: Passage, bound: Duration) -> Result<bool, Fault> {
        let seen = self.last().number;
        let _turn = self.turn.lock().await;
        let number = {
            let mut last = self.last();
            match last.answered {
                // It began after our claims were answered.
                Some(waited) if last.number > seen && waited.answers(passage, bound) => {
                    return Ok(waited.reached);
                }
                _ => {}
            }
            last.number += 1;
            last.answered = None;
            last.number
        };
        let mut wait = cmd("WAIT");
        // Zero would be for ever.
        let bound_ms = bound.as_millis().max(1) as u64;
        wait.arg(self.wanted).arg(bound_ms);
        let deadline = Instant::now() + bound + ANSWER_TIMEOUT;
        let answer = link.send_on(passage, "WAIT", &wait, deadline).await?;
        let reached = matches!(answer, Value::Int(count) if count >= i64::from(self.wanted));
        let mut last = self.last();
        if last.number == number {
            last.answered = Some(Waited {
                passage,
                bound,
                reached,
            });
        }
        Ok(reached)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_for_those_who_have_no_more_time_and_a_yes_for_all() {
        let (passage, bound) = (Passage::default(), Duration::from_millis(100));
        let answers = |reached, wanted_ms| {
            let waited = Waited {
                passage,
                bound,
                reached,
            };
            waited.answers(passage, Duration::from_millis(wanted_ms))
        };
        assert!(answers(true, 50) && answers(true, 500));
        assert!(answers(false, 50) && answers(false, 100));
        assert!(!answers(false, 101));
    }
}
