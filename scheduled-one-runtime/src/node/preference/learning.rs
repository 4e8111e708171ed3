//! What a node learns of others from the reply to its heartbeat.

use std::collections::BTreeSet;

use scheduled_one_protocol::message::{HeartbeatReply, Member};

use super::peers::node_key;
use super::{Moved, NodeKey, Preference};
use crate::node::unit_set::UnitSet;
use crate::node::units::Units;
use crate::timer::UnitIndex;

impl Preference {
    /// Takes what the reply to a heartbeat says of the nodes into account, and the list of them out of it.
    pub(in crate::node) fn learn(
        &mut self,
        reply: &mut HeartbeatReply,
        units: &Units,
        now_ms: i64,
    ) -> Moved {
        self.list_is_news = !reply.has_job_list && self.is_list_stored;
        self.is_list_stored = reply.has_job_list;
        let mut changed = BTreeSet::new();
        replace(&mut self.suspects, &reply.suspects, &mut changed);
        changed.retain(|key| self.peers.is_related(*key));
        let mut is_unsettled = !changed.is_empty();
        replace(&mut self.full, &reply.full, &mut changed);
        // Who is busy matters to few jobs.
        let mut busy_changed = BTreeSet::new();
        let busy = self.busy_for_all(&reply.busy);
        replace(&mut self.busy, &busy, &mut busy_changed);
        if self.load.matters() {
            busy_changed.retain(|key| self.peers.is_related(*key));
            is_unsettled |= !busy_changed.is_empty();
            changed.append(&mut busy_changed);
        }
        changed.retain(|key| self.peers.is_related(*key));
        self.version = reply.membership.version;
        if let Some(members) = reply.membership.members.take() {
            is_unsettled |= self.learn_members(members, &mut changed);
        }
        if is_unsettled {
            self.changed_ms = now_ms;
        }
        if let Some(list) = &reply.wanted_list {
            let has = UnitSet::of(list, units);
            self.peers.learn_jobs(list.digest(), has, &mut changed);
        }
        self.load.learn(reply.running, self.peers.len());
        self.learn_holders(&mut changed, now_ms);
        let idle = self.idlers.at(now_ms);
        if changed.is_empty() && idle == self.idle {
            return Moved::default();
        }
        let before = self.mine();
        self.prefer_again(&changed, units);
        self.idle = idle;
        Moved {
            nodes_changed: true,
            ..self.moved_since(&before)
        }
    }

    /// Returns whether a node came or went that has to do with this one, or may have.
    fn learn_members(&mut self, members: Vec<Member>, changed: &mut BTreeSet<NodeKey>) -> bool {
        let before = changed.len();
        self.peers.replace(members, self.own_digest, changed);
        let peers = &self.peers;
        self.idlers.retain(|key| peers.get(key).is_some());
        changed.len() > before || peers.has_unknown()
    }

    /// The busy nodes, but not this one before its second heartbeat that says so: the others learn of the first one
    /// with their next heartbeats, and until then nobody else claims what prefers this node.
    fn busy_for_all(&mut self, busy: &[String]) -> Vec<String> {
        let is_me = |node: &String| node_key(node) == self.me;
        let was_named = std::mem::replace(&mut self.is_named_busy, busy.iter().any(is_me));
        let known = busy.iter().filter(|node| was_named || !is_me(node));
        known.cloned().collect()
    }

    /// The units that this node claims, a bit each.
    fn mine(&self) -> UnitSet {
        let mut mine = UnitSet::none(self.first.len());
        for unit in 0..self.first.len() as UnitIndex {
            if self.is_mine(unit) {
                mine.add(unit);
            }
        }
        mine
    }

    fn moved_since(&self, before: &UnitSet) -> Moved {
        let mut moved = Moved::default();
        for unit in 0..self.first.len() as UnitIndex {
            match (before.contains(unit), self.is_mine(unit)) {
                (false, true) => moved.gained.push(unit),
                (true, false) => moved.lost.push(unit),
                _ => {}
            }
        }
        moved
    }
}

/// Takes the place of a set of nodes. Notes those that came or went.
fn replace(set: &mut BTreeSet<NodeKey>, nodes: &[String], changed: &mut BTreeSet<NodeKey>) {
    let new: BTreeSet<NodeKey> = nodes.iter().map(|node| node_key(node)).collect();
    changed.extend(set.symmetric_difference(&new));
    *set = new;
}
