//! What a node learns of others from the reply to its heartbeat.

use std::collections::{BTreeSet, HashMap};

use scheduled_one_protocol::message::{HeartbeatReply, JobsDigest};

use super::{Moved, NodeKey, Peer, Preference, node_key};
use crate::node::unit_set::UnitSet;
use crate::node::units::Units;
use crate::timer::UnitIndex;

impl Preference {
    /// Takes what the reply to a heartbeat says of the nodes into account.
    pub(in crate::node) fn learn(
        &mut self,
        reply: &HeartbeatReply,
        units: &Units,
        now_ms: i64,
    ) -> Moved {
        self.is_list_stored = reply.has_job_list;
        let mut changed = BTreeSet::new();
        replace(&mut self.suspects, &reply.suspects, &mut changed);
        let mut is_unsettled = !changed.is_empty();
        replace(&mut self.full, &reply.full, &mut changed);
        // Who is busy matters to few jobs.
        let mut busy_changed = BTreeSet::new();
        let busy = self.busy_for_all(&reply.busy);
        replace(&mut self.busy, &busy, &mut busy_changed);
        if self.load.matters() {
            is_unsettled |= !busy_changed.is_empty();
            changed.append(&mut busy_changed);
        }
        if is_unsettled {
            self.changed_ms = now_ms;
        }
        self.version = reply.membership.version;
        if let Some(members) = &reply.membership.members {
            self.living = members.iter().map(|member| member.node.clone()).collect();
            let members: Vec<Peer> = members.iter().map(Peer::new).collect();
            changed.extend(differing(&self.members, &members));
            changed.extend(differing(&members, &self.members));
            self.members = members;
            self.changed_ms = now_ms;
            let members = &self.members;
            let is_used = |digest: &JobsDigest| members.iter().any(|peer| peer.jobs == *digest);
            self.shared.retain(|digest, _| is_used(digest));
            self.idlers
                .retain(|key| members.iter().any(|peer| peer.key == key));
        }
        if let Some(list) = &reply.wanted_list {
            let digest = list.digest();
            self.shared.insert(digest, UnitSet::of(list, units));
            let has_list = self.members.iter().filter(|peer| peer.jobs == digest);
            changed.extend(has_list.map(|peer| peer.key));
        }
        self.load.learn(reply.running, self.members.len());
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

/// The nodes of `these` that `others` lack, or have with other jobs or labels.
fn differing(these: &[Peer], others: &[Peer]) -> Vec<NodeKey> {
    let others: HashMap<NodeKey, &Peer> = others.iter().map(|peer| (peer.key, peer)).collect();
    let differs = |peer: &&Peer| {
        let other = others.get(&peer.key);
        other.is_none_or(|other| other.jobs != peer.jobs || other.labels != peer.labels)
    };
    these.iter().filter(differs).map(|peer| peer.key).collect()
}
