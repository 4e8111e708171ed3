use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::compiled_job::Compiled;
use crate::context::JobContext;
use crate::job::Job;
use crate::job::when::Schedules;
use crate::node::outlook::Outlook;
use crate::scheduler::program::Program;
use crate::state::States;
use scheduled_one_protocol::message::{HeartbeatReply, Member, Membership};
use scheduled_one_schedule::ZoneData;

/// Units of jobs that are named by numbers.
pub(in crate::node) fn units(jobs: impl IntoIterator<Item = usize>) -> Units {
    routed_units(jobs, Route::Sticky)
}

fn routed_units(jobs: impl IntoIterator<Item = usize>, route: Route) -> Units {
    let zones = ZoneData::compiled_in();
    let mut schedules = Schedules::new(&zones, &[]);
    let compile = |number: usize| {
        let name = format!("job-{number:04}");
        let job = Job::every(name, Duration::from_secs(1), |_: JobContext| async {});
        match job.route(route).compile(&States::default(), &mut schedules) {
            Ok(Compiled::Job(job)) => Arc::from(job),
            _ => panic!("the job is sound"),
        }
    };
    let lease = Duration::from_secs(5);
    Units::new(
        jobs.into_iter().map(compile),
        1,
        (lease, 0),
        Outlook::default(),
    )
}

pub(in crate::node) fn traits() -> NodeTraits {
    NodeTraits {
        labels: Labels::default(),
        permits: Permits::new(None, BTreeMap::new()),
        is_first_bucket: true,
        program: Arc::default(),
    }
}

pub(in crate::node) fn identity(node: usize) -> String {
    format!("{node:016x}")
}

/// A node that has these jobs.
struct Node {
    units: Units,
    preference: Preference,
}

impl Node {
    fn new(node: usize, jobs: impl IntoIterator<Item = usize>) -> Self {
        Node::with(node, units(jobs))
    }

    fn with(node: usize, units: Units) -> Self {
        Node {
            preference: Preference::new(&identity(node), &units, traits()),
            units,
        }
    }

    fn learn(&mut self, reply: &HeartbeatReply) -> Moved {
        let mut reply = reply.clone();
        self.preference.learn(&mut reply, &self.units, 10_000)
    }

    fn mine(&self) -> Vec<String> {
        let units = self.units.indices();
        let mine = units.filter(|unit| self.preference.is_mine(*unit));
        mine.map(|unit| self.units.get(unit).name().to_string())
            .collect()
    }
}

/// The reply that these nodes live.
fn living(version: u64, nodes: &[&Node], indices: &[usize]) -> HeartbeatReply {
    let member = |(node, index): (&&Node, &usize)| Member {
        node: identity(*index),
        name: format!("n{index}"),
        jobs: node.preference.own_digest,
        labels: node.preference.labels.clone(),
        clock_offset_ms: None,
    };
    HeartbeatReply {
        membership: Membership {
            version,
            members: Some(nodes.iter().zip(indices).map(member).collect()),
        },
        has_job_list: true,
        ..HeartbeatReply::default()
    }
}

/// All nodes learn that these live. Returns what each has.
fn shares(nodes: &mut [Node], version: u64, indices: &[usize]) -> Vec<Vec<String>> {
    let alive: Vec<&Node> = indices.iter().map(|index| &nodes[*index]).collect();
    let reply = living(version, &alive, indices);
    for index in indices {
        nodes[*index].learn(&reply);
    }
    nodes.iter().map(Node::mine).collect()
}

#[test]
fn every_unit_prefers_one_node_and_the_shares_are_even() {
    let mut nodes: Vec<Node> = (0..5).map(|node| Node::new(node, 0..1000)).collect();
    assert!(
        nodes.iter().all(|node| node.mine().is_empty()),
        "nobody yet"
    );
    let shares = shares(&mut nodes, 1, &[0, 1, 2, 3, 4]);
    let mut all: Vec<&String> = shares.iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1000, "each unit has a node");
    assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), 1000, "only one");
    let lengths: Vec<usize> = shares.iter().map(Vec::len).collect();
    assert!(
        lengths.iter().all(|share| (160..240).contains(share)),
        "{lengths:?}"
    );
}

#[test]
fn only_the_share_of_a_node_that_comes_or_goes_moves() {
    let mut nodes: Vec<Node> = (0..5).map(|node| Node::new(node, 0..500)).collect();
    let before = shares(&mut nodes, 1, &[0, 1, 2, 3, 4]);
    let after = shares(&mut nodes, 2, &[0, 1, 2, 3]);
    for node in 0..4 {
        assert!(before[node].iter().all(|unit| after[node].contains(unit)));
        let gained = after[node]
            .iter()
            .filter(|unit| !before[node].contains(unit));
        assert!(gained.clone().all(|unit| before[4].contains(unit)));
        assert!(gained.count() > 0);
    }
    assert_eq!(shares(&mut nodes, 3, &[0, 1, 2, 3, 4]), before);
}

