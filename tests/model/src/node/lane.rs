//! Requests for runs: what waits in the lane is taken, and the lane is registered with a store that may have forgotten
//! it.

use scheduled_one_protocol::message::{
    Claimed, KnownRequest, LowerBounds, Occasion, Register, RunId, Take, Taken, Verdict, Watermarks,
};
use scheduled_one_protocol::{Outcome, Start};

use super::Node;
use crate::config::{Config, QUARTER_MS};
use crate::server::Request;

/// What a node knows of the lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OfLane {
    /// The highest watermarks that it ever saw of the lane.
    pub marks: Watermarks,
    /// A request waits and can start, as far as it knows.
    pub ready: bool,
    /// The claim of it that is under way.
    pub take: Option<AskedTake>,
    /// Instant before which nothing is taken.
    pub again_at: i64,
    /// The requests that it was granted.
    pub granted: Vec<KnownRequest>,
    /// The lane is to be registered.
    pub unregistered: bool,
    /// Since when a registration waits for its answer.
    pub registering: Option<i64>,
}

/// A claim of a request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AskedTake {
    /// The same in each repetition.
    pub take: Take,
    /// When first.
    pub sent: i64,
    /// When last.
    pub tried: i64,
}

impl OfLane {
    /// Watermarks only rise.
    pub(super) fn learn(&mut self, seen: Watermarks) {
        let marks = &mut self.marks;
        marks.decided = marks.decided.max(seen.decided);
        marks.token = marks.token.max(seen.token);
        marks.start = marks.start.max(seen.start);
    }

    /// A run of the lane has ended.
    pub(super) fn learn_start(&mut self, start: Start) {
        self.learn(Watermarks {
            start: Some(start),
            ..Watermarks::default()
        });
    }
}

impl Node {
    /// The registration of the lane, behind that of the unit.
    pub(super) fn lane_register_due(&self, config: &Config, now: i64) -> Option<Request> {
        let lane = &self.lane;
        let waits = lane.registering.is_some_and(|tried| now <= tried);
        let due = lane.unregistered && !waits;
        due.then(|| {
            Request::Register(Register {
                unit: Config::unit().lane(),
                first_seen_ms: self.marks.first_seen_ms.unwrap_or(0),
                lease_ms: self.lease_ms,
                schedule: None,
                generation: 0,
                occasion: Occasion::Again,
                decides: None,
                bounds: self.lane_bounds(config),
                next_due_ms: None,
                requests: match config.guards.remembers_requests {
                    true => lane.granted.clone(),
                    false => Vec::new(),
                },
            })
        })
    }

    fn lane_bounds(&self, config: &Config) -> LowerBounds {
        match config.guards.bounds {
            true => self.lane.marks.bounds(),
            false => LowerBounds::default(),
        }
    }

    /// The claim of what waits in the lane.
    pub(super) fn take_due(&self, config: &Config, now: i64) -> Option<Request> {
        let lane = &self.lane;
        if !lane.ready || lane.take.is_some() || now < lane.again_at {
            return None;
        }
        Some(Request::Take(Box::new(Take {
            lane: Config::unit().lane(),
            nonce: format!("{}-{}", self.id, self.claims_sent + 1),
            valid_until_ms: match config.guards.valid_until {
                true => self.store_now(now) + self.lease_ms / 2,
                false => i64::MAX,
            },
            lease_ms: self.lease_ms,
            takeovers: config.takeovers,
            bounds: self.lane_bounds(config),
            overlap: config.overlap,
        })))
    }

    /// Claims without an answer are sent again.
    pub(super) fn takes_again(&self, now: i64) -> Option<Request> {
        let asked = self.lane.take.as_ref();
        let again = asked.filter(|asked| now > asked.tried)?;
        Some(Request::Take(Box::new(again.take.clone())))
    }

    pub(super) fn sends_take(&mut self, take: &Take, now: i64) {
        self.lane.ready = false;
        if let Some(asked) = &mut self.lane.take {
            asked.tried = now;
            return;
        }
        self.claims_sent += 1;
        self.lane.take = Some(AskedTake {
            take: take.clone(),
            sent: now,
            tried: now,
        });
    }

    pub(super) fn taken(
        &mut self,
        config: &Config,
        take: &Take,
        taken: Taken,
        sent: i64,
        now: i64,
    ) {
        let of_this = |asked: &mut AskedTake| asked.take.nonce == take.nonce && asked.tried == sent;
        let Some(asked) = self.lane.take.take_if(of_this) else {
            return; // given up on this try: its connection is closed
        };
        let Taken { claimed, request } = taken;
        let Claimed {
            marks,
            verdict,
            ready,
        } = claimed;
        self.lane.learn(marks);
        self.lane.ready |= ready && !matches!(verdict, Verdict::Stale(_) | Verdict::Late);
        match verdict {
            Verdict::Granted(grant) => {
                let origin = |request: &scheduled_one_protocol::message::Request| {
                    request.origin(grant.tick, request.runs_beside(take.overlap))
                };
                let id = RunId {
                    unit: grant.unit,
                    tick: grant.tick,
                    nonce: take.nonce.clone(),
                    token: grant.token,
                    attempt: grant.attempt,
                    lease_ms: take.lease_ms,
                    granted_at_ms: self.store_now(now),
                    takeovers: take.takeovers.saturating_sub(grant.attempt - 1),
                    origin: request.as_ref().map(origin),
                };
                let Some(request) = request else {
                    let outcome = match id.attempt {
                        1 => Outcome::Missed,
                        _ => Outcome::Lost,
                    };
                    return self.ends(id, outcome, false);
                };
                self.lane.granted.push(KnownRequest {
                    id: request.id,
                    tick: id.tick,
                });
                self.granted(config, id, asked.sent, now);
            }
            Verdict::Stale(run) => {
                self.watches(run, now);
                self.lane.again_at = now + QUARTER_MS;
            }
            Verdict::Quarantined { until_ms } => {
                self.quarantine_until_ms = self.quarantine_until_ms.max(until_ms);
            }
            Verdict::Busy => self.lane.again_at = now + QUARTER_MS,
            _ => {}
        }
    }
}
