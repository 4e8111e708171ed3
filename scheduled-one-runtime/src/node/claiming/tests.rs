use super::*;
use crate::node::preference::tests::{identity, traits, units};
use scheduled_one_protocol::message::{HeartbeatReply, Labels, Member, Membership, Watermarks};

/// A node that is alone, before the first tick of its jobs, which are due each second.
fn alone(units: &Units, permits: &Permits) -> Claiming {
    let traits = NodeTraits {
        permits: permits.clone(),
        ..traits()
    };
    let mut node = Claiming::new(&identity(0), 500, Duration::from_secs(5), units, traits);
    let member = Member {
        node: identity(0),
        name: "n0".to_owned(),
        jobs: node.preference.heartbeat(units, false, 0).jobs,
        labels: Labels::default(),
        clock_offset_ms: None,
    };
    let reply = HeartbeatReply {
        membership: Membership {
            version: 1,
            members: Some(vec![member]),
        },
        has_job_list: true,
        ..HeartbeatReply::default()
    };
    assert!(node.learn(units, reply, true, 500).is_empty());
    node
}

fn is_set(node: &Claiming, unit: UnitIndex) -> bool {
    !node.timer.rests(unit) && !node.timer.is_taken(unit)
}

#[test]
fn one_permit_wakes_one_of_those_that_wait_for_it() {
    let (units, permits) = (units(0..50), Permits::new(Some(1), BTreeMap::new()));
    let mut node = alone(&units, &permits);
    let batch = node.plan_due(&units, &Hold::START, 1_000).expect("a claim");
    assert_eq!((batch.claims.len(), node.held.len()), (1, 49));
    drop(batch);
    node.release_held(&units, 1_001);
    let set = units.indices().filter(|unit| is_set(&node, *unit));
    assert_eq!(set.count(), 1);
}

#[test]
fn what_others_decided_meanwhile_waits_for_no_permit() {
    let (mut units, permits) = (units(0..3), Permits::new(Some(1), BTreeMap::new()));
    let mut node = alone(&units, &permits);
    let batch = node.plan_due(&units, &Hold::START, 1_000).expect("a claim");
    assert_eq!(batch.pending[0].unit, 0);
    let decided = Watermarks {
        decided: Some(TickMs(1_000)),
        ..Watermarks::default()
    };
    units.learn(1, decided);
    drop(batch);
    node.release_held(&units, 1_001);
    // The permit that it did not need is for the next one.
    let batch = node.plan_due(&units, &Hold::START, 1_001).expect("a claim");
    assert_eq!((batch.claims.len(), batch.pending[0].unit), (1, 2));
    assert!(is_set(&node, 1) && node.held.is_empty());
}
