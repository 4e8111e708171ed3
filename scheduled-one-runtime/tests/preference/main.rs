//! Which node claims a tick: one, in a calm cluster; another one in time, if that one does not. In virtual time, on the
//! embedded store.

mod busy;
mod cluster;
mod full_node;
mod handover;
mod placement;
mod placing;
#[path = "../test_store/mod.rs"]
mod test_store;

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_runtime::{Job, Misfire, Route};

use cluster::Start;
use cluster::{Cluster, MEETING, SECOND};
use test_store::Hangs;

fn latest(starts: &[Start]) -> i64 {
    starts
        .iter()
        .map(|start| start.late_ms)
        .max()
        .expect("a start")
}

#[tokio::test(start_paused = true)]
async fn in_a_calm_cluster_each_tick_is_claimed_once_and_on_time() {
    let cluster = Cluster::calm(5, 60, SECOND).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(20 * SECOND, 60).await;
    // The ticks after the window are claimed too.
    let claims = (cluster.claims_sent() - before) as f64 / (23 * 60) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
    assert_eq!(latest(&starts), 0);
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for start in &starts {
        *shares.entry(&start.node).or_default() += 1;
    }
    assert_eq!(shares.len(), 5, "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn the_ticks_of_a_node_that_is_gone_are_late_once() {
    let cluster = Cluster::calm(5, 60, 5 * SECOND).await;
    cluster.nodes[2].store.hang(Hangs::Everything);
    let starts = cluster.watch(5 * SECOND, 60).await;
    assert!(
        (1..=1_500).contains(&latest(&starts)),
        "{}",
        latest(&starts)
    );
    let starts = cluster.watch(20 * SECOND, 60).await;
    assert_eq!(latest(&starts), 0);
    assert!(starts.iter().all(|start| start.node != "n2"));
}

/// More of its ticks are due than a heartbeat names, whenever it dies.
#[tokio::test(start_paused = true)]
async fn all_ticks_of_a_node_that_is_gone_are_found_soon() {
    for before_tick_ms in [150, 400, 650, 900] {
        let cluster = Cluster::calm(3, 3_000, 5 * SECOND).await;
        let to_tick_ms = 5_000 - cluster.now_ms().rem_euclid(5_000);
        let wait_ms = (to_tick_ms - before_tick_ms).rem_euclid(5_000);
        tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
        cluster.nodes[2].store.hang(Hangs::Everything);
        let starts = cluster.watch(5 * SECOND, 3_000).await;
        let (latest, late) = (latest(&starts), starts.iter().filter(|it| it.late_ms > 0));
        assert!(late.count() > 900, "the share of the node");
        assert!(
            latest <= 1_500,
            "{before_tick_ms} ms before: {latest} ms late"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn others_stand_in_for_a_node_that_claims_nothing() {
    for route in [Route::Sticky, Route::Spread, Route::LeastLoaded] {
        stand_in(route).await;
    }
}

async fn stand_in(route: Route) {
    let cluster = Cluster::routed(3, 30, 5 * SECOND, route).await;
    cluster.nodes[1].store.hang(Hangs::Claims);
    let starts = cluster.watch(10 * SECOND, 30).await;
    assert!(
        (1..=2_500).contains(&latest(&starts)),
        "{route:?}: {}",
        latest(&starts)
    );
    // Those who have stood in for it do not wait to hear of it again.
    let starts = cluster.watch(30 * SECOND, 30).await;
    let late = starts.iter().filter(|start| start.late_ms > 150).count();
    assert_eq!(late, 0, "{route:?}: of {} starts", starts.len());
}

/// A unit of a job that catches up may wait, undecided, for its run, so it shows no node that claims nothing. Others
/// claim it all the same.
#[tokio::test(start_paused = true)]
async fn what_catches_up_is_run_by_others_while_its_node_claims_nothing() {
    let mut cluster = Cluster::new(5 * SECOND);
    for _ in 0..3 {
        let catches_up = |job: Job| job.misfire(Misfire::RunAll);
        cluster.start_as(0..30, |builder| builder, catches_up).await;
    }
    tokio::time::sleep(MEETING).await;
    cluster.nodes[1].store.hang(Hangs::Claims);
    let starts = cluster.watch(10 * SECOND, 30).await;
    let latest = latest(&starts);
    assert!((1..=2_500).contains(&latest), "{latest}");
}

#[tokio::test(start_paused = true)]
async fn nodes_of_two_builds_share_what_both_have() {
    let mut cluster = Cluster::new(SECOND);
    for jobs in [0..20, 10..30, 0..20, 10..30] {
        cluster.start(jobs).await;
    }
    tokio::time::sleep(MEETING).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(10 * SECOND, 30).await;
    assert_eq!(latest(&starts), 0);
    let claims = (cluster.claims_sent() - before) as f64 / (13 * 30) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
    let of_both = starts.iter().filter(|start| (10..20).contains(&start.job));
    let nodes: std::collections::BTreeSet<&str> = of_both.map(|start| &*start.node).collect();
    assert_eq!(nodes.len(), 4, "{nodes:?}");
}

/// The nodes that run each job.
fn nodes_of_jobs(starts: &[Start]) -> BTreeMap<usize, BTreeMap<&str, usize>> {
    let mut nodes: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
    for start in starts {
        *nodes
            .entry(start.job)
            .or_default()
            .entry(&start.node)
            .or_default() += 1;
    }
    nodes
}

#[tokio::test(start_paused = true)]
async fn a_sticky_job_stays_on_its_node() {
    let cluster = Cluster::calm(4, 12, SECOND).await;
    let starts = cluster.watch(20 * SECOND, 12).await;
    assert!(
        nodes_of_jobs(&starts)
            .values()
            .all(|nodes| nodes.len() == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_spread_job_runs_on_all_nodes_each_tick_claimed_once() {
    let cluster = Cluster::routed(4, 6, SECOND, Route::Spread).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(60 * SECOND, 6).await;
    let claims = (cluster.claims_sent() - before) as f64 / (63 * 6) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
    assert_eq!(latest(&starts), 0);
    for (job, nodes) in nodes_of_jobs(&starts) {
        assert_eq!(nodes.len(), 4, "job {job}: {nodes:?}");
    }
    // A node that is gone is passed over, and its ticks are not lost.
    cluster.nodes[3].store.hang(Hangs::Everything);
    tokio::time::sleep(6 * SECOND).await;
    let starts = cluster.watch(20 * SECOND, 6).await;
    assert_eq!(latest(&starts), 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_fastest_job_each_node_claims_each_tick() {
    let cluster = Cluster::routed(3, 5, SECOND, Route::Fastest).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(20 * SECOND, 5).await;
    assert_eq!(latest(&starts), 0);
    let claims = (cluster.claims_sent() - before) as f64 / (23 * 5) as f64;
    assert!((2.9..3.1).contains(&claims), "{claims} claims for a tick");
}

/// A disabled job is recorded as skipped long after its ticks; that shows no node that hangs.
#[tokio::test(start_paused = true)]
async fn a_disabled_job_makes_no_node_idle() {
    let mut cluster = Cluster::new(SECOND);
    for _ in 0..3 {
        cluster.disabled = Some("off");
        cluster.start(0..30).await;
    }
    tokio::time::sleep(20 * SECOND).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(60 * SECOND, 30).await;
    let claims = (cluster.claims_sent() - before) as f64 / (63 * 30) as f64;
    assert!(claims <= 1.1, "{claims} claims for a tick");
    // A node that counted as idle would be passed over.
    for (job, nodes) in nodes_of_jobs(&starts) {
        assert_eq!(nodes.len(), 1, "job {job}: {nodes:?}");
    }
}
