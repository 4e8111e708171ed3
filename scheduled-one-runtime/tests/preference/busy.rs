//! Ticks that cannot start because a run is in their way: how often they are claimed meanwhile.

use std::time::Duration;

use scheduled_one_runtime::{Job, Misfire, Route};

use crate::cluster::{Cluster, MEETING, SECOND};
use crate::test_store::Hangs;

/// Nodes with one job that runs for half a minute, a millisecond from their store: each claim takes a bit. The first
/// tick is late, because the store is away meanwhile.
async fn cluster(nodes: usize, route: Route, set: impl Fn(Job) -> Job) -> Cluster {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = route;
    cluster.lasts = 30 * SECOND;
    for _ in 0..nodes {
        cluster
            .start_as(0..1, |builder| builder.lease(5 * SECOND), &set)
            .await;
    }
    for node in &cluster.nodes {
        node.store.be_far(Duration::from_millis(1));
    }
    cluster
        .nodes
        .iter()
        .for_each(|node| node.store.be_away(true));
    tokio::time::sleep(3 * SECOND).await;
    cluster
        .nodes
        .iter()
        .for_each(|node| node.store.be_away(false));
    tokio::time::sleep(MEETING).await;
    cluster
}

/// From the end of the lease until the run is written off.
#[tokio::test(start_paused = true)]
async fn ticks_behind_the_run_of_a_dead_node_are_claimed_now_and_then() {
    for route in [Route::Sticky, Route::Spread] {
        let cluster = cluster(3, route, |job| job).await;
        let first = cluster.starts().pop().expect("a run");
        let dead: usize = first.node[1..].parse().expect("a number");
        cluster.nodes[dead].store.hang(Hangs::Everything);
        let before = cluster.claims_sent();
        tokio::time::sleep(10 * SECOND).await;
        let claims = cluster.claims_sent() - before;
        assert!(claims <= 60, "{route:?}: {claims} claims");
        assert!(cluster.starts().len() > 1, "{route:?}: nobody went on");
    }
}

/// Each tick waits for the run before, which started late.
#[tokio::test(start_paused = true)]
async fn ticks_that_are_caught_up_with_are_claimed_now_and_then() {
    for (route, nodes) in [(Route::Sticky, 1), (Route::Spread, 1), (Route::Spread, 3)] {
        let cluster = cluster(nodes, route, |job| job.misfire(Misfire::RunAll)).await;
        let before = cluster.claims_sent();
        tokio::time::sleep(20 * SECOND).await;
        let claims = cluster.claims_sent() - before;
        assert!(claims <= 200, "{route:?}, {nodes} nodes: {claims} claims");
    }
}
