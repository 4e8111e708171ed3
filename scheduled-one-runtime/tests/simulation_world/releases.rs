//! A release that lacks a job, and the one before once more. In between, the job may be gone.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::control::Control;
use scheduled_one_runtime::{Misfire, Scope};
use scheduled_one_testkit::ForgetfulStore;
use scheduled_one_testkit::checker::{FaultKind, InForce};

use super::check::History;
use super::jobs::JobPlan;
use super::operator::Operator;
use super::{Node, Random, World};

/// Two minutes of heartbeats, and what it takes to look at the catalog before.
const GONE_BY: u64 = 150;

/// Whether the ticks of the job can be counted by schedules: one unit, whose undecided ticks do not wait for a run.
pub(super) fn is_counted(job: &JobPlan) -> bool {
    job.enabled && job.scope == Scope::One && job.shards == 1 && job.misfire != Misfire::RunAll
}

/// Replaces all nodes by those of a release without the last job, and after a while by those of the release before.
pub(super) async fn drop_a_job(
    world: &World,
    store: &ForgetfulStore,
    nodes: &mut [Node],
    jobs: &[JobPlan],
    operator: Option<&Operator>,
    random: &mut Random,
    history: &mut History,
) {
    let Some((dropped, others)) = jobs.split_last().filter(|(last, _)| is_counted(last)) else {
        return;
    };
    let dropped_ms = world.clock.wall().as_millis() as i64;
    replace(world, store, nodes, others, random, history).await;
    world
        .clock
        .sleep(Duration::from_secs(random.range(0, 2 * GONE_BY)))
        .await;
    replace(world, store, nodes, jobs, random, history).await;
    let control = Control::of_stores(vec![Arc::new(store.clone())]).expect("random numbers");
    let described = control.describe(&dropped.name).await;
    let decides = described.expect("the store answers").status.decides;
    let since_ms = decides.expect("it was registered").since_ms;
    // Else the same schedule has decided all the time.
    if since_ms > 0 {
        history.gone += 1;
        let job = dropped.name.clone();
        // What operators want in place of the schedule in the code is in force again, too.
        let wanted = operator.and_then(|operator| operator.in_force_of(&job));
        let every_ms = wanted.unwrap_or(dropped.every.as_millis() as i64);
        history.in_force.extend([
            InForce {
                since_ms: dropped_ms..=since_ms,
                ..InForce::first(&job, 0)
            },
            InForce {
                since_ms: since_ms..=since_ms,
                ..InForce::first(&job, every_ms)
            },
        ]);
    }
}

/// All nodes die, one after the other, and others start in their places.
async fn replace(
    world: &World,
    store: &ForgetfulStore,
    nodes: &mut [Node],
    jobs: &[JobPlan],
    random: &mut Random,
    history: &mut History,
) {
    for node in nodes {
        node.die();
        history.fault(FaultKind::Killed, Some(&node.name), world.clock.boottime());
        history.nodes += 1;
        *node = Node::start(world, store, jobs, history.nodes, random).await;
        world.clock.sleep(random.ms(0, 2_000)).await;
    }
}
