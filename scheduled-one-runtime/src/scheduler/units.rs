//! The units of a node: its jobs, or the shards of them, and what the node saw
//! decided of each.

use std::sync::Arc;

use crate::context::Shard;
use crate::rules::CompiledJob;
use crate::timer::UnitIndex;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{
    Enroll, Marks, job_of, shard_index, shard_of, without_place,
};

/// No job lets more runs go side by side: what names a higher place is nobody's.
const MAX_ALLOWED: u32 = 32;

/// A job, or one shard of it.
pub(crate) struct Unit {
    pub(crate) job: Arc<CompiledJob>,
    /// Which shard, from 0.
    pub(crate) shard: u32,
    /// The highest marks ever seen: they are sent as floors.
    pub(crate) marks: Marks,
}

impl Unit {
    pub(crate) fn name(&self) -> String {
        shard_of(&self.job.name, self.shard)
    }

    /// Shard of the job that the unit is.
    pub(crate) fn shard(&self) -> Shard {
        Shard::new(self.shard, self.job.rules.shards)
    }
}

/// All units, ordered by job and shard.
pub(crate) struct Units {
    all: Vec<Unit>,
}

impl Units {
    /// Of jobs ordered by name; first seen at `born_ms`.
    pub(crate) fn new(jobs: impl Iterator<Item = Arc<CompiledJob>>, born_ms: i64) -> Self {
        let units = jobs.flat_map(|job| {
            (0..job.rules.shards).map(move |shard| Unit {
                job: Arc::clone(&job),
                shard,
                marks: Marks {
                    born_ms,
                    ..Marks::default()
                },
            })
        });
        Units {
            all: units.collect(),
        }
    }

    pub(crate) fn indices(&self) -> std::ops::Range<UnitIndex> {
        0..self.all.len() as UnitIndex
    }

    pub(crate) fn get(&self, index: UnitIndex) -> &Unit {
        &self.all[index as usize]
    }

    /// The unit of that name, or the one whose place has that name. None if
    /// this node does not have its job, or not so many shards of it.
    pub(crate) fn find(&self, name: &str) -> Option<UnitIndex> {
        let job = job_of(name);
        let first = self.all.partition_point(|unit| *unit.job.name < *job);
        let index = first.checked_add(shard_index(name) as usize)?;
        let unit = self.all.get(index)?;
        let place = name.strip_prefix(without_place(name))?;
        let is_place = place.is_empty()
            || place[1..]
                .parse()
                .is_ok_and(|place: u32| place <= MAX_ALLOWED);
        (is_place && unit.name() == without_place(name)).then_some(index as UnitIndex)
    }

    /// Remembers what was seen of a unit.
    pub(crate) fn learn(&mut self, index: UnitIndex, seen: Marks) {
        let marks = &mut self.all[index as usize].marks;
        marks.hwm_ms = marks.hwm_ms.max(seen.hwm_ms);
        marks.token = marks.token.max(seen.token);
        marks.started = marks.started.max(seen.started);
        if seen.born_ms > 0 {
            marks.born_ms = seen.born_ms;
        }
    }

    /// What the store is told of all units, in batches.
    pub(crate) fn enrollments(&self, batch: usize) -> Vec<Vec<Enroll>> {
        let enroll = |unit: &Unit| Enroll {
            unit: unit.name(),
            first_seen_ms: unit.marks.born_ms,
            floor_hwm_ms: unit.marks.hwm_ms,
            floor_token: unit.marks.token,
            floor_started: unit.marks.started,
        };
        let batches = self.all.chunks(batch);
        batches
            .map(|units| units.iter().map(enroll).collect())
            .collect()
    }
}

/// How many of the living `nodes` a shard prefers to `me` (rendezvous hashing:
/// Thaler and Ravishankar, 1998): it is spread evenly, and when a node comes
/// or goes, only its share moves.
pub(crate) fn rank(unit: &str, me: &str, nodes: &[String]) -> usize {
    let weight = |node: &str| hash(unit, hash(node, 0));
    let mine = weight(me);
    let others = nodes.iter().filter(|node| *node != me);
    others.filter(|node| weight(node) > mine).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{n:016x}")).collect()
    }

    fn owner<'a>(unit: &str, nodes: &'a [String]) -> &'a str {
        let mut owners = nodes.iter().filter(|node| rank(unit, node, nodes) == 0);
        let owner = owners.next().expect("somebody");
        assert_eq!(owners.next(), None, "only one");
        owner
    }

    #[test]
    fn each_shard_has_one_owner_and_the_shares_are_even() {
        let nodes = nodes(5);
        let mut shares = std::collections::HashMap::new();
        for shard in 0..1000 {
            let unit = shard_of("job", shard);
            *shares.entry(owner(&unit, &nodes)).or_insert(0) += 1;
        }
        assert_eq!(shares.len(), 5);
        assert!(
            shares.values().all(|share| (150..250).contains(share)),
            "{shares:?}"
        );
    }

    #[test]
    fn only_the_share_of_a_node_that_goes_moves() {
        let before = nodes(5);
        let after = &before[..4];
        for shard in 0..200 {
            let unit = shard_of("job", shard);
            let owned_by = owner(&unit, &before);
            if owned_by != before[4] {
                assert_eq!(owner(&unit, after), owned_by);
            }
        }
    }
}
