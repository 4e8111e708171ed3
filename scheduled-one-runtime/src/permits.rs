//! Permits for runs: how many may be active on this node, and how many of a group in the whole cluster.
//!
//! A node takes a permit before it claims, and gives it back when the run has ended, or the claim is refused. A claim
//! that starts no second run of its unit shares the permit of the first one.
//!
//! The limit of a group is shared out over the living nodes that have its jobs, all of which compute the same shares
//! from the membership: no request of the store counts runs over buckets, which are on different servers. So the sum of
//! all shares is the limit, but for the moments in which nodes believe different things of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

/// The permits of a node, in all its buckets.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Most active runs of this node.
    most: Option<u32>,
    /// Most active runs of each group in the cluster.
    groups: BTreeMap<Arc<str>, u32>,
    taken: Mutex<Taken>,
    /// Changes when a permit is given back, or a share has changed.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Taken {
    /// By all runs.
    all: u32,
    groups: BTreeMap<Arc<str>, OfGroup>,
    /// Changes with the shares of groups.
    version: u64,
}

/// The permits of a group.
#[derive(Debug, Default)]
struct OfGroup {
    taken: u32,
    /// How many permits this node has.
    share: u32,
    /// The nodes that have permits.
    nodes: BTreeSet<u64>,
}

/// How many permits there were at one moment. What is taken of it is not taken of the permits.
#[derive(Debug)]
pub(crate) struct Room {
    all: u32,
    groups: BTreeMap<Arc<str>, u32>,
}

impl Room {
    /// Whether there was another permit for a run of a job in this group.
    pub(crate) fn take(&mut self, group: Option<&Arc<str>>) -> bool {
        let mut of_group = group.and_then(|group| self.groups.get_mut(group));
        if self.all == 0 || of_group.as_ref().is_some_and(|free| **free == 0) {
            return false;
        }
        self.all -= 1;
        if let Some(free) = &mut of_group {
            **free -= 1;
        }
        true
    }
}

/// The right of one run to be active, until the last copy of it is dropped. All copies count as one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permit {
    /// `None` if nothing limits the run.
    counted: Option<Arc<Counted>>,
}

/// A permit that is taken, until it is dropped.
#[derive(Debug)]
struct Counted {
    shared: Arc<Shared>,
    group: Option<Arc<str>>,
}

/// A permit that a run has, as long as it has it.
#[derive(Debug)]
pub(crate) struct LentPermit(Weak<Counted>);

impl Permit {
    /// The permit, to be shared while somebody has it; `None` if nothing limits the run.
    pub(crate) fn lend(&self) -> Option<LentPermit> {
        self.counted
            .as_ref()
            .map(|counted| LentPermit(Arc::downgrade(counted)))
    }
}

impl LentPermit {
    /// A copy of the permit; `None` if it was given back.
    pub(crate) fn share(&self) -> Option<Permit> {
        let counted = self.0.upgrade()?;
        Some(Permit {
            counted: Some(counted),
        })
    }

