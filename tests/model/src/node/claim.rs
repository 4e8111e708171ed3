//! Claims of due ticks and of waiting ticks, and their verdicts.

use scheduled_one_protocol::message::{
    Claim, Claimed, DueTick, Intent, LowerBounds, Missed, RunId, Target, Verdict,
};
use scheduled_one_protocol::{Outcome, ScheduleId, TickMs};
use scheduled_one_runtime::lease_bounds;

use super::{Asked, Node, Phase, Run, duration, ms};
use crate::config::{Config, Leaves, QUARTER_MS};
use crate::server::Request;

impl Node {
    /// The newest tick that is due and not decided; those before are missed.
    pub(super) fn claim_due(&self, config: &Config, now: i64) -> Option<Request> {
        let paused = self.known.directive.is_paused(self.store_now(now));
        if !self.claims || self.claim.is_some() || now < self.again_at || paused {
            return None;
        }
        let decided_to = self.marks.decided_to();
        let due: Vec<TickMs> = config
            .planned(self.schedule, self.known.directive.schedule.as_ref())
            .filter(|tick| Some(*tick) > decided_to && tick.ms() <= self.store_now(now))
            .collect();
        let (tick, missed) = due.split_last()?;
        let missed = missed.first().map(|first| Missed {
            first: *first,
            last: missed[missed.len() - 1],
            count: missed.len() as u64,
            outcome: Outcome::Missed,
            reason: String::new(),
        });
        let target = Target::Tick(DueTick {
            tick: *tick,
            due_ms: tick.ms(),
            after: decided_to,
            next_due_ms: match config.guards.claims_name_next {
                true => self.due_after(config, Some(*tick)),
                false => None,
            },
            intent: Intent::Run,
            overlap: config.overlap,
            missed,
        });
        let bounds = LowerBounds {
            start: None,
            ..self.bounds(config)
        };
        Some(self.new_claim(config, now, bounds, target))
    }

    /// When the next tick after that is due, so that heartbeats name the unit if nobody claims it.
    pub(super) fn due_after(&self, config: &Config, tick: Option<TickMs>) -> Option<i64> {
        if config.leaves != Leaves::UntilUnclaimed {
            return None; // only adds states
        }
        let wanted = self.known.directive.schedule.as_ref();
        let mut planned = config.planned(self.schedule, wanted);
        planned.find(|it| Some(*it) > tick).map(TickMs::ms)
    }

    /// The claim of a waiting tick: the first such claim starts the tick.
    pub(super) fn next_due(&self, config: &Config, now: i64) -> Option<Request> {
        if !self.ready || self.next.is_some() || now < self.next_again_at {
            return None;
        }
        let target = Target::Queued {
            oldest: TickMs::default(),
        };
        Some(self.new_claim(config, now, self.bounds(config), target))
    }

    fn new_claim(&self, config: &Config, now: i64, bounds: LowerBounds, target: Target) -> Request {
        let claim = Claim {
            unit: Config::unit(),
            nonce: format!("{}-{}", self.id, self.claims_sent + 1),
            valid_until_ms: match config.guards.valid_until {
                true => self.store_now(now) + self.lease_ms / 2,
                false => i64::MAX,
            },
            lease_ms: self.lease_ms,
            takeovers: config.takeovers,
            schedule: self.schedule,
            control: self.known.directive.version,
            bounds,
            target,
            with_lane: self.with_lane,
        };
        Request::Claim(Box::new(claim))
    }

    /// Claims without an answer are sent again.
    pub(super) fn claims_again(&self, config: &Config, now: i64) -> Vec<Request> {
        let asked = [&self.claim, &self.next].into_iter().flatten();
        let again = asked.filter(|asked| now > asked.tried);
        again
            .map(|asked| Request::Claim(Box::new(self.repeated(config, asked, now))))
            .collect()
    }

    fn repeated(&self, config: &Config, asked: &Asked, now: i64) -> Claim {
        match config.guards.same_nonce {
            true => asked.claim.clone(),
            false => Claim {
                nonce: format!("{}-{}'{now}", self.id, self.claims_sent),
                ..asked.claim.clone()
            },
        }
    }

