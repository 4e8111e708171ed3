//! A node keeps a copy of all directives of its bucket. The head of each reply says whether they changed, and a store
//! that forgot them learns them again from the nodes, as it learns watermarks.

use std::sync::Arc;

use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::store_client::StoreHealth;
use scheduled_one_protocol::message::{ControlReply, ControlRequest, MAX_BATCH};
use scheduled_one_protocol::{Backfill, Directive, Directives};

/// What operators want of the jobs of a bucket, as far as the node saw.
#[derive(Default)]
pub(super) struct KnownDirectives {
    known: Directives,
    /// The version in the heads of replies when the directives were read last.
    read_version: u64,
    /// Directives that the store has in an older version than this node.
    unrepeated: Vec<(String, Directive)>,
    /// A claim was planned with other directives than those in force.
    is_stale: bool,
    /// Whether a request has no reply yet.
    pending: bool,
}

impl KnownDirectives {
    /// The request that is due, if one is; it counts as sent.
    pub(super) fn take_due(&mut self, seen: &StoreHealth) -> Option<ControlRequest> {
        let has_changed = seen.control_version != self.read_version;
        let is_due = has_changed || self.is_stale || !self.unrepeated.is_empty();
        if !seen.up || self.pending || !is_due {
            return None;
        }
        if seen.control_version < self.read_version {
            // The store forgot. What it still has, it keeps.
            let all = self.known.iter();
            self.unrepeated = all
                .map(|(subject, one)| (subject.to_owned(), one.clone()))
                .collect();
        }
        self.pending = true;
        self.is_stale = false;
        let most = self.unrepeated.len().min(MAX_BATCH);
        Some(ControlRequest {
            seen: self.unrepeated.drain(..most).collect(),
            ..ControlRequest::default()
        })
    }

    /// Takes the reply into account: of each directive, the higher version counts.
    fn settle(&mut self, reply: ControlReply) {
        self.pending = false;
        self.read_version = reply.version;
        for (subject, stored) in reply.directives.iter() {
            self.known.merge(subject, stored);
        }
        let version = |subject| reply.directives.get(subject).map_or(0, |one| one.version);
        let newer = self.known.iter();
        let newer = newer.filter(|(subject, own)| own.version > version(*subject));
        self.unrepeated = newer
            .map(|(subject, own)| (subject.to_owned(), own.clone()))
            .collect();
    }

    /// The request was dropped.
    pub(super) fn abandon(&mut self) {
        self.pending = false;
        self.read_version = 0;
    }

    /// What the node knows.
    pub(super) fn known(&self) -> &Directives {
        &self.known
    }

    /// The jobs with a backfill that is to go on.
    pub(super) fn backfills(&self, now_ms: i64) -> Vec<(String, Directive)> {
        let open = self.known.iter().filter(|(_, directive)| {
            let backfill = directive.backfill.as_ref();
            backfill.is_some_and(Backfill::is_open) && !directive.is_paused(now_ms)
        });
        open.filter_map(|(subject, directive)| {
            Some((Backfill::job_of(subject)?.to_owned(), directive.clone()))
        })
        .collect()
    }

    /// The store decided by other directives than those that this node knows.
    pub(super) fn read_again(&mut self) {
        self.is_stale = true;
    }
}

impl Node {
    /// Reads directives if they changed, and repeats those that the store forgot.
    pub(super) fn read_directives_if_changed(&mut self, seen: &StoreHealth) {
        if let Some(request) = self.directives.take_due(seen) {
            let client = Arc::clone(&self.client);
            self.inbox.request(async move {
                let reply = client.request_until_reply(Op::Control, |store, caller| {
                    store.control(caller, &request)
                });
                Event::Controlled(reply.await.body)
            });
        }
    }

    /// Takes directives into account: units for which others are in force than before are planned anew.
    pub(super) fn take_directives(&mut self, reply: ControlReply) {
        self.directives.settle(reply);
        self.claiming.now_ms = self.runner.cluster.now_ms();
        self.local_jobs
            .direct(&self.directives.known, self.claiming.now_ms);
        for unit in self.units.direct(&self.directives.known, &self.zones) {
            self.claiming.plan_unless_taken(&self.units, unit);
            let unit = self.units.get(unit);
            let paused_until_ms = unit.paused_until_ms(self.claiming.now_ms);
            unit.job.metrics.set_paused_until(paused_until_ms);
        }
    }
}