#[test]
fn what_moves_is_said_once() {
    let mut nodes: Vec<Node> = (0..2).map(|node| Node::new(node, 0..50)).collect();
    let both = living(2, &[&nodes[0], &nodes[1]], &[0, 1]);
    let alone = living(3, &[&nodes[0]], &[0]);
    let first = nodes[0].learn(&both);
    assert!(first.lost.is_empty() && first.gained.len() == nodes[0].mine().len());
    assert_eq!(nodes[0].learn(&both), Moved::default());
    let rest = nodes[0].learn(&alone);
    assert_eq!(rest.gained.len(), 50 - first.gained.len());
    assert_eq!(nodes[0].learn(&both).lost, rest.gained);
}

#[test]
fn a_suspect_is_passed_over_with_a_delay_until_it_is_heard_again() {
    let mut nodes: Vec<Node> = (0..2).map(|node| Node::new(node, 0..50)).collect();
    let both = living(2, &[&nodes[0], &nodes[1]], &[0, 1]);
    let own = nodes[0].learn(&both).gained;
    let suspect = HeartbeatReply {
        suspects: vec![identity(1)],
        ..both.clone()
    };
    let stood_in = nodes[0].learn(&suspect).gained;
    assert_eq!(own.len() + stood_in.len(), 50);
    let Node { units, preference } = &nodes[0];
    assert!(
        own.iter()
            .all(|unit| preference.delay_ms(units, *unit) == 0)
    );
    let delayed = |unit: &UnitIndex| preference.delay_ms(units, *unit) == STAND_IN_DELAY_MS;
    assert!(stood_in.iter().all(delayed));
    assert_eq!(nodes[0].learn(&both).lost, stood_in);
}

#[test]
fn a_full_node_is_preferred_only_if_all_are_full() {
    let mut nodes: Vec<Node> = (0..2).map(|node| Node::new(node, 0..50)).collect();
    let both = living(2, &[&nodes[0], &nodes[1]], &[0, 1]);
    let own = nodes[0].learn(&both).gained;
    let full = |full: &[usize]| HeartbeatReply {
        full: full.iter().map(|node| identity(*node)).collect(),
        ..both.clone()
    };
    let others = nodes[0].learn(&full(&[1])).gained;
    assert_eq!(own.len() + others.len(), 50);
    assert_eq!(nodes[0].learn(&full(&[0, 1])).lost, others);
    assert_eq!(nodes[0].learn(&full(&[0])).lost, own);
}

/// The first of five nodes sees what nobody claimed, of those units that prefer one of these, with two heartbeats.
/// Returns the nodes that it takes for idle. `labels`: of all nodes. There are also nodes of other jobs.
fn idle_nodes(hang: &[usize], labels: &str, strangers: usize, suspects: &[usize]) -> Vec<usize> {
    let numbers: Vec<usize> = (0..5 + strangers).collect();
    let jobs = |node| if node < 5 { 0..50 } else { 100..110 };
    let mut nodes: Vec<Node> = numbers.iter().map(|it| Node::new(*it, jobs(*it))).collect();
    for node in &mut nodes {
        node.preference.labels = Labels::new([labels]);
    }
    let all: Vec<&Node> = nodes.iter().collect();
    let reply = HeartbeatReply {
        suspects: suspects.iter().map(|node| identity(*node)).collect(),
        ..living(2, &all, &numbers)
    };
    nodes[0].learn(&reply);
    let Node { units, preference } = &mut nodes[0];
    let key = |node: &usize| node_key(&identity(*node));
    let hangs = |unit: &UnitIndex| {
        hang.iter()
            .any(|it| key(it) == preference.first[*unit as usize])
    };
    let unclaimed: Vec<UnitIndex> = units.indices().filter(hangs).collect();
    assert!(unclaimed.len() > hang.len());
    for now_ms in [20_000, 21_000] {
        preference.notice_idle(units, &unclaimed, now_ms);
    }
    let idle = preference.idlers.at(21_000);
    numbers
        .into_iter()
        .filter(|node| idle.contains(&key(node)))
        .collect()
}

#[test]
fn if_most_nodes_seem_to_hang_it_is_the_store() {
    for labels in ["gpu", "max_running=1"] {
        for strangers in [0, 100] {
            let idle = |hang: &[usize]| idle_nodes(hang, labels, strangers, &[]);
            assert_eq!(idle(&[1]), [1]);
            assert_eq!(idle(&[1, 2]), [1, 2]);
            assert_eq!(idle(&[1, 2, 3]), [0; 0], "{labels}, {strangers}");
            assert_eq!(idle(&[1, 2, 3, 4]), [0; 0]);
        }
    }
}

