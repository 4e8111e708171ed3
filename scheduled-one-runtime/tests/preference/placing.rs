//! The ledger says how a node came to run a tick: by which route, or in whose place.

use std::collections::BTreeSet;

use scheduled_one_runtime::{Job, Outcome, Route, SchedulerBuilder};

use crate::cluster::{Cluster, LONG, MEETING, SECOND};
use crate::test_store::Hangs;

/// The reasons of the runs of all jobs since an instant, each with the name of the node.
async fn reasons(cluster: &Cluster, jobs: usize, since_ms: i64) -> BTreeSet<(String, String)> {
    let mut reasons = BTreeSet::new();
    for job in 0..jobs {
        let name = format!("job-{job:03}");
        let lines = cluster.nodes[0].scheduler.ledger(&name, 100).await;
        let lines = lines.expect("a ledger").into_iter();
        let lines = lines.filter(|line| line.tick.as_millisecond() >= since_ms);
        reasons.extend(lines.map(|line| {
            assert_eq!(line.outcome, Outcome::Ok, "{line:?}");
            (line.node, line.reason)
        }));
    }
    reasons
}

fn texts(reasons: &BTreeSet<(String, String)>) -> BTreeSet<&str> {
    reasons.iter().map(|(_, reason)| &**reason).collect()
}

#[tokio::test(start_paused = true)]
async fn each_route_but_the_usual_one_is_named() {
    for (route, reason) in [
        (Route::Sticky, ""),
        (Route::Spread, "spread"),
        (Route::LeastLoaded, "least_loaded"),
        (Route::Fastest, "fastest"),
    ] {
        let cluster = Cluster::routed(3, 12, SECOND, route).await;
        let since_ms = cluster.now_ms();
        cluster.watch(10 * SECOND, 12).await;
        let reasons = reasons(&cluster, 12, since_ms).await;
        assert_eq!(texts(&reasons), BTreeSet::from([reason]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_label_is_named_and_then_the_node_whose_place_was_taken() {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = Route::Spread;
    for label in ["gpu", "gpu", "cpu"] {
        let label = |builder: SchedulerBuilder| builder.label(label);
        let on = |job: Job| job.on(["gpu", "*"]);
        cluster.start_as(0..12, label, on).await;
    }
    tokio::time::sleep(MEETING).await;
    let since_ms = cluster.now_ms();
    cluster.watch(5 * SECOND, 12).await;
    let calm = reasons(&cluster, 12, since_ms).await;
    assert_eq!(texts(&calm), BTreeSet::from(["spread, on gpu"]));
    cluster.nodes[1].store.hang(Hangs::Everything);
    let since_ms = cluster.now_ms();
    cluster.watch(10 * SECOND, 12).await;
    let of_one = reasons(&cluster, 12, since_ms).await;
    let in_its_place = "spread, on gpu, in the place of n1: no heartbeat";
    assert!(texts(&of_one).contains(in_its_place), "{of_one:?}");
    cluster.nodes[0].store.hang(Hangs::Everything);
    tokio::time::sleep(8 * SECOND).await;
    let since_ms = cluster.now_ms();
    cluster.watch(5 * SECOND, 12).await;
    let nodes = &cluster.nodes;
    nodes[0].store.hang(Hangs::Nothing);
    let fallback = reasons(&cluster, 12, since_ms).await;
    let only = ("n2".to_owned(), "spread, on any node".to_owned());
    assert_eq!(fallback, BTreeSet::from([only]));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_claims_nothing_is_named() {
    for route in [Route::Sticky, Route::Spread] {
        let cluster = Cluster::routed(5, 30, SECOND, route).await;
        let since_ms = cluster.now_ms();
        cluster.nodes[2].store.hang(Hangs::Claims);
        cluster.watch(20 * SECOND, 30).await;
        let reasons = reasons(&cluster, 30, since_ms).await;
        for why in ["it had not claimed it", "it claims nothing"] {
            let mut reason = format!("in the place of n2: {why}");
            if route == Route::Spread {
                reason.insert_str(0, "spread, ");
            }
            assert!(texts(&reasons).contains(&*reason), "{reason}: {reasons:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limited_node_is_named() {
    let mut cluster = Cluster::new(SECOND);
    let one = |builder: SchedulerBuilder| builder.max_running(1);
    // Its run lasts an hour.
    cluster.start_as([LONG], one, |job| job).await;
    tokio::time::sleep(2 * SECOND).await;
    let since_ms = cluster.now_ms();
    cluster.start_as(0..12, |it| it, |job| job).await;
    cluster.start_as(0..12, one, |job| job).await;
    tokio::time::sleep(20 * SECOND).await;
    let reasons = reasons(&cluster, 12, since_ms).await;
    let in_its_place = "in the place of n2: it has a limit, and had not claimed it";
    assert!(texts(&reasons).contains(in_its_place), "{reasons:?}");
}
