//! A tick is claimed, or what waits in the unit, and perhaps granted.

use scheduled_one_protocol::message::{
    Claim, Claimed, Intent, Missed, Outcome, RunId, Started, Verdict,
};
use scheduled_one_runtime::__terms as terms;

use super::{Asked, LEASE, Node, Phase, Run, ms};
use crate::config::{Config, LEASE_MS, QUARTER_MS};
use crate::server::Request;

impl Node {
    /// The newest tick that is due and not decided; those before are missed.
    pub(super) fn claim_due(&self, config: &Config, now: i64) -> Option<Request> {
        if self.claim.is_some() || now < self.again_at {
            return None;
        }
        let decided_ms = self.floors.decided_to_ms();
        let ticks = config.ticks.iter().map(|tick| Config::tick_ms(*tick));
        let due: Vec<i64> = ticks
            .filter(|tick| *tick > decided_ms && *tick <= self.store_now(now))
            .collect();
        let (tick_ms, missed) = due.split_last()?;
        let missed = missed.first().map(|first_ms| Missed {
            first_ms: *first_ms,
            last_ms: missed[missed.len() - 1],
            count: missed.len() as u64,
            outcome: Outcome::Missed,
            reason: String::new(),
        });
        let claim = Claim {
            tick_ms: *tick_ms,
            due_ms: *tick_ms,
            after_ms: decided_ms,
            missed,
            ..self.any_claim(config, now)
        };
        Some(Request::Claim(Box::new(claim)))
    }

    /// Something waits: whoever asks first starts it.
    pub(super) fn next_due(&self, config: &Config, now: i64) -> Option<Request> {
        if !self.ready || self.next.is_some() {
            return None;
        }
        let claim = Claim {
            intent: Intent::Next,
            floor_started: self.told_floors(config).started,
            ..self.any_claim(config, now)
        };
        Some(Request::Claim(Box::new(claim)))
    }

    fn any_claim(&self, config: &Config, now: i64) -> Claim {
        let floors = self.told_floors(config);
        Claim {
            unit: "job".to_owned(),
            tick_ms: 0,
            due_ms: 0,
            after_ms: 0,
            floor_hwm_ms: floors.hwm_ms,
            floor_token: floors.token,
            floor_started: Started::default(),
            nonce: format!("{}-{}", self.id, self.claims_sent + 1),
            valid_until_ms: match config.guards.valid_until {
                true => self.store_now(now) + LEASE_MS / 2,
                false => i64::MAX,
            },
            lease_ms: LEASE_MS,
            intent: Intent::Run,
            overlap: config.overlap,
            reruns: config.reruns,
            missed: None,
        }
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

    fn slot(&mut self, claim: &Claim) -> &mut Option<Asked> {
        match claim.intent {
            Intent::Next => &mut self.next,
            _ => &mut self.claim,
        }
    }

    pub(super) fn sends_claim(&mut self, claim: &Claim, now: i64) {
        if claim.intent == Intent::Next {
            self.ready = false;
        }
        if let Some(asked) = self.slot(claim) {
            asked.claim = claim.clone();
            asked.tried = now;
            return;
        }
        self.claims_sent += 1;
        *self.slot(claim) = Some(Asked {
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
        let Some(asked) = self.slot(claim).take_if(of_this) else {
            return; // given up on this try: its connection is closed
        };
        self.learn(claimed.marks);
        self.ready |= claimed.ready;
        match claimed.verdict {
            Verdict::Granted {
                tick_ms,
                token,
                attempt,
                ..
            } => {
                let id = RunId {
                    unit: "job".to_owned(),
                    tick_ms,
                    nonce: claim.nonce.clone(),
                    token,
                    attempt,
                    lease_ms: LEASE_MS,
                    granted_at_ms: self.store_now(now),
                    reruns: claim.reruns.saturating_sub(attempt - 1),
                };
                self.granted(config, id, asked.sent, now);
            }
            Verdict::Stale(watched) => {
                self.watches(watched, now);
                self.again_at = now + QUARTER_MS;
            }
            Verdict::Busy | Verdict::Quarantined | Verdict::Early { .. }
                if claim.intent != Intent::Next =>
            {
                self.again_at = now + QUARTER_MS;
            }
            _ => {}
        }
    }

    /// A run is this node's, if its answer was not under way for too long.
    fn granted(&mut self, config: &Config, id: RunId, sent: i64, now: i64) {
        let proven = match config.guards.counted_from_sending {
            true => sent,
            false => now,
        };
        let too_late = proven + ms(terms::cancel_after(LEASE)) <= now;
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
