//! Waits until replicas of Redis acknowledge a claim.
//!
//! `WAIT` delays all requests that follow on its connection, and covers every write before it. So only one `WAIT` is
//! active at a time. Claims whose reply came before it was sent reuse its result, except that a `WAIT` without enough
//! replicas is repeated for claims whose longer leases allow a longer wait. A request behind two of them still gets
//! its reply in time.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::{Value, cmd};
use scheduled_one_protocol::message::Verdict;
use tokio::time::Instant;

use crate::ANSWER_TIMEOUT;
use crate::classify::RedisFailure;
use crate::connection::{Connection, ConnectionId};

/// Longest wait for replicas. Claims with short leases wait less, because the wait uses up a part of the lease.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Waits for replicas of Redis, for all claims of one connection.
pub(crate) struct Replication {
    wanted: u32,
    /// Locked by the claim that sends a `WAIT`, while the others wait for its result.
    waiting: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
}

/// The `WAIT` that was sent last.
#[derive(Default)]
struct Last {
    /// Number of the `WAIT`.
    number: u64,
    /// Its result, if the reply came.
    result: Option<WaitResult>,
}

/// The result of a `WAIT`.
#[derive(Clone, Copy)]
struct WaitResult {
    connection_id: ConnectionId,
    bound: Duration,
    reached: bool,
}

impl WaitResult {
    /// True if the result holds for a claim that would wait for `bound` on that connection. Enough replicas are
    /// enough for all claims; too few are only final for claims that would not wait longer.
    fn holds_for(&self, connection_id: ConnectionId, bound: Duration) -> bool {
        self.connection_id == connection_id && (self.reached || self.bound >= bound)
    }
}

impl Replication {
    pub(crate) fn new(wanted: u32) -> Self {
        Replication {
            wanted,
            waiting: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Changes grants to [`Verdict::NotReplicated`] unless enough replicas acknowledge them. Each verdict comes with
    /// the lease that was asked for. An error means that the
    /// number of replicas is unknown: the request is repeated.
    pub(crate) async fn confirm(
        &self,
        connection: &Connection,
        connection_id: ConnectionId,
        mut decided: Vec<(i64, &mut Verdict)>,
    ) -> Result<(), RedisFailure> {
        decided.retain(|(_, verdict)| matches!(verdict, Verdict::Granted(_)));
        let leases = decided.iter();
        let shortest = leases.map(|(lease_ms, _)| (*lease_ms).max(0) as u64).min();
        let Some(shortest) = shortest.filter(|_| self.wanted > 0) else {
            return Ok(());
        };
        let bound = (Duration::from_millis(shortest) / 4).min(MAX_WAIT);
        if self.reached(connection, connection_id, bound).await? {
            return Ok(());
        }
        for (_, verdict) in decided {
            *verdict = match mem::replace(verdict, Verdict::QueueEmpty) {
                Verdict::Granted(grant) => Verdict::NotReplicated(grant),
                other => other,
            };
        }
        Ok(())
    }

    /// True if enough replicas acknowledged all writes on the connection within `bound`.
    async fn reached(
        &self,
        connection: &Connection,
        connection_id: ConnectionId,
        bound: Duration,
    ) -> Result<bool, RedisFailure> {
        let seen = self.last().number;
        let _waiting = self.waiting.lock().await;
        let number = {
            let mut last = self.last();
            match last.result {
                // This `WAIT` was sent after the reply to our claims.
                Some(result) if last.number > seen && result.holds_for(connection_id, bound) => {
                    return Ok(result.reached);
                }
                _ => {}
            }
            last.number += 1;
            last.result = None;
            last.number
        };
        let mut wait = cmd("WAIT");
        // Zero would wait without limit.
        let bound_ms = bound.as_millis().max(1) as u64;
        wait.arg(self.wanted).arg(bound_ms);
        let deadline = Instant::now() + bound + ANSWER_TIMEOUT;
        let reply = connection
            .send_on(connection_id, "WAIT", &wait, deadline)
            .await?;
        let reached = matches!(reply, Value::Int(count) if count >= i64::from(self.wanted));
        let mut last = self.last();
        if last.number == number {
            last.result = Some(WaitResult {
                connection_id,
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
    fn enough_replicas_hold_for_all_claims_and_too_few_for_those_without_more_time() {
        let (connection_id, bound) = (ConnectionId::default(), Duration::from_millis(100));
        let holds_for = |reached, wanted_ms| {
            let result = WaitResult {
                connection_id,
                bound,
                reached,
            };
            result.holds_for(connection_id, Duration::from_millis(wanted_ms))
        };
        assert!(holds_for(true, 50) && holds_for(true, 500));
        assert!(holds_for(false, 50) && holds_for(false, 100));
        assert!(!holds_for(false, 101));
    }
}