    fn asked(&mut self, claim: &Claim) -> &mut Option<Asked> {
        match claim.target {
            Target::Tick(_) => &mut self.claim,
            Target::Queued { .. } => &mut self.next,
        }
    }

    pub(super) fn sends_claim(&mut self, claim: &Claim, now: i64) {
        if matches!(claim.target, Target::Queued { .. }) {
            self.ready = false;
        }
        if let Some(asked) = self.asked(claim) {
            asked.claim = claim.clone();
            asked.tried = now;
            return;
        }
        self.claims_sent += 1;
        *self.asked(claim) = Some(Asked {
            claim: claim.clone(),
            sent: now,
            tried: now,
        });
    }

    pub(super) fn claimed(
        &mut self,
        config: &Config,
        claim: &Claim,
        claimed: Claimed,
        sent: i64,
        now: i64,
    ) {
        let of_this = |asked: &mut Asked| asked.claim.nonce == claim.nonce && asked.tried == sent;
        let Some(asked) = self.asked(claim).take_if(of_this) else {
            return; // given up on this try: its connection is closed
        };
        self.learn(claimed.marks);
        self.ready |= claimed.ready;
        self.with_lane = claimed.verdict == Verdict::Lane;
        if matches!(claim.target, Target::Tick(_)) {
            self.adopts = false; // the next heartbeat says whether the unit still is
        }
        if matches!(claim.target, Target::Queued { .. }) {
            match claimed.verdict {
                Verdict::Lane => self.ready = true,
                // The lane is in the way: heartbeats name the unit again.
                Verdict::Busy | Verdict::Stale(_) if claim.with_lane => {
                    self.ready = false;
                    self.next_again_at = now + QUARTER_MS;
                }
                _ => {}
            }
        }
        match claimed.verdict {
            Verdict::Granted(grant) => {
                let id = RunId {
                    unit: grant.unit,
                    tick: grant.tick,
                    nonce: claim.nonce.clone(),
                    token: grant.token,
                    attempt: grant.attempt,
                    lease_ms: claim.lease_ms,
                    granted_at_ms: self.store_now(now),
                    takeovers: claim.takeovers.saturating_sub(grant.attempt - 1),
                    origin: None,
                };
                self.granted(config, id, asked.sent, now);
            }
            Verdict::Stale(run) => {
                self.watches(run, now);
                self.again_at = now + QUARTER_MS;
            }
            Verdict::Quarantined { until_ms } => {
                // Another node stated a longer lease.
                self.quarantine_until_ms = self.quarantine_until_ms.max(until_ms);
            }
            Verdict::OtherSchedule(decides) => {
                // Nobody had the job for long enough, and this node has it.
                self.succeeds = decides.id == ScheduleId::NONE;
                self.decides = Some(decides);
                self.again_at = now + QUARTER_MS;
            }
            Verdict::Paused | Verdict::Moved => {
                // Directives are read in this instant.
                self.known.read = self.known.read.saturating_sub(1);
                self.again_at = now + QUARTER_MS;
            }
            Verdict::Busy | Verdict::Early { .. } if matches!(claim.target, Target::Tick(_)) => {
                self.again_at = now + QUARTER_MS;
            }
            _ => {}
        }
    }

    /// A run is this node's, if its answer was not under way for too long.
    pub(super) fn granted(&mut self, config: &Config, id: RunId, sent: i64, now: i64) {
        let proven = match config.guards.counted_from_sending {
            true => sent,
            false => now,
        };
        let too_late = proven + ms(lease_bounds::cancel_after(duration(id.lease_ms))) <= now;
        if too_late {
            let outcome = match id.attempt {
                1 => Outcome::Missed,
                _ => Outcome::Lost,
            };
            return self.ends(id, outcome, false);
        }
        self.runs.push(Run {
            id,
            proven,
            sent,
            renewed: sent,
            phase: Phase::Granted,
            readopted: false,
            overslept: false,
        });
    }
}
