//! Control: a node keeps a copy of all directives of its bucket. The head of each reply says whether they changed, and a
//! store that forgot them learns them again from the nodes, as it learns watermarks.

use std::sync::Arc;

use crate::node::claiming::Claiming;
use crate::node::units::Units;
use crate::store_client::{StoreClient, StoreHealth};
use scheduled_one_protocol::message::{ControlReply, ControlRequest, MAX_BATCH};
use scheduled_one_protocol::{Directive, Directives};

/// What operators want of the jobs of a bucket, as far as the node saw.
#[derive(Default)]
pub(super) struct KnownDirectives {
    directives: Directives,
    /// The version in the heads of replies when the directives were read last.
    read_version: u64,
    /// Directives that the store has in an older version than this node.
    untold: Vec<(String, Directive)>,
    /// A claim was planned with other directives than those in force.
    is_stale: bool,
    /// Whether a request has no reply yet.
    pending: bool,
}

impl KnownDirectives {
    /// The request that is due, if one is; it counts as sent.
    pub(super) fn take_due(&mut self, seen: &StoreHealth) -> Option<ControlRequest> {
        let has_changed = seen.control_version != self.read_version;
        let is_due = has_changed || self.is_stale || !self.untold.is_empty();
        if !seen.up || self.pending || !is_due {
            return None;
        }
        if seen.control_version < self.read_version {
            // The store forgot. What it still has, it keeps.
            let all = self.directives.iter();
            self.untold = all
                .map(|(subject, one)| (subject.to_owned(), one.clone()))
                .collect();
        }
        self.pending = true;
        self.is_stale = false;
        let most = self.untold.len().min(MAX_BATCH);
        Some(ControlRequest {
            told: self.untold.drain(..most).collect(),
            change: None,
        })
    }

    /// Takes the reply into account: of each directive, the higher version counts.
    fn settle(&mut self, reply: ControlReply) {
        self.pending = false;
        self.read_version = reply.version;
        for (subject, stored) in reply.directives.iter() {
            self.directives.merge(subject, stored);
        }
        let version = |subject| reply.directives.get(subject).map_or(0, |one| one.version);
        let newer = self.directives.iter();
        let newer = newer.filter(|(subject, own)| own.version > version(*subject));
        self.untold = newer
            .map(|(subject, own)| (subject.to_owned(), own.clone()))
            .collect();
    }

    /// The request was dropped.
    pub(super) fn abandon(&mut self) {
        self.pending = false;
        self.read_version = 0;
    }

    /// The store decided by other directives than those that this node knows.
    pub(super) fn read_again(&mut self) {
        self.is_stale = true;
    }
}

/// Sends what is due until the store replies.
pub(super) async fn send_control(
    client: Arc<StoreClient>,
    request: ControlRequest,
) -> ControlReply {
    let reply = client.request_until_reply(|store, caller| store.control(caller, &request));
    reply.await.body
}

/// Takes the reply into account: units whose directives changed are planned anew.
pub(super) fn take_directives(
    known: &mut KnownDirectives,
    units: &mut Units,
    claiming: &mut Claiming,
    reply: ControlReply,
    now_ms: i64,
) {
    known.settle(reply);
    claiming.now_ms = now_ms;
    for index in units.direct(&known.directives) {
        claiming.plan_unless_taken(units, index);
    }
}
