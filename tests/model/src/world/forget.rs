//! An operator who forgets the job, or takes back what a clock that was ahead has decided of it.

use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::message::{
    Claimed, Forget, ForgetRequest, Forgotten, Heartbeat, Target, Verdict,
};
use scheduled_one_protocol::{Directive, FencingToken};

use super::World;
use super::direct::operator;
use crate::config::Config;
use crate::server::{Body, Request};

impl World {
    /// After the clock was set, all nodes count as gone until their next heartbeat, which is a known gap: an operator
    /// who takes decisions back has stopped the nodes.
    fn are_nodes_unseen(&self, config: &Config) -> bool {
        config.faults.jumps > 0 && self.nodes.iter().any(|node| node.reaches())
    }

    /// Whether the operator asks for what was looked at, which may be long ago.
    pub(super) fn can_forget(&self, config: &Config) -> bool {
        self.looked_forget.is_some() && !self.are_nodes_unseen(config)
    }

    /// Whether the operator would see that no living node has the job.
    pub(super) fn can_look_forgotten(&self, config: &Config) -> bool {
        let memory = &self.server.memory;
        let now = Now {
            us: self.store_now() as u64 * 1_000,
        };
        let there = !memory.catalog.is_empty();
        let is_blind = !config.guards.forget_sees_nodes;
        let nobody = is_blind || memory.nodes.with_job(Config::unit().job(), now).is_empty();
        let may_look = self.left.forgets > 0 && self.looked_forget.is_none();
        may_look && there && nobody && !self.are_nodes_unseen(config)
    }

    /// The operator looks at nodes and catalog.
    pub(super) fn look_forgotten(&mut self, config: &Config) {
        self.left.forgets -= 1;
        let request = Request::Beat(Box::new(Heartbeat::leaving()));
        self.serve(config, &request, &operator());
        let entry = self.server.memory.catalog.get(Config::unit().job());
        self.looked_forget = Some(entry.map_or(0, |entry| entry.last_ms));
    }

    /// And asks for it, at any time later.
    pub(super) fn forget(&mut self, config: &Config, what: Forget) {
        let seen_ms = self.looked_forget.take().unwrap_or_default();
        let entry = self.server.memory.catalog.get(Config::unit().job());
        let request = Request::Forget(Box::new(ForgetRequest {
            job: Config::unit().job().to_owned(),
            units: vec![Config::unit(), Config::unit().lane()],
            described_ms: match config.guards.names_described {
                true => seen_ms,
                false => entry.map_or(0, |entry| entry.last_ms),
            },
            directive: Directive::default(),
            what,
        }));
        match self.serve(config, &request, &operator()).body {
            Body::Forgotten(Forgotten::Removed) => self.note_forgotten(),
            Body::Forgotten(Forgotten::TakenBack(count)) if count > 0 => {
                let now_ms = self.store_now();
                self.history.take_back(now_ms);
            }
            _ => {}
        }
    }

    fn note_forgotten(&mut self) {
        let up = self.nodes.iter().filter(|node| node.up).count();
        let now_ms = self.store_now();
        let history = &mut self.history;
        history.forgotten_at = Some(history.starts.len());
        // Somebody who was cut off brings back what it saw; of several, each only that.
        history.forgotten_ms = (up == 0).then_some(now_ms);
        history.excused |= up > 1;
        history.schedule = None;
        history.pause = None;
        history.wanted = None;
        history.asked = None;
        history.drop_requests();
    }

    /// A tick from before the job was forgotten is none of the job that has its name now.
    pub(super) fn judge_forgotten(
        &mut self,
        request: &Request,
        reply: &Body,
        newest: FencingToken,
    ) {
        let (Some(forgotten_ms), Request::Claim(claim), Body::Claimed(claimed)) =
            (self.history.forgotten_ms, request, reply)
        else {
            return;
        };
        let Target::Tick(due) = &claim.target else {
            return;
        };
        let decides = |claimed: &Claimed| match &claimed.verdict {
            Verdict::Granted(grant) => grant.token > newest,
            Verdict::Queued | Verdict::Skipped => true,
            _ => false,
        };
        let missed = due.missed.iter().map(|missed| missed.first);
        let first = missed.chain([due.tick]).min();
        let is_before = first.is_some_and(|tick| tick.ms() <= forgotten_ms);
        self.history.from_before |= decides(claimed) && is_before;
    }
}