#[test]
fn suspects_that_have_other_jobs_hide_no_node_that_hangs() {
    assert_eq!(idle_nodes(&[1], "gpu", 5, &[6, 7, 8]), [1]);
    assert_eq!(idle_nodes(&[1], "gpu", 5, &[3, 4]), [0; 0]);
}

#[test]
fn a_job_prefers_only_nodes_that_have_it() {
    let (old, new) = (Node::new(0, 0..20), Node::new(1, 0..40));
    let mut nodes = [old, new];
    let both = living(2, &[&nodes[0], &nodes[1]], &[0, 1]);
    let list = own_list(&nodes[0].units, &Program::default());
    let node = &mut nodes[1];
    node.learn(&both);
    assert_eq!(
        node.mine().len(),
        40,
        "what nobody is known to have is claimed"
    );
    assert!(node.preference.goes_on_soon());
    let asked = node.preference.heartbeat(&node.units, false, 0);
    assert_eq!(asked.wanted_list, Some(list.digest()));
    let told = HeartbeatReply {
        wanted_list: Some(list),
        ..both.clone()
    };
    let lost = node.learn(&told).lost;
    assert!(!lost.is_empty() && !node.preference.goes_on_soon());
    let only_mine = (20..40).map(|number| format!("job-{number:04}"));
    assert!(
        only_mine
            .into_iter()
            .all(|name| node.mine().contains(&name))
    );
    assert!(node.mine().len() < 40, "the others are shared");
}

#[test]
fn nodes_of_another_service_come_and_go_unnoticed() {
    let services = [0..20, 20..40, 20..40].into_iter().enumerate();
    let mut nodes: Vec<Node> = services.map(|(node, jobs)| Node::new(node, jobs)).collect();
    let two = living(2, &[&nodes[0], &nodes[1]], &[0, 1]);
    let three = living(3, &[&nodes[0], &nodes[1], &nodes[2]], &[0, 1, 2]);
    let list = own_list(&nodes[1].units, &Program::default());
    let node = &mut nodes[0];
    assert_eq!(
        node.learn(&two).gained.len(),
        20,
        "before its list is known"
    );
    let told = HeartbeatReply {
        wanted_list: Some(list),
        ..two.clone()
    };
    assert_eq!(node.learn(&told), Moved::default());
    assert_eq!(node.learn(&three), Moved::default());
    assert_eq!(node.preference.living().len(), 3);
}

#[test]
fn a_list_that_the_store_lacks_keeps_no_other_from_being_asked_for() {
    let mut nodes: Vec<Node> = (0..4)
        .map(|node| Node::new(node, 0..10 * (node + 1)))
        .collect();
    let all: Vec<&Node> = nodes.iter().collect();
    let reply = living(2, &all, &[0, 1, 2, 3]);
    let Node { units, preference } = &mut nodes[0];
    preference.learn(&mut reply.clone(), units, 10_000);
    let mut wanted = |_| preference.heartbeat(units, false, 0).wanted_list;
    let asked: BTreeSet<_> = (0..3).map(&mut wanted).collect();
    assert!(asked.len() == 3 && !asked.contains(&None), "{asked:?}");
    assert!(asked.contains(&wanted(0)), "and again");
    assert!(!preference.goes_on_soon(), "the store had none of them");
}

#[test]
fn the_list_of_jobs_is_told_to_a_store_that_lacks_it() {
    let mut node = Node::new(0, 0..3);
    let lacks = HeartbeatReply {
        has_job_list: false,
        ..living(1, &[&node], &[0])
    };
    assert_eq!(
        node.preference.heartbeat(&node.units, false, 0).job_list,
        None
    );
    node.learn(&lacks);
    assert!(node.preference.goes_on_soon(), "at once, not in a second");
    let list = node
        .preference
        .heartbeat(&node.units, false, 0)
        .job_list
        .expect("a list");
    assert_eq!(list.names().filter(|entry| !entry.contains('*')).count(), 3);
    node.learn(&lacks);
    assert!(!node.preference.goes_on_soon(), "a store that takes none");
}

#[test]
fn a_node_that_calls_itself_busy_keeps_its_units_until_others_know() {
    let node = |number| Node::with(number, routed_units(0..50, Route::LeastLoaded));
    let mut nodes = [node(0), node(1)];
    let both = living(2, &[&nodes[0], &nodes[1]], &[0, 1]);
    let busy = HeartbeatReply {
        busy: vec![identity(0)],
        ..both.clone()
    };
    let own = nodes[0].learn(&both).gained;
    let others = nodes[1].learn(&both).gained;
    assert_eq!(nodes[0].learn(&busy), Moved::default(), "nobody else knows");
    assert_eq!(nodes[1].learn(&busy).gained, own);
    assert_eq!(nodes[0].learn(&busy).lost, own);
    assert_eq!(nodes[0].learn(&both).gained, own);
    assert_eq!(nodes[1].learn(&both).lost, own);
    assert_eq!(nodes[1].mine().len(), others.len());
}
