//! Requests and replies that arrive at once, late, or never.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{Caller, Claimed, Renewed, Reply, Verdict};

use super::World;
use crate::config::Config;
use crate::history::History;
use crate::server::{Body, Request};

/// A request that is late, or its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The node that sent the request.
    pub node: usize,
    /// The same as the store knows it.
    pub caller: Caller,
    /// The request.
    pub request: Request,
    /// When.
    pub sent: i64,
    /// The answer, if it is that which is late.
    pub reply: Option<Reply<Body>>,
    /// The node does not wait for the reply.
    pub copy: bool,
}

impl World {
    /// The store executes a request.
    pub(super) fn serve(
        &mut self,
        config: &Config,
        request: &Request,
        caller: &Caller,
    ) -> Reply<Body> {
        let keep = match self.left.failovers {
            0 => 0,
            _ => self.left.lost_writes,
        };
        let newest = self.server.memory.record.marks.token;
        let (now_ms, guards) = (self.store_now(), &config.guards);
        let reply = self.server.serve(request, caller, now_ms, keep, guards);
        self.judge_pause(&reply.body, newest);
        self.judge_schedule(config, request, caller, &reply.body, newest);
        self.judge_forgotten(request, &reply.body, newest);
        let History {
            loss, loss_in_lane, ..
        } = &mut self.history;
        for loss in [loss, loss_in_lane] {
            loss.take_if(|loss| self.server.knows(loss)); // it knows again
        }
        reply
    }

    /// A request is sent, executed and answered, in one instant.
    pub(super) fn ask(&mut self, config: &Config, n: usize, request: &Request) {
        let now = self.now;
        self.nodes[n].sends(request, now);
        let caller = self.nodes[n].caller();
        let reply = self.serve(config, request, &caller);
        self.nodes[n].hears(config, &mut self.history, request, reply, now, now);
    }

    /// A message is under way from now on.
    pub(super) fn keep(
        &mut self,
        node: usize,
        request: Request,
        reply: Option<Reply<Body>>,
        copy: bool,
    ) {
        self.late.push(Message {
            node,
            caller: self.nodes[node].caller(),
            request,
            sent: self.now,
            reply,
            copy,
        });
    }

    /// A late message arrives.
    pub(super) fn arrives(&mut self, config: &Config, index: usize) {
        let message = self.late.remove(index);
        let executes = message.reply.is_none();
        let reply = match message.reply {
            Some(reply) => reply,
            None => self.serve(config, &message.request, &message.caller),
        };
        let under_way_ms = match executes {
            true => self.now - message.sent,
            false => 0,
        };
        self.history.revived |= self.is_revived(&reply.body, under_way_ms);
        let node = &mut self.nodes[message.node];
        let waits = node.up && node.id == message.caller.node && !message.copy;
        if waits && node.reaches() {
            let (request, sent) = (&message.request, message.sent);
            node.hears(config, &mut self.history, request, reply, sent, self.now);
        } else if waits {
            self.late.push(Message {
                reply: Some(reply),
                ..message
            });
        }
    }

    /// Whether a request did something that was under way for longer than it
    /// is valid.
    fn is_revived(&self, body: &Body, under_way_ms: i64) -> bool {
        let memory = &self.server.memory;
        let lease_ms = memory
            .record
            .run
            .lease_ms
            .max(memory.lane.record.run.lease_ms);
        let revives = |record: &Record, claimed: &Claimed| {
            let granted = matches!(claimed.verdict, Verdict::Granted(_));
            let new = record.run.granted_at_ms == self.store_now();
            granted && new && under_way_ms > record.run.lease_ms / 2
        };
        match body {
            Body::Claimed(claimed) => revives(&memory.record, claimed),
            Body::Taken(taken) => revives(&memory.lane.record, &taken.claimed),
            Body::Renewed(renewed) => {
                let refused = matches!(renewed, Renewed::Late | Renewed::Lost);
                !refused && under_way_ms >= lease_ms
            }
            _ => false,
        }
    }
}
