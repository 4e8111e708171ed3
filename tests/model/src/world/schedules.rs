//! Which schedule decides: as nodes start, as operators want, or none because no living node has the job.

use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, DueTick, LowerBounds, Occasion, Register, RegisteredUnit, Target,
    Verdict,
};
use scheduled_one_protocol::{
    DecidingSchedule, FencingToken, ScheduleId, ScheduleOverride, TickMs,
};

use super::World;
use super::direct::operator;
use crate::config::Config;
use crate::history::Wanted;
use crate::server::{Body, Request};

/// What an override says: the ticks are those of the configuration.
const TEXT: &str = "every other";

impl World {
    /// A node of a release that lacks the job sees that no living node has it.
    pub(super) fn look_gone(&mut self) {
        self.left.gone -= 1;
        self.looked = self.server.memory.record.decides.clone();
    }

    /// Whether that can be seen: no node sends heartbeats, and some schedule decides.
    pub(super) fn can_look_gone(&self) -> bool {
        let decides = self.server.memory.record.decides.as_ref();
        let some = decides.is_some_and(|decides| decides.id != ScheduleId::NONE);
        self.left.gone > 0 && some && !self.nodes.iter().any(|node| node.reaches())
    }

    /// It registers the job with no schedule, at any time later.
    pub(super) fn register_gone(&mut self, config: &Config) {
        let decides = match config.guards.names_looked {
            true => self.looked.clone(),
            false => self.server.memory.record.decides.clone(),
        };
        let request = Request::Register(Register {
            unit: Config::unit(),
            first_seen_ms: self.store_now(),
            lease_ms: 1,
            schedule: Some(ScheduleId::NONE),
            generation: 0,
            occasion: Occasion::Gone,
            decides,
            bounds: LowerBounds::default(),
            next_due_ms: None,
            requests: Vec::new(),
        });
        let caller = Caller {
            node: "watcher".to_owned(),
            ..operator()
        };
        self.serve(config, &request, &caller);
        self.looked = None;
    }

    /// Puts a schedule in the place of that in the code, or that one back.
    pub(super) fn reschedule(&mut self, config: &Config) {
        self.left.reschedules -= 1;
        let mut wanted = ScheduleOverride {
            base: config.schedule(0).unwrap_or(ScheduleId::NONE),
            text: TEXT.to_owned(),
            zone: "UTC".to_owned(),
            since_ms: self.store_now(),
            by: "operator".to_owned(),
        };
        let version = self.change(config, |directive| {
            if directive.schedule.as_ref().is_some_and(|it| !it.is_reset()) {
                wanted.text.clear();
            }
            directive.schedule = Some(wanted.clone());
        });
        if let Some(version) = version {
            self.history.wanted = Some(Wanted {
                version,
                schedule: wanted,
                is_lost: false,
            });
        }
    }

    /// What operators want is gone if only the store knew it, which forgot it.
    pub(super) fn note_lost_schedule(&mut self) {
        let version = self.history.wanted.as_ref().map(|wanted| wanted.version);
        let is_lost = version.is_some_and(|version| self.is_lost(version));
        if let Some(wanted) = &mut self.history.wanted {
            wanted.is_lost |= is_lost;
        }
    }

    /// Notes which schedule decides, and whether what a claim decided is of it.
    pub(super) fn judge_schedule(
        &mut self,
        config: &Config,
        request: &Request,
        caller: &Caller,
        reply: &Body,
        newest: FencingToken,
    ) {
        match (request, reply) {
            (Request::Register(register), Body::Registered(unit)) => {
                self.judge_registration(register, caller, unit);
            }
            (Request::Claim(claim), Body::Claimed(claimed)) => {
                let is_new = match &claimed.verdict {
                    Verdict::Granted(grant) => grant.token > newest,
                    Verdict::Queued | Verdict::Skipped => true,
                    _ => false,
                };
                // What waits was decided before, by the schedule of then.
                if let (Target::Tick(due), true) = (&claim.target, is_new) {
                    self.judge_grant(claim, claimed);
                    self.judge_ticks(config, claim.schedule, due);
                }
            }
            _ => {}
        }
    }

    fn judge_registration(&mut self, register: &Register, caller: &Caller, unit: &RegisteredUnit) {
        let now = self.store_now();
        let Some(id) = register.schedule else {
            return;
        };
        let decides = unit.decides.as_ref();
        let is_own = decides.is_some_and(|it| it.id == id && *it.node == *caller.node);
        let counts = match register.occasion {
            Occasion::Start { .. } => true,
            Occasion::Again => false,
            Occasion::Succession | Occasion::Gone => is_own,
        };
        if !counts {
            return;
        }
        let before = self.history.schedule.as_ref();
        if register.occasion == Occasion::Gone {
            // A node has started with the job since that was looked at.
            let seen = |it: &DecidingSchedule| {
                let looked = self.looked.as_ref();
                looked.is_some_and(|looked| looked.node == it.node)
            };
            self.history.wrong_schedule |= !before.is_some_and(seen);
            self.history.gone_at = Some(self.history.starts.len());
        }
        let is_start = matches!(register.occasion, Occasion::Start { .. });
        let generation = register.generation;
        let (since, registered) = match before {
            None => (0, 0),
            Some(before) if is_start && before.id != id && before.generation > generation => return,
            Some(before) if before.id == id => (before.since_ms, before.registered_ms),
            Some(before) => (now, before.registered_ms),
        };
        // Of two registrations in one instant a flush may forget the order.
        self.history.schedule_is_open = registered == now;
        self.history.schedule = Some(DecidingSchedule {
            generation,
            id,
            registered_ms: now,
            since_ms: since,
            node: caller.node.as_str().into(),
        });
    }

    fn judge_grant(&mut self, claim: &Claim, claimed: &Claimed) {
        let (Verdict::Granted(grant), Some(decides), false) = (
            &claimed.verdict,
            &self.history.schedule,
            self.history.schedule_is_open,
        ) else {
            return;
        };
        // What only a dead node knew may be forgotten; and so may be what no node knew.
        let forgets = self.server.serving > 0 || self.server.memory.meta.quarantine_from_ms > 0;
        let known = match decides.id == ScheduleId::NONE {
            true => !forgets,
            false => self.nodes.iter().any(|it| it.up && *it.id == *decides.node),
        };
        let other = claim.schedule != Some(decides.id);
        let wrong = other || grant.tick.ms() <= decides.since_ms;
        self.history.wrong_schedule |= known && wrong;
    }

    /// Each tick that a claim decides is one of the schedule that operators want.
    fn judge_ticks(&mut self, config: &Config, schedule: Option<ScheduleId>, due: &DueTick) {
        let Some(wanted) = self.history.wanted.as_ref().filter(|it| !it.is_lost) else {
            return;
        };
        let planned: Vec<TickMs> = config.planned(schedule, Some(&wanted.schedule)).collect();
        let missed = due.missed.iter().flat_map(|it| [it.first, it.last]);
        let mut decided = missed.chain([due.tick]);
        self.history.wrong_tick |= !decided.all(|tick| planned.contains(&tick));
    }
}
