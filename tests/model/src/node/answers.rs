//! Sending requests, and applying the replies to them.

use scheduled_one_protocol::message::{Head, Reply, WrittenOff};

use super::{Node, Run};
use crate::config::{Config, MARGIN_MS};
use crate::history::History;
use crate::server::{Body, Request};

impl Node {
    /// A request is sent.
    pub fn sends(&mut self, request: &Request, now: i64) {
        match request {
            Request::Register(register) if register.unit.is_lane() => {
                self.lane.registering = Some(now);
            }
            Request::Register(_) => self.registering = Some((now, self.memory())),
            Request::Claim(claim) => self.sends_claim(claim, now),
            Request::Take(take) => self.sends_take(take, now),
            Request::Renew(renew) => {
                if let Some(run) = self.run(&renew.run.nonce) {
                    run.renewed = now;
                }
            }
            Request::Finish(finish) => {
                let mut ends = self.ends.iter_mut();
                if let Some(ended) = ends.find(|ended| ended.finish == **finish) {
                    ended.tried = Some(now);
                }
            }
            Request::WriteOff(_) => self.watch = None,
            Request::Control(_) => self.known.asked = Some(now),
            Request::Beat(_) => self.sends_beat(now),
            Request::Describe(_) => self.sends_description(now),
            Request::Heartbeat => {}
            Request::Ask(_) | Request::Cancel(_) | Request::Forget(_) => {} // those of operators
        }
    }

    fn run(&mut self, nonce: &str) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id.nonce == nonce)
    }

    /// An answer comes to a request that was sent at `sent`.
    pub fn hears(
        &mut self,
        config: &Config,
        history: &mut History,
        request: &Request,
        reply: Reply<Body>,
        sent: i64,
        now: i64,
    ) {
        // Renewals have a connection of their own, that does not look.
        if !matches!(request, Request::Renew(_)) {
            self.sees(&reply.head);
        }
        if sent == now {
            self.learns_clock(config, &reply.head, now);
        }
        match (request, reply.body) {
            (Request::Register(register), Body::Registered(_)) if register.unit.is_lane() => {
                let waited = self.lane.registering.take_if(|tried| *tried == sent);
                self.lane.unregistered &= waited.is_none();
            }
            (Request::Register(_), Body::Registered(unit)) => self.registered(unit, sent),
            (Request::Take(take), Body::Taken(taken)) => {
                self.taken(config, take, taken, sent, now);
            }
            (Request::Claim(claim), Body::Claimed(claimed)) => {
                self.claimed(config, claim, claimed, sent, now);
            }
            (Request::Renew(renew), Body::Renewed(renewed)) => {
                self.renewed(config, history, renew, renewed, sent, now);
            }
            (Request::Finish(finish), Body::Finished(finished)) => {
                self.finished(history, finish, finished, now);
            }
            (Request::WriteOff(run), Body::WrittenOff(WrittenOff::TakenOver)) => {
                match run.unit.is_lane() {
                    true => self.lane.ready = true,
                    false => self.ready = true,
                }
            }
            (Request::Control(_), Body::Controlled(reply)) => self.controlled(config, &reply),
            (Request::Beat(_), Body::Beat(had_list)) => self.beat_acknowledged(config, had_list),
            (Request::Describe(_), Body::Described) => self.description_acknowledged(sent),
            (
                Request::Heartbeat,
                Body::Heartbeat {
                    ready,
                    lane_ready,
                    unclaimed,
                    overdue,
                },
            ) => {
                self.adopts = unclaimed && self.may_adopt(config);
                self.ready |= ready;
                self.lane.ready |= lane_ready;
                self.sees_overdue(overdue, now);
            }
            _ => {}
        }
    }

    fn sees(&mut self, head: &Head) {
        self.known.head = head.control_version;
        if self.quarantine_from_ms != head.quarantine_from_ms {
            self.quarantine_from_ms = head.quarantine_from_ms;
            self.quarantine_until_ms = head.quarantine_from_ms + self.lease_ms + MARGIN_MS;
        }
        if self.serving != head.serving {
            self.serving.clone_from(&head.serving);
            self.watch = None;
        }
    }

    fn learns_clock(&mut self, config: &Config, head: &Head, now: i64) {
        let clock_ms = (head.now_us / 1_000) as i64 - now;
        if clock_ms != self.clock_ms && config.guards.pauses_after_jump {
            self.holds_back_until = now + self.lease_ms;
        }
        self.clock_ms = clock_ms;
    }
}
