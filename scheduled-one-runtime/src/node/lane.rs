//! Requests: a node takes what waits in the lanes of its units.

use std::sync::Arc;
use std::time::Duration;

use crate::active_run::RunKind;
use crate::event;
use crate::finish::UnitReleased;
use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::claiming::Claiming;
use crate::node::hold_up::HoldUp;
use crate::node::inbox::Event;
use crate::node::lead::WaveId;
use crate::node::stall_watch::StallWatch;
use crate::node::units::Units;
use crate::node::verdict::{FollowUp, can_go_on, takeovers_left};
use crate::permits::Permit;
use crate::request_each::Repeat;
use crate::run::NewRun;
use crate::store_client::{Replied, StoreClient};
use crate::timer::UnitIndex;
use scheduled_one_protocol::TickMs;
use scheduled_one_protocol::message::{Grant, MAX_BATCH, RunId, Take, Taken, Verdict};

/// Claims of requests that are sent in one request to the store.
#[derive(Debug, Default)]
pub(super) struct TakeBatch {
    units: Vec<(UnitIndex, Permit)>,
    takes: Vec<Take>,
    /// The claims that were due together.
    wave: WaveId,
}

/// A batch and the replies to it, in their order; `None` where the store refuses.
#[derive(Debug)]
pub(super) struct TakenBatch {
    batch: TakeBatch,
    replies: Vec<Option<Replied<Taken>>>,
    /// When the batch was sent first: leases are counted from then.
    sent: Duration,
}

/// One claim and its reply.
pub(super) struct DecidedTake {
    unit: UnitIndex,
    permit: Permit,
    take: Take,
    reply: Option<Replied<Taken>>,
    sent: Duration,
}

impl TakenBatch {
    pub(super) fn into_decided(self) -> impl Iterator<Item = DecidedTake> {
        let sent = self.sent;
        let takes = self.batch.units.into_iter().zip(self.batch.takes);
        takes
            .zip(self.replies)
            .map(move |(((unit, permit), take), reply)| DecidedTake {
                unit,
                permit,
                take,
                reply,
                sent,
            })
    }
}

impl Node {
    /// Claims requests that wait in lanes and can start.
    pub(super) fn take_requests(&mut self) {
        let now_ms = self.runner.cluster.now_ms();
        while let Some(batch) = self.claiming.plan_takes(&self.units, now_ms) {
            let (client, sent) = (Arc::clone(&self.client), self.client.now());
            self.inbox
                .request(async move { Event::Taken(send_takes(&client, batch, sent).await) });
        }
    }

    /// Does what the store decided, request by request.
    pub(super) fn follow_taken(&mut self, batch: TakenBatch) {
        let now_ms = self.runner.cluster.now_ms();
        self.claiming.settle_batch(batch.batch.wave, now_ms);
        for decided in batch.into_decided() {
            let now_ms = self.runner.cluster.now_ms();
            let (units, stalls) = (&mut self.units, &mut self.stalls);
            let follow_up = self.claiming.apply_taken(units, stalls, decided, now_ms);
            self.follow_up(follow_up, None);
        }
    }

    /// Starts what was granted. `unit`: the unit of which a tick was claimed.
    pub(super) fn follow_up(&mut self, follow_up: FollowUp, unit: Option<UnitIndex>) {
        match follow_up {
            FollowUp::Nothing => {}
            FollowUp::Start(run) => {
                event::claimed(&run.id.unit, run.id.tick, run.id.token);
                let now_ms = self.runner.cluster.now_ms();
                self.claiming.lend(&self.units, &run, now_ms);
                let nodes = &self.claiming.preference;
                let tick_ms = run.id.tick.ms();
                let other =
                    unit.and_then(|unit| nodes.should_have_claimed(&self.units, unit, tick_ms));
                // What waited in a unit may be started by any node.
                let is_slow = self.is_store_slow(now_ms);
                let other = other.filter(|_| run.due_ms.is_some() && !is_slow);
                self.client.log_stood_in(&run.id.unit, run.id.tick, other);
                self.runner.start(run);
            }
            FollowUp::Decline(run) => self.runner.decline(&run),
        }
    }
}

