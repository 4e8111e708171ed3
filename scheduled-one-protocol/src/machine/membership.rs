//! Which nodes live, and which jobs each of them runs. Nothing that a unit decides rests on this: nodes choose by it
//! who claims a tick first, and the claim decides.

use std::collections::{BTreeMap, BTreeSet};

use super::{Meta, Now};
use crate::message::{
    Caller, Heartbeat, HeartbeatReply, JobList, JobsDigest, Labels, Load, MAX_NODES, Member,
    Membership, NODE_GONE_MS, Room, SUSPECT_MS,
};

/// The living nodes of a bucket, and the lists of their jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nodes {
    /// The nodes by identity.
    pub living: BTreeMap<String, LivingNode>,
    /// Job lists of living nodes, by digest. Nodes of one build share one.
    pub job_lists: BTreeMap<JobsDigest, JobList>,
}

/// What is stored of a living node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LivingNode {
    /// When its last heartbeat came.
    pub beat_ms: i64,
    /// The node's label in ledgers.
    pub name: String,
    /// Digest of the jobs that it runs.
    pub jobs: JobsDigest,
    /// What it is labelled with.
    pub labels: Labels,
    /// How much it does.
    pub load: Load,
    /// Its wall clock minus the store's clock, in ms; `None` if it did not say so.
    pub clock_offset_ms: Option<i64>,
}

impl LivingNode {
    /// What is stored of a node that sent this heartbeat.
    pub(crate) fn of(caller: &Caller, heartbeat: &Heartbeat, beat_ms: i64) -> Self {
        LivingNode {
            beat_ms,
            name: caller.name.clone(),
            jobs: heartbeat.jobs,
            labels: heartbeat.labels.clone(),
            load: heartbeat.load,
            clock_offset_ms: heartbeat.clock_offset_ms,
        }
    }
}

/// Records the sign of life of a node. The reply lacks the units, which are in the records.
pub fn heartbeat(
    meta: &mut Meta,
    nodes: &mut Nodes,
    caller: &Caller,
    heartbeat: &Heartbeat,
    now: Now,
) -> HeartbeatReply {
    let now_ms = now.ms();
    let before = nodes.living.len();
    // A heartbeat from the future is from before the clock went back.
    nodes
        .living
        .retain(|_, node| node.beat_ms.abs_diff(now_ms) <= NODE_GONE_MS as u64);
    let mut changed = nodes.living.len() != before || meta.membership_version == 0;
    changed |= match heartbeat.leaving {
        true => nodes.living.remove(&caller.node).is_some(),
        false => nodes.see(caller, heartbeat, now_ms),
    };
    if changed {
        meta.membership_version = now.us.max(meta.membership_version + 1);
        nodes.forget_lists();
    }
    if let Some(list) = &heartbeat.job_list
        && !heartbeat.leaving
    {
        nodes.job_lists.insert(heartbeat.jobs, list.clone());
    }
    let is_news = heartbeat.known_version != meta.membership_version;
    HeartbeatReply {
        membership: Membership {
            version: meta.membership_version,
            members: is_news.then(|| nodes.members()),
        },
        suspects: nodes.those(|node| node.beat_ms < now_ms - SUSPECT_MS),
        busy: nodes.those(|node| node.load.room == Room::Busy),
        full: nodes.those(|node| node.load.room == Room::Full),
        running: heartbeat.wants_load.then(|| nodes.running()),
        has_job_list: nodes.job_lists.contains_key(&heartbeat.jobs),
        wanted_list: heartbeat
            .wanted_list
            .and_then(|digest| nodes.job_lists.get(&digest).cloned()),
        ..HeartbeatReply::default()
    }
}

impl Nodes {
    /// Returns whether the node is new, or has other jobs than before.
    fn see(&mut self, caller: &Caller, heartbeat: &Heartbeat, now_ms: i64) -> bool {
        let seen = LivingNode::of(caller, heartbeat, now_ms);
        let before = self.living.insert(caller.node.clone(), seen);
        before.is_none_or(|before| {
            before.jobs != heartbeat.jobs
                || before.name != caller.name
                || before.labels != heartbeat.labels
        })
    }

    /// Removes the lists that no living node has.
    fn forget_lists(&mut self) {
        let used: BTreeSet<JobsDigest> = self.living.values().map(|node| node.jobs).collect();
        self.job_lists.retain(|digest, _| used.contains(digest));
    }

    /// The labels of the living nodes that have a job, or of which it is not known which jobs they have; in the order
    /// of their identities.
    pub fn with_job(&self, job: &str, now: Now) -> Vec<String> {
        let has = |list: &JobList| {
            list.names()
                .any(|entry| entry.split(['=', '*']).next() == Some(job))
        };
        let living = self.living.values().filter(|node| {
            let lives = node.beat_ms.abs_diff(now.ms()) <= NODE_GONE_MS as u64;
            lives && self.job_lists.get(&node.jobs).is_none_or(has)
        });
        let labels = living.map(|node| node.name.clone());
        labels.take(MAX_NODES).collect()
    }

    fn members(&self) -> Vec<Member> {
        let members = self.living.iter().map(|(identity, node)| Member {
            node: identity.clone(),
            name: node.name.clone(),
            jobs: node.jobs,
            labels: node.labels.clone(),
            clock_offset_ms: node.clock_offset_ms,
        });
        members.take(MAX_NODES).collect()
    }

    /// The identities of the nodes of which this holds.
    fn those(&self, holds: impl Fn(&LivingNode) -> bool) -> Vec<String> {
        let those = self.living.iter().filter(|(_, node)| holds(node));
        let identities = those.map(|(identity, _)| identity.clone());
        identities.take(MAX_NODES).collect()
    }

