//! The living nodes, and which of this node's jobs they have.
//!
//! Many services may share a namespace: a thousand nodes of which four have the same jobs. So what a node does with
//! each reply is in proportion to the nodes that came or went, and what it does for a unit to those that have to do
//! with it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::{EVERYBODY, NodeKey};
use crate::node::unit_set::UnitSet;
use crate::timer::UnitIndex;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{JobsDigest, Labels, Member};

/// The key of a node in preferences.
pub(super) fn node_key(identity: &str) -> NodeKey {
    hash(identity, 0).max(EVERYBODY + 1)
}

/// A living node.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) key: NodeKey,
    pub(super) name: Box<str>,
    pub(super) jobs: JobsDigest,
    pub(super) labels: Labels,
    shares: Shares,
}

/// What a node has in common with this one.
#[derive(Clone, Debug)]
enum Shares {
    /// All jobs.
    All,
    /// The jobs of these units, at least one.
    Some(Arc<UnitSet>),
    /// No job.
    Nothing,
    /// Its jobs are not known yet. Until then it counts as having none of this node's: what it has is claimed by both
    /// for a moment, and what it has not is claimed in time. A node of one service of many would wait a while for the
    /// lists of all others.
    Unknown,
}

impl Peer {
    fn new(member: Member, key: NodeKey, shares: Shares) -> Self {
        Peer {
            key,
            name: member.name.into(),
            jobs: member.jobs,
            labels: member.labels,
            shares,
        }
    }

    #[cfg(test)]
    pub(super) fn with(key: NodeKey, jobs: JobsDigest, labels: Labels) -> Self {
        let member = Member {
            jobs,
            labels,
            ..Member::default()
        };
        Peer::new(member, key, Shares::All)
    }

    /// Whether it has the job of a unit, as far as this node knows.
    pub(super) fn has(&self, unit: UnitIndex) -> bool {
        match &self.shares {
            Shares::All => true,
            Shares::Some(units) => units.contains(unit),
            Shares::Nothing | Shares::Unknown => false,
        }
    }

    /// Whether its jobs are known.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.shares, Shares::Unknown)
    }

    fn has_something(&self) -> bool {
        matches!(self.shares, Shares::All | Shares::Some(_))
    }
}

/// The living nodes.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// By key.
    all: Vec<Peer>,
    /// Their identities, in the same order.
    identities: Vec<String>,
    /// Those that have to do with this node, as places in `all`.
    related: Vec<u32>,
    /// Whether each node has to do with this one: any of them records the ticks of its disabled jobs.
    relates_to_all: bool,
    /// The units whose jobs the nodes of other digests have; `None` if that is none.
    shared: HashMap<JobsDigest, Option<Arc<UnitSet>>>,
    /// The digests whose jobs are not known.
    unknown: BTreeSet<JobsDigest>,
}