impl Claiming {
    /// Plans the next batch of claims of requests; `None` if none can start.
    pub(super) fn plan_takes(&mut self, units: &Units, now_ms: i64) -> Option<TakeBatch> {
        if !self.may_send() {
            return None;
        }
        self.now_ms = now_ms;
        let mut batch = TakeBatch::default();
        while batch.takes.len() < MAX_BATCH {
            let Some((lane, index, permit)) = self.take_ready(units, now_ms, true) else {
                break;
            };
            let unit = units.get(index);
            batch.units.push((index, permit));
            batch.takes.push(Take {
                nonce: self.nonce(),
                valid_until_ms: now_ms + unit.lease_ms / 2,
                lease_ms: unit.lease_ms,
                takeovers: unit.job.rules.takeovers,
                bounds: unit.lane.bounds(),
                overlap: unit.job.rules.overlap,
                lane: lane.clone(),
            });
            self.ready_pending.insert(lane);
        }
        if batch.takes.is_empty() {
            return None;
        }
        batch.wave = self.begin_batch();
        Some(batch)
    }

    /// A run of this node has ended. What waits for that starts at once: between heartbeats, the next tick of a job
    /// with short gaps may start again and again. Ticks go first.
    pub(super) fn take_after(&mut self, released: UnitReleased) {
        let lane = released.unit.lane();
        if released.ready {
            self.ready.insert(released.unit);
        } else if self.ready_before.contains(&lane) {
            self.ready.insert(lane);
        }
    }

    /// Takes the reply to a claim of a request into account, and says what is done with what was granted.
    pub(super) fn apply_taken(
        &mut self,
        units: &mut Units,
        stalls: &mut StallWatch,
        decided: DecidedTake,
        now_ms: i64,
    ) -> FollowUp {
        let DecidedTake {
            unit: index,
            permit,
            take,
            reply,
            sent,
        } = decided;
        self.ready_pending.remove(&take.lane);
        let Some(Replied { received, body }) = reply else {
            return FollowUp::Nothing;
        };
        let Taken { claimed, request } = body;
        if can_go_on(&claimed) {
            self.ready.insert(take.lane.clone());
        }
        units.learn_lane(index, claimed.marks);
        let (grant, declines) = match claimed.verdict {
            Verdict::Granted(grant) => (grant, request.is_none()),
            Verdict::NotReplicated(grant) => (grant, true),
            Verdict::Stale(run) => {
                stalls.observe(run, received);
                return FollowUp::Nothing;
            }
            Verdict::Quarantined { until_ms } => {
                units.stand_still(index, HoldUp::Quarantine, until_ms);
                return FollowUp::Nothing;
            }
            Verdict::Skipped => {
                event::request_skipped(&take.lane.without_slot());
                return FollowUp::Nothing;
            }
            _ => return FollowUp::Nothing,
        };
        let unit = units.get(index);
        let takeovers = takeovers_left(take.takeovers, grant.attempt);
        let asked = request.as_ref();
        let origin = asked.map(|asked| asked.origin(grant.tick, asked.runs_beside(take.overlap)));
        let run = NewRun {
            job: Arc::clone(&unit.job),
            kind: RunKind::Leased { claim_sent: sent },
            id: RunId {
                nonce: take.nonce,
                lease_ms: take.lease_ms,
                granted_at_ms: now_ms,
                takeovers,
                origin,
                ..granted(grant)
            },
            due_ms: None,
            shard: unit.shard(),
            coalesced: 0,
            parameters: asked.map(|asked| asked.parameters.as_str().into()),
            placing: String::new(),
            permit,
        };
        if let Some(request) = request {
            units.remember_request(index, request.id, run.id.tick);
        }
        match declines {
            true => FollowUp::Decline(run),
            false => FollowUp::Start(run),
        }
    }
}

fn granted(grant: Grant) -> RunId {
    RunId {
        unit: grant.unit,
        tick: grant.tick,
        nonce: String::new(),
        token: grant.token,
        attempt: grant.attempt,
        lease_ms: 0,
        granted_at_ms: 0,
        takeovers: 0,
        origin: None,
    }
}

/// Sends a batch until it has replies.
pub(super) async fn send_takes(
    client: &StoreClient,
    batch: TakeBatch,
    sent: Duration,
) -> TakenBatch {
    let replies = client
        .request_each(
            Op::Take,
            &batch.takes,
            Repeat::UntilReply,
            |store, caller, takes| store.take(caller, takes),
        )
        .await;
    let replies = batch.takes.iter().zip(replies);
    let replies = replies.map(|(take, reply)| {
        reply
            .inspect_err(|error| client.log_refused(&take.lane, TickMs::default(), error))
            .ok()
    });
    TakenBatch {
        replies: replies.collect(),
        batch,
        sent,
    }
}