    /// Whether somebody has the permit.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Permits {
    pub(crate) fn new(most: Option<u32>, groups: BTreeMap<Arc<str>, u32>) -> Self {
        Permits {
            shared: Arc::new(Shared {
                most,
                groups,
                taken: Mutex::default(),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// Takes a permit for a run of a job in this group; `None` if there is none.
    pub(crate) fn take(&self, group: Option<&Arc<str>>) -> Option<Permit> {
        let group = group.filter(|group| self.is_limited(group));
        if group.is_none() && self.shared.most.is_none() {
            return Some(Permit::default());
        }
        let mut taken = self.shared.taken();
        if !self.has_room_for(&taken, group) {
            return None;
        }
        taken.all += 1;
        if let Some(group) = group {
            taken.groups.entry(Arc::clone(group)).or_default().taken += 1;
        }
        Some(Permit {
            counted: Some(Arc::new(Counted {
                shared: Arc::clone(&self.shared),
                group: group.cloned(),
            })),
        })
    }

    /// Whether there is a permit for a run of a job in this group.
    pub(crate) fn has_room(&self, group: Option<&Arc<str>>) -> bool {
        let group = group.filter(|group| self.is_limited(group));
        self.has_room_for(&self.shared.taken(), group)
    }

    /// How many permits there are at this moment.
    pub(crate) fn room(&self) -> Room {
        let taken = self.shared.taken();
        let groups = self.shared.groups.keys().map(|group| {
            let of_group = taken.groups.get(group);
            let free = of_group.map_or(0, |of| of.share.saturating_sub(of.taken));
            (Arc::clone(group), free)
        });
        Room {
            all: (self.shared.most).map_or(u32::MAX, |most| most.saturating_sub(taken.all)),
            groups: groups.collect(),
        }
    }

    fn has_room_for(&self, taken: &Taken, group: Option<&Arc<str>>) -> bool {
        let of_group = group.map(|group| taken.groups.get(group));
        let in_group = of_group.is_none_or(|of| of.is_some_and(|of| of.taken < of.share));
        in_group && self.shared.most.is_none_or(|most| taken.all < most)
    }

    /// Whether no run of any job has a permit.
    pub(crate) fn is_full(&self) -> bool {
        let taken = self.shared.taken().all;
        self.shared.most.is_some_and(|most| taken >= most)
    }

    /// Whether the runs of a group are limited.
    pub(crate) fn is_limited(&self, group: &str) -> bool {
        self.shared.groups.contains_key(group)
    }

    /// The groups whose runs are limited, and how many may be active.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &u32)> {
        self.shared.groups.iter()
    }

    /// Shares the permits of a limited group out over these nodes, in this order: each gets as many as the others, and
    /// the first ones one more.
    pub(crate) fn share_out(&self, group: &Arc<str>, nodes: &[u64], me: u64) {
        let Some(most) = self.shared.groups.get(group) else {
            return;
        };
        let shares = shares(*most, nodes.len());
        let with_share = || {
            nodes
                .iter()
                .zip(shares.clone())
                .filter(|(_, share)| *share > 0)
        };
        let mine = with_share().find(|(node, _)| **node == me);
        let mut taken = self.shared.taken();
        let of_group = taken.groups.entry(Arc::clone(group)).or_default();
        let share = mine.map_or(0, |(_, share)| share);
        let nodes: BTreeSet<u64> = with_share().map(|(node, _)| *node).collect();
        if of_group.share == share && of_group.nodes == nodes {
            return;
        }
        (of_group.share, of_group.nodes) = (share, nodes);
        taken.version += 1;
        drop(taken);
        self.shared.changes.send_modify(|changes| *changes += 1);
    }

    /// The nodes that have permits of a limited group; `None` if its runs are not limited.
    pub(crate) fn nodes_of(&self, group: &str) -> Option<BTreeSet<u64>> {
        if !self.is_limited(group) {
            return None;
        }
        let taken = self.shared.taken();
        Some(
            taken
                .groups
                .get(group)
                .map(|of| of.nodes.clone())
                .unwrap_or_default(),
        )
    }

    /// Changes with the nodes that have permits.
    pub(crate) fn version(&self) -> u64 {
        self.shared.taken().version
    }

    /// Permits that are given back, and shares that change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut taken = self.shared.taken();
        taken.all -= 1;
        let group = self.group.as_ref();
        if let Some(of_group) = group.and_then(|group| taken.groups.get_mut(group)) {
            of_group.taken -= 1;
        }
        drop(taken);
        self.shared.changes.send_modify(|changes| *changes += 1);
    }
}

/// The shares of so many nodes, the greater ones first.
fn shares(most: u32, nodes: usize) -> impl Iterator<Item = u32> + Clone {
    let nodes = nodes.max(1) as u32;
    (0..nodes).map(move |nth| most / nodes + u32::from(nth < most % nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Arc<str> {
        "billing".into()
    }

    fn limited(most: Option<u32>, of_group: u32) -> Permits {
        Permits::new(most, BTreeMap::from([(group(), of_group)]))
    }

    #[test]
    fn a_place_is_taken_until_it_is_dropped() {
        let permits = Permits::new(Some(2), BTreeMap::new());
        let changes = permits.changes();
        let (first, second) = (permits.take(None), permits.take(None));
        assert!(first.is_some() && second.is_some() && permits.is_full());
        assert!(permits.take(None).is_none() && !permits.has_room(None));
        drop(first);
        assert!(changes.has_changed().expect("open"));
        assert!(
            permits.take(Some(&group())).is_some(),
            "its group is not limited"
        );
    }

    #[test]
    fn a_group_has_the_places_of_its_share() {
        let permits = limited(None, 3);
        let group = group();
        assert!(
            permits.take(Some(&group)).is_none(),
            "nothing is shared out yet"
        );
        permits.share_out(&group, &[7, 8], 7);
        let taken: Vec<_> = (0..2).map(|_| permits.take(Some(&group))).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(permits.take(Some(&group)).is_none());
        assert!(permits.take(None).is_some(), "other jobs are not limited");
        assert!(!permits.is_full());
        // A run that is active when its permit goes elsewhere is one too many until it ends.
        permits.share_out(&group, &[8, 7], 7);
        drop(taken);
        assert!(permits.take(Some(&group)).is_some());
    }

    #[test]
    fn a_shared_permit_is_one_and_is_given_back_with_its_last_copy() {
        let permits = limited(Some(1), 1);
        let group = group();
        permits.share_out(&group, &[7], 7);
        let run = permits.take(Some(&group)).expect("a permit");
        let lent = run.lend().expect("it is counted");
        let claim = lent.share().expect("the run has it");
        assert!(permits.is_full());
        // The run ends, and the one that was claimed goes on with its permit.
        drop(run);
        assert!(permits.is_full() && !permits.has_room(Some(&group)));
        let again = lent.share().expect("the claim has it");
        drop(claim);
        assert!(permits.take(None).is_none() && lent.is_taken());
        let changes = permits.changes();
        drop(again);
        assert!(changes.has_changed().expect("open"));
        assert!(lent.share().is_none() && !lent.is_taken());
        assert!(permits.take(Some(&group)).is_some());
        assert!(Permit::default().lend().is_none(), "it is not counted");
    }

    #[test]
    fn the_shares_of_all_nodes_are_the_limit() {
        for nodes in 1_usize..9 {
            for most in 1..20 {
                let permits = |me| {
                    let permits = limited(None, most);
                    let all: Vec<u64> = (0..nodes as u64).collect();
                    permits.share_out(&group(), &all, me);
                    std::iter::from_fn(|| permits.take(Some(&group())).map(std::mem::forget))
                        .count()
                };
                let all: usize = (0..nodes as u64).map(permits).sum();
                assert_eq!(all, most as usize, "{most} over {nodes}");
            }
        }
    }

    #[test]
    fn nodes_without_a_place_are_none_of_the_group() {
        let permits = limited(None, 2);
        let before = permits.version();
        permits.share_out(&group(), &[5, 6, 7], 7);
        assert_eq!(permits.nodes_of("billing"), Some(BTreeSet::from([5, 6])));
        assert_eq!(permits.nodes_of("other"), None);
        assert!(permits.version() > before);
        let again = permits.version();
        permits.share_out(&group(), &[5, 6, 7], 7);
        assert_eq!(permits.version(), again, "nothing has changed");
    }
}