impl Peers {
    /// Each node has to do with this one.
    pub(super) fn relate_to_all(&mut self) {
        self.relates_to_all = true;
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Peer> {
        self.all.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn identities(&self) -> &[String] {
        &self.identities
    }

    pub(super) fn get(&self, key: NodeKey) -> Option<&Peer> {
        let place = self.all.binary_search_by_key(&key, |peer| peer.key);
        place.ok().map(|place| &self.all[place])
    }

    /// The nodes that have to do with this one: they have one of its jobs.
    pub(super) fn related(&self) -> impl Iterator<Item = &Peer> {
        self.related.iter().map(|place| &self.all[*place as usize])
    }

    pub(super) fn is_related(&self, key: NodeKey) -> bool {
        self.get(key).is_some_and(|peer| self.relates(peer))
    }

    fn relates(&self, peer: &Peer) -> bool {
        self.relates_to_all || peer.has_something()
    }

    /// The first node by identity that has these jobs.
    pub(super) fn first_of(&self, jobs: JobsDigest) -> Option<NodeKey> {
        let all = self.all.iter().zip(&self.identities);
        let same = all.filter(|(peer, _)| peer.jobs == jobs);
        let first = same.min_by_key(|(_, identity)| *identity);
        first.map(|(peer, _)| peer.key)
    }

    /// Whether it is known which jobs the nodes of a digest have.
    pub(super) fn knows(&self, jobs: JobsDigest) -> bool {
        self.shared.contains_key(&jobs)
    }

    pub(super) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// A digest whose jobs are not known: another one than that asked for last, because the store may lack a list for a
    /// while.
    pub(super) fn next_unknown(&self, asked: Option<JobsDigest>) -> Option<JobsDigest> {
        let after = asked.map(|asked| (Bound::Excluded(asked), Bound::Unbounded));
        let next = after.and_then(|after| self.unknown.range(after).next());
        next.or(self.unknown.first()).copied()
    }

    /// These nodes live, and no others. Notes those that came or went, or have other jobs or labels than before, if
    /// they have to do with this node, whose jobs have the digest `own`.
    pub(super) fn replace(
        &mut self,
        members: Vec<Member>,
        own: JobsDigest,
        changed: &mut BTreeSet<NodeKey>,
    ) {
        let used: BTreeSet<JobsDigest> = members.iter().map(|member| member.jobs).collect();
        self.shared.retain(|digest, _| used.contains(digest));
        let is_unknown = |digest: &JobsDigest| *digest != own && !self.shared.contains_key(digest);
        self.unknown = used.into_iter().filter(is_unknown).collect();
        let keyed = members
            .into_iter()
            .map(|member| (node_key(&member.node), member));
        let mut keyed: Vec<(NodeKey, Member)> = keyed.collect();
        keyed.sort_unstable_by_key(|(key, _)| *key);
        keyed.dedup_by_key(|(key, _)| *key);
        let (new, identities) = keyed
            .into_iter()
            .map(|(key, mut member)| {
                let identity = std::mem::take(&mut member.node);
                let shares = self.shares(member.jobs, own);
                (Peer::new(member, key, shares), identity)
            })
            .unzip();
        self.identities = identities;
        let before = std::mem::replace(&mut self.all, new);
        self.note_differences(&before, changed);
        self.relate();
    }

    fn shares(&self, jobs: JobsDigest, own: JobsDigest) -> Shares {
        if jobs == own {
            return Shares::All;
        }
        match self.shared.get(&jobs) {
            Some(Some(units)) => Shares::Some(Arc::clone(units)),
            Some(None) => Shares::Nothing,
            None => Shares::Unknown,
        }
    }

    /// Compares two lists of nodes by key.
    fn note_differences(&self, before: &[Peer], changed: &mut BTreeSet<NodeKey>) {
        let mut note = |peer: &Peer| {
            if self.relates(peer) {
                changed.insert(peer.key);
            }
        };
        let (mut before, mut after) = (before.iter().peekable(), self.all.iter().peekable());
        loop {
            match (before.peek(), after.peek()) {
                (Some(old), Some(new)) if old.key == new.key => {
                    if old.jobs != new.jobs || old.labels != new.labels {
                        note(old);
                        note(new);
                    }
                    before.next();
                    after.next();
                }
                (Some(old), Some(new)) if old.key < new.key => {
                    note(old);
                    before.next();
                }
                (Some(old), None) => {
                    note(old);
                    before.next();
                }
                (_, Some(new)) => {
                    note(new);
                    after.next();
                }
                (None, None) => return,
            }
        }
    }

    /// The units whose jobs the nodes of a digest have. Notes those nodes, if there are such units.
    pub(super) fn learn_jobs(
        &mut self,
        jobs: JobsDigest,
        units: UnitSet,
        changed: &mut BTreeSet<NodeKey>,
    ) {
        if !self.unknown.remove(&jobs) {
            return;
        }
        let units = (!units.is_empty()).then(|| Arc::new(units));
        let shares = units.clone().map_or(Shares::Nothing, Shares::Some);
        let is_news = units.is_some();
        self.shared.insert(jobs, units);
        for peer in self.all.iter_mut().filter(|peer| peer.jobs == jobs) {
            peer.shares = shares.clone();
            if is_news {
                changed.insert(peer.key);
            }
        }
        if is_news {
            self.relate();
        }
    }

    fn relate(&mut self) {
        let all = self.all.iter().enumerate();
        let related = all.filter(|(_, peer)| self.relates(peer));
        self.related = related.map(|(place, _)| place as u32).collect();
    }
}