    /// Active runs of all nodes.
    fn running(&self) -> u64 {
        let all = self.living.values();
        all.map(|node| u64::from(node.load.running)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(node: &str) -> Caller {
        Caller {
            node: node.to_owned(),
            name: node.to_uppercase(),
            quarantine_ms: 0,
            margin_ms: 0,
            ledger_limit: 9,
            buckets: 1,
        }
    }

    fn at(ms: u64) -> Now {
        Now { us: ms * 1000 }
    }

    fn names(reply: &HeartbeatReply) -> Option<Vec<&str>> {
        let members = reply.membership.members.as_ref()?;
        Some(members.iter().map(|member| member.name.as_str()).collect())
    }

    #[test]
    fn members_are_named_only_to_those_who_have_not_seen_them() {
        let (mut meta, mut nodes) = (Meta::default(), Nodes::default());
        let mut beat = |node: &str, known_version, ms| {
            let request = Heartbeat {
                known_version,
                ..Heartbeat::alive()
            };
            heartbeat(&mut meta, &mut nodes, &caller(node), &request, at(ms))
        };
        let first = beat("a", 0, 10_000);
        assert_eq!(names(&first), Some(vec!["A"]));
        let second = beat("b", 0, 10_500);
        assert_eq!(names(&second), Some(vec!["A", "B"]));
        let again = beat("b", second.membership.version, 11_500);
        assert_eq!(names(&again), None);
        assert_eq!(again.suspects, ["a"]);
        // The node is gone after three missed heartbeats.
        let later = beat("b", second.membership.version, 13_501);
        assert_eq!(names(&later), Some(vec!["B"]));
    }

    #[test]
    fn what_nodes_say_of_their_load_is_given_to_all() {
        let (mut meta, mut nodes) = (Meta::default(), Nodes::default());
        let mut beat = |node: &str, running, room| {
            let request = Heartbeat {
                load: Load { running, room },
                wants_load: node == "a",
                ..Heartbeat::alive()
            };
            heartbeat(&mut meta, &mut nodes, &caller(node), &request, at(10_000))
        };
        beat("b", 7, Room::Busy);
        let before = beat("c", 3, Room::Full);
        assert_eq!(before.running, None, "c did not ask");
        let seen = beat("a", 1, Room::Free);
        assert_eq!(
            (&seen.busy[..], &seen.full[..]),
            (&["b".to_owned()][..], &["c".to_owned()][..])
        );
        assert_eq!(seen.running, Some(11));
        // The load of a node is no news of the membership.
        let version = seen.membership.version;
        assert_eq!(beat("c", 0, Room::Free).membership.version, version);
        assert_eq!(beat("a", 1, Room::Free).full, [] as [&str; 0]);
    }

    #[test]
    fn the_offset_of_a_clock_is_shown_and_is_no_news() {
        let (mut meta, mut nodes) = (Meta::default(), Nodes::default());
        let mut beat = |node: &str, clock_offset_ms| {
            let request = Heartbeat {
                clock_offset_ms,
                ..Heartbeat::alive()
            };
            let reply = heartbeat(&mut meta, &mut nodes, &caller(node), &request, at(10_000));
            let members = reply.membership.members.expect("the caller has seen none");
            let offsets = members.iter().map(|member| member.clock_offset_ms);
            (reply.membership.version, offsets.collect::<Vec<_>>())
        };
        beat("a", Some(0));
        let (version, offsets) = beat("b", None);
        assert_eq!(offsets, [Some(0), None]);
        assert_eq!(beat("a", Some(-2_300)), (version, vec![Some(-2_300), None]));
        assert_eq!(beat("a", None), (version, vec![None, None]));
    }

    #[test]
    fn other_labels_are_another_membership() {
        let (mut meta, mut nodes) = (Meta::default(), Nodes::default());
        let mut beat = |words: &[&str]| {
            let request = Heartbeat {
                labels: Labels::new(words.iter().copied()),
                ..Heartbeat::alive()
            };
            heartbeat(&mut meta, &mut nodes, &caller("a"), &request, at(10_000)).membership
        };
        let first = beat(&["gpu"]);
        assert_eq!(beat(&["gpu"]).version, first.version);
        let second = beat(&["gpu", "big"]);
        assert!(second.version > first.version);
        let members = second.members.expect("news");
        assert!(members[0].labels.has("big") && !members[0].labels.has("bi"));
    }

    #[test]
    fn a_list_is_kept_as_long_as_a_living_node_has_it() {
        let (mut meta, mut nodes) = (Meta::default(), Nodes::default());
        let list = JobList::new(["b", "a"]);
        assert_eq!(list.names().collect::<Vec<_>>(), ["a", "b"]);
        let with_list = Heartbeat {
            jobs: list.digest(),
            job_list: Some(list.clone()),
            ..Heartbeat::alive()
        };
        let asks = Heartbeat {
            wanted_list: Some(list.digest()),
            ..Heartbeat::alive()
        };
        let mut beat = |node: &str, request: &Heartbeat| {
            heartbeat(&mut meta, &mut nodes, &caller(node), request, at(10_000))
        };
        assert!(beat("a", &with_list).has_job_list);
        assert_eq!(beat("b", &asks).wanted_list, Some(list));
        assert!(!beat("b", &asks).has_job_list);
        beat("a", &Heartbeat::leaving());
        assert_eq!(beat("b", &asks).wanted_list, None);
    }
}
