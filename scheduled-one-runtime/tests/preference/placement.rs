//! Where runs are allowed, and how many of them at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use scheduled_one_runtime::{Job, Outcome, Overlap, Route, SchedulerBuilder, Scope};

use crate::cluster::{Cluster, LONG, MEETING, SECOND, Start};
use crate::test_store::Hangs;

fn nodes(starts: &[Start]) -> BTreeSet<&str> {
    starts.iter().map(|start| &*start.node).collect()
}

fn set<'a>(nodes: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    nodes.into_iter().collect()
}

/// A node for each list of labels, with ten jobs that run on these.
async fn labelled(nodes: &[&[&'static str]], on: &[&'static str]) -> Cluster {
    labelled_and_routed(nodes, on, Route::Sticky).await
}

async fn labelled_and_routed(
    nodes: &[&[&'static str]],
    on: &[&'static str],
    route: Route,
) -> Cluster {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = route;
    for labels in nodes {
        let label = |builder| {
            labels
                .iter()
                .fold(builder, |builder: SchedulerBuilder, label| {
                    builder.label(*label)
                })
        };
        cluster
            .start_as(0..10, label, |job| job.on(on.iter().copied()))
            .await;
    }
    tokio::time::sleep(MEETING).await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_job_with_a_label_runs_only_where_it_is() {
    let cluster = labelled(&[&["gpu"], &[], &["cpu", "gpu"], &["cpu"]], &["gpu"]).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(20 * SECOND, 10).await;
    assert_eq!(nodes(&starts), set(["n0", "n2"]));
    assert!(starts.iter().all(|start| start.late_ms == 0));
    let claims = (cluster.claims_sent() - before) as f64 / (23 * 10) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
    cluster.nodes[0].store.hang(Hangs::Everything);
    tokio::time::sleep(6 * SECOND).await;
    let starts = cluster.watch(10 * SECOND, 10).await;
    assert_eq!(nodes(&starts), set(["n2"]));
}

#[tokio::test(start_paused = true)]
async fn without_a_node_that_has_the_label_nothing_runs() {
    let mut cluster = labelled(&[&["gpu"], &[], &["cpu"]], &["gpu"]).await;
    cluster.nodes[0].store.hang(Hangs::Everything);
    tokio::time::sleep(3 * SECOND).await;
    let before = cluster.starts().len();
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(cluster.starts().len(), before, "nobody else may run them");
    let label = |builder: SchedulerBuilder| builder.label("gpu");
    cluster.start_as(0..10, label, |job| job.on(["gpu"])).await;
    tokio::time::sleep(MEETING).await;
    let starts = cluster.watch(5 * SECOND, 10).await;
    assert_eq!(nodes(&starts), set(["n3"]));
}

#[tokio::test(start_paused = true)]
async fn nobody_without_the_label_stands_in_for_a_node_that_hangs() {
    for route in [
        Route::Sticky,
        Route::Spread,
        Route::LeastLoaded,
        Route::Fastest,
    ] {
        let cluster = labelled_and_routed(&[&["gpu"], &[], &["cpu"]], &["gpu"], route).await;
        cluster.nodes[0].store.hang(Hangs::Claims);
        // Long enough for the others to notice, and for the node to count as idle.
        tokio::time::sleep(30 * SECOND).await;
        let others = cluster.nodes[1].store.claims_sent() + cluster.nodes[2].store.claims_sent();
        assert_eq!(others, 0, "{route:?}");
        assert_eq!(nodes(&cluster.starts()), set(["n0"]));
    }
}

#[tokio::test(start_paused = true)]
async fn labels_are_in_order_and_a_star_is_any_node() {
    let of = [&["gpu"][..], &["big"], &[]];
    let cluster = labelled(&of, &["gpu", "big", "*"]).await;
    assert_eq!(nodes(&cluster.watch(5 * SECOND, 10).await), set(["n0"]));
    for (gone, next) in [(0, "n1"), (1, "n2")] {
        cluster.nodes[gone].store.hang(Hangs::Everything);
        tokio::time::sleep(6 * SECOND).await;
        assert_eq!(nodes(&cluster.watch(5 * SECOND, 10).await), set([next]));
    }
}

#[tokio::test(start_paused = true)]
async fn fastest_races_only_on_nodes_with_the_label() {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = Route::Fastest;
    for label in ["gpu", "cpu", "gpu"] {
        cluster
            .start_as(0..10, |builder| builder.label(label), |job| job.on(["gpu"]))
            .await;
    }
    tokio::time::sleep(MEETING).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(10 * SECOND, 10).await;
    assert!(!nodes(&starts).contains("n1"));
    let claims = (cluster.claims_sent() - before) as f64 / (13 * 10) as f64;
    assert!((1.9..2.1).contains(&claims), "{claims} claims for a tick");
}

#[tokio::test(start_paused = true)]
async fn a_node_with_more_runs_than_others_is_passed_over() {
    let mut cluster = Cluster::new(5 * SECOND);
    cluster.route = Route::LeastLoaded;
    // Twenty long runs of jobs that only the first node has.
    cluster.start((0..20).chain(LONG..LONG + 20)).await;
    for _ in 0..3 {
        cluster.start(0..20).await;
    }
    tokio::time::sleep(MEETING + 10 * SECOND).await;
    let short = |starts: Vec<Start>| -> Vec<Start> {
        let mut starts = starts;
        starts.retain(|start| start.job < LONG);
        starts
    };
    let before = short(cluster.starts()).len();
    let claimed = cluster.claims_sent();
    tokio::time::sleep(20 * SECOND).await;
    let starts = short(cluster.starts()).split_off(before);
    assert_eq!(starts.len(), 80);
    assert!(starts.iter().all(|start| start.late_ms == 0));
    assert_eq!(nodes(&starts), set(["n1", "n2", "n3"]));
    // One for each short run; two for a tick of a long job: ahead of it that is early to skip, when it is due it is
    // skipped, as the run of the tick before is active.
    let claims = cluster.claims_sent() - claimed;
    assert_eq!(claims, 4 * (20 + 2 * 20));
}

/// Nodes with so many runs at most, and jobs that take 400 ms.
async fn limited(limits: &[u32], jobs: usize) -> Cluster {
    limited_and_routed(limits, jobs, Route::Sticky).await
}

async fn limited_and_routed(limits: &[u32], jobs: usize, route: Route) -> Cluster {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = route;
    cluster.lasts = Duration::from_millis(400);
    // A run that starts late may be active when its next tick is due.
    let waits = |job: Job| job.overlap(Overlap::QueueOne);
    for limit in limits {
        let (limit, jobs) = (*limit, 0..jobs);
        cluster
            .start_as(jobs, |builder| builder.max_running(limit), waits)
            .await;
    }
    tokio::time::sleep(MEETING).await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_node_never_has_more_runs_than_its_limit() {
    let cluster = limited(&[2, 2, 2], 12).await;
    let starts = cluster.watch(20 * SECOND, 12).await;
    let most = |node: &str| {
        let of_node = starts.iter().filter(|start| start.node == node);
        of_node.map(|start| start.active.0).max()
    };
    for node in ["n0", "n1", "n2"] {
        assert_eq!(most(node), Some(2), "{node}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_node_cannot_run_runs_elsewhere() {
    for route in [Route::Sticky, Route::Spread, Route::LeastLoaded] {
        runs_next_to_a_small_node(route).await;
    }
}

/// The next node in the order may be as small.
#[tokio::test(start_paused = true)]
async fn what_two_full_nodes_cannot_run_runs_elsewhere() {
    // With `least_loaded`, the node without a limit is busy, and comes behind the small ones.
    for (route, most_ms) in [
        (Route::Sticky, 150),
        (Route::Spread, 150),
        (Route::LeastLoaded, 300),
    ] {
        let mut cluster = limited_and_routed(&[1, 1], 20, route).await;
        cluster.start(0..20).await;
        tokio::time::sleep(MEETING).await;
        let starts = cluster.watch(20 * SECOND, 20).await;
        let latest = starts.iter().map(|start| start.late_ms).max();
        assert!(latest <= Some(most_ms), "{route:?}: {latest:?}");
    }
}

/// Nodes with a label come first, and whoever has room before a tick waits.
#[tokio::test(start_paused = true)]
async fn what_full_nodes_with_the_label_cannot_run_runs_without_it() {
    let mut cluster = Cluster::new(SECOND);
    cluster.lasts = Duration::from_millis(400);
    let on = |job: Job| job.on(["gpu", "*"]).overlap(Overlap::QueueOne);
    for _ in 0..2 {
        let small = |builder: SchedulerBuilder| builder.max_running(1).label("gpu");
        cluster.start_as(0..20, small, on).await;
    }
    cluster.start_as(0..20, |builder| builder, on).await;
    tokio::time::sleep(MEETING).await;
    let starts = cluster.watch(20 * SECOND, 20).await;
    let latest = starts.iter().map(|start| start.late_ms).max();
    assert!(latest <= Some(300), "{latest:?}");
    assert!(nodes(&starts).contains("n0"), "they come first");
}

async fn runs_next_to_a_small_node(route: Route) {
    let cluster = limited_and_routed(&[1, 50], 20, route).await;
    let starts = cluster.watch(20 * SECOND, 20).await;
    // The other one stands in at once, and does not wait for a heartbeat.
    let latest = starts.iter().map(|start| start.late_ms).max();
    assert!(latest <= Some(150), "{route:?}: {latest:?}");
    let of_small = starts.iter().filter(|start| start.node == "n0").count();
    assert!(
        (1..=60).contains(&of_small),
        "{route:?}: {of_small} of {}",
        starts.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_never_has_more_runs_than_its_limit() {
    let mut cluster = Cluster::new(2 * SECOND);
    cluster.lasts = Duration::from_millis(300);
    for _ in 0..4 {
        let node = |builder: SchedulerBuilder| builder.max_running_of("billing", 3);
        cluster
            .start_as(0..12, node, |job| job.group("billing"))
            .await;
    }
    tokio::time::sleep(MEETING).await;
    let starts = cluster.watch(20 * SECOND, 12).await;
    let most = starts.iter().map(|start| start.active.1).max();
    assert_eq!(most, Some(3));
    // One node dies: its share goes to another.
    cluster.nodes[0].store.hang(Hangs::Everything);
    tokio::time::sleep(8 * SECOND).await;
    let starts = cluster.watch(20 * SECOND, 12).await;
    let most = starts.iter().map(|start| start.active.1).max();
    assert_eq!(most, Some(3));
    assert!(!nodes(&starts).contains("n0"));
}

/// Nodes that cannot run a job do not keep the permits that it needs.
#[tokio::test(start_paused = true)]
async fn the_permits_of_a_group_are_where_its_jobs_can_run() {
    let mut cluster = Cluster::new(SECOND);
    for label in ["cpu", "cpu", "cpu", "gpu"] {
        let node = |builder: SchedulerBuilder| builder.label(label).max_running_of("billing", 1);
        cluster
            .start_as(0..3, node, |job| job.group("billing").on(["gpu"]))
            .await;
    }
    tokio::time::sleep(MEETING).await;
    let starts = cluster.watch(10 * SECOND, 3).await;
    assert_eq!(nodes(&starts), set(["n3"]));
}

/// A node whose only job of a group runs on every node needs none of its permits.
#[tokio::test(start_paused = true)]
async fn jobs_of_every_node_take_no_permits_of_their_group() {
    let mut cluster = Cluster::new(SECOND);
    for (jobs, scope) in [(0..1, Scope::EveryNode), (1..4, Scope::One)] {
        let node = |builder: SchedulerBuilder| builder.max_running_of("billing", 1);
        cluster
            .start_as(jobs, node, |job| job.group("billing").scope(scope))
            .await;
    }
    tokio::time::sleep(MEETING).await;
    // Longer than a turn of those that share a permit.
    let starts = cluster.watch(150 * SECOND, 4).await;
    assert_eq!(nodes(&starts), set(["n0", "n1"]));
}

/// Two programs have jobs of one group.
#[tokio::test(start_paused = true)]
async fn each_kind_of_node_gets_permits_of_a_group() {
    for limit in [2, 1] {
        let mut cluster = Cluster::new(10 * SECOND);
        for jobs in [0..3, 3..6, 3..6, 3..6] {
            let node = |builder: SchedulerBuilder| builder.max_running_of("billing", limit);
            cluster
                .start_as(jobs, node, |job| job.group("billing"))
                .await;
        }
        tokio::time::sleep(MEETING).await;
        if limit == 2 {
            cluster.watch(60 * SECOND, 6).await;
            continue;
        }
        // They take turns.
        tokio::time::sleep(180 * SECOND).await;
        let jobs: BTreeSet<usize> = cluster.starts().iter().map(|start| start.job).collect();
        assert_eq!(jobs.len(), 6, "{jobs:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ticks_without_a_permit_are_missed_for_that_reason() {
    let mut cluster = Cluster::new(SECOND);
    cluster.lasts = Duration::from_millis(4_500);
    let start = |builder: SchedulerBuilder| builder.max_running(1);
    cluster.start_as(0..3, start, |job| job).await;
    tokio::time::sleep(60 * SECOND).await;
    let scheduler = &cluster.nodes[0].scheduler;
    let mut reasons = BTreeSet::new();
    for job in 0..3 {
        let lines = scheduler
            .ledger(&format!("job-{job:03}"), 100)
            .await
            .expect("a ledger");
        let missed = lines.iter().filter(|line| line.outcome == Outcome::Missed);
        reasons.extend(missed.map(|line| line.reason.clone()));
    }
    assert_eq!(reasons, BTreeSet::from(["max_running".to_owned()]));
    let starts = cluster.starts();
    assert!(starts.iter().all(|start| start.active.0 == 1));
    // What is held starts when the permit is given back, and not at its next tick.
    let at_ms = starts.iter().map(|start| start.tick_ms + start.late_ms);
    let at_ms: Vec<i64> = at_ms.collect();
    let waits = at_ms.windows(2).map(|pair| pair[1] - pair[0] - 4_500);
    let longest = waits.max().expect("starts");
    assert!(longest < 100, "{longest} ms without a run");
}
