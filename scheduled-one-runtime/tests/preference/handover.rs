//! Nodes that die, leave, hang, or seem to: who claims their ticks, and for how long.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use scheduled_one_protocol::UnitName;
use scheduled_one_runtime::{Job, Overlap, Route, SchedulerBuilder};
use test_support::Log;
use tracing::subscriber::DefaultGuard;

use crate::cluster::{Cluster, LONG, MEETING, SECOND};
use crate::latest;
use crate::test_store::Hangs;

/// What this thread warns of from now on, as long as the guard lives.
fn warnings() -> (Log, DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone())
        .finish();
    (log, test_support::subscribe(subscriber))
}

/// So long that each node looks further ahead than it ever plans, and finds no tick of its own.
#[tokio::test(start_paused = true)]
async fn a_spread_job_is_never_claimed_where_its_label_is_not() {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = Route::Spread;
    for label in ["gpu", "cpu"] {
        let node = |builder: SchedulerBuilder| builder.label(label);
        cluster.start_as(0..3, node, |job| job.on(["gpu"])).await;
    }
    tokio::time::sleep(1_100 * SECOND).await;
    let starts = cluster.starts();
    assert!(starts.len() > 3_000, "{}", starts.len());
    assert!(starts.iter().all(|start| start.node == "n0"));
    assert_eq!(cluster.nodes[1].store.claims_sent(), 0);
}

/// Nodes with the first label come first with each tick, also when they come later.
#[tokio::test(start_paused = true)]
async fn the_ticks_of_a_spread_job_follow_a_node_that_comes() {
    let mut cluster = Cluster::new(SECOND);
    cluster.route = Route::Spread;
    for label in ["cpu", "cpu", "gpu"] {
        let node = |builder: SchedulerBuilder| builder.label(label);
        let job = |job: Job| job.on(["gpu", "cpu"]);
        cluster.start_as(0..6, node, job).await;
        tokio::time::sleep(30 * SECOND).await;
    }
    let before = cluster.claims_sent();
    let starts = cluster.watch(20 * SECOND, 6).await;
    assert_eq!(latest(&starts), 0);
    assert!(starts.iter().all(|start| start.node == "n2"));
    let claims = (cluster.claims_sent() - before) as f64 / (23 * 6) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
}

/// Whoever stood in for a suspect has planned the next tick with a delay by then.
#[tokio::test(start_paused = true)]
async fn from_the_end_of_a_dead_node_on_its_ticks_are_on_time() {
    for route in [Route::Sticky, Route::LeastLoaded, Route::Spread] {
        let cluster = Cluster::routed(5, 60, 5 * SECOND, route).await;
        cluster.nodes[2].store.hang(Hangs::Everything);
        tokio::time::sleep(5 * SECOND).await;
        let starts = cluster.watch(10 * SECOND, 60).await;
        assert_eq!(latest(&starts), 0, "{route:?}");
    }
}

/// The store carries out nothing for a moment, and then all at once, in no certain order.
#[tokio::test(start_paused = true)]
async fn a_store_that_stands_still_makes_no_node_idle() {
    for still_ms in [600, 1_500] {
        let cluster = Cluster::calm(5, 60, SECOND).await;
        for _ in 0..3 {
            // From 100 ms before a tick.
            tokio::time::sleep(Duration::from_millis(600)).await;
            for node in &cluster.nodes {
                node.store.stand_still(Duration::from_millis(still_ms));
            }
            tokio::time::sleep(Duration::from_millis(4_400)).await;
        }
        let before = cluster.claims_sent();
        let starts = cluster.watch(60 * SECOND, 60).await;
        let claims = (cluster.claims_sent() - before) as f64 / (63 * 60) as f64;
        assert!(claims <= 1.05, "{claims} claims for a tick");
        assert_eq!(latest(&starts), 0);
    }
}

/// Heartbeats have their replies meanwhile, as through another connection. Of two nodes, each misses the claims of the
/// other, and of itself.
#[tokio::test(start_paused = true)]
async fn claims_that_the_store_is_slow_with_make_no_node_idle() {
    let (log, _guard) = warnings();
    let cluster = Cluster::calm(2, 30, SECOND).await;
    for _ in 0..6 {
        for (hangs, time_ms) in [(Hangs::Claims, 1_400), (Hangs::Nothing, 100)] {
            for node in &cluster.nodes {
                node.store.hang(hangs);
            }
            tokio::time::sleep(Duration::from_millis(time_ms)).await;
        }
    }
    let before = cluster.claims_sent();
    let starts = cluster.watch(SECOND, 30).await;
    assert_eq!(latest(&starts), 0);
    // A node that stands in for an idle one claims each tick of it once, and sees that it is not.
    let claims = (cluster.claims_sent() - before) as f64 / (4 * 30) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
    let reports = log.lines_with("claimed in the place of");
    assert!(reports.is_empty(), "{reports:?}");
}

/// A node that hung, and does so no more, gets its ticks back: who stands in for it sees that it claims them.
#[tokio::test(start_paused = true)]
async fn a_node_that_claims_again_is_not_idle_any_more() {
    let cluster = Cluster::calm(3, 30, SECOND).await;
    cluster.nodes[1].store.hang(Hangs::Claims);
    tokio::time::sleep(10 * SECOND).await;
    cluster.nodes[1].store.hang(Hangs::Nothing);
    tokio::time::sleep(20 * SECOND).await;
    let before = cluster.claims_sent();
    cluster.watch(20 * SECOND, 30).await;
    let claims = (cluster.claims_sent() - before) as f64 / (23 * 30) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_claims_nothing_is_reported() {
    let (log, _guard) = warnings();
    let cluster = Cluster::calm(3, 30, 5 * SECOND).await;
    cluster.watch(20 * SECOND, 30).await;
    assert!(
        log.lines_with("claimed in the place of").is_empty(),
        "while all is calm: {}",
        log.text()
    );
    cluster.nodes[1].store.hang(Hangs::Claims);
    let starts = cluster.watch(10 * SECOND, 30).await;
    assert!(latest(&starts) <= 2_500, "{}", latest(&starts));
    let reports = log.lines_with("claimed in the place of");
    assert!(!reports.is_empty(), "{}", log.text());
    assert!(
        reports.iter().all(|line| line.contains("node=\"n1\"")),
        "{reports:?}"
    );
}

/// The ticks of a node that shuts down while a run of it is active.
#[tokio::test(start_paused = true)]
async fn a_node_that_shuts_down_says_so_at_once() {
    for before_tick_ms in [50, 350, 650, 950] {
        for leaver in 0..3 {
            let mut cluster = Cluster::new(5 * SECOND);
            for node in 0..3 {
                let long = (node == leaver).then_some(LONG);
                cluster.start((0..30).chain(long)).await;
            }
            tokio::time::sleep(MEETING + 3 * SECOND).await;
            // To a while before a tick.
            let to_tick_ms = 5_000 - cluster.now_ms().rem_euclid(5_000);
            let wait_ms = (to_tick_ms - before_tick_ms + 5_000) % 5_000;
            tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
            let tick_ms = cluster.now_ms() + before_tick_ms;
            let node = cluster.nodes.remove(leaver);
            let shutdown = tokio::spawn(async move { node.scheduler.shutdown(60 * SECOND).await });
            tokio::time::sleep(5 * SECOND).await;
            let starts = cluster.starts();
            let of_tick = starts
                .iter()
                .filter(|start| start.tick_ms == tick_ms && start.job < LONG);
            assert_eq!(of_tick.clone().count(), 30);
            let late_ms = of_tick.map(|start| start.late_ms).max().expect("starts");
            // The others know at their next heartbeats.
            assert!(
                late_ms <= 1_000 - before_tick_ms,
                "n{leaver}, {before_tick_ms} ms before a tick: {late_ms} ms late"
            );
            shutdown.abort();
        }
    }
}

/// What somebody asks for is started by one node, also if several see it at the same instant.
#[tokio::test(start_paused = true)]
async fn a_request_for_a_spread_job_is_taken_by_one_node() {
    let cluster = Cluster::routed(5, 10, 3_600 * SECOND, Route::Spread).await;
    let control = cluster.nodes[0].scheduler.control().expect("control");
    for node in &cluster.nodes[1..] {
        node.store.stand_still(Duration::from_millis(300));
    }
    for job in 0..10 {
        let asked = control.run(format!("job-{job:03}")).by("test").await;
        asked.expect("asked");
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(cluster.starts().len(), 10, "within a heartbeat");
    tokio::time::sleep(5 * SECOND).await;
    let takes = cluster.nodes.iter().map(|node| node.store.takes_sent());
    // One that takes the request, and one by the same node when the run has ended: another one may wait.
    assert_eq!(takes.sum::<usize>(), 2 * 10);
}

/// Each program has a list of jobs of its own, and all have some jobs in common.
#[tokio::test(start_paused = true)]
async fn nodes_of_many_programs_know_each_other_soon() {
    let mut cluster = Cluster::new(SECOND);
    for program in 0..12 {
        cluster
            .start((0..4).chain(10 + 4 * program..14 + 4 * program))
            .await;
    }
    tokio::time::sleep(MEETING).await;
    let before = cluster.claims_sent();
    let starts = cluster.watch(5 * SECOND, 52).await;
    assert_eq!(latest(&starts), 0);
    let claims = (cluster.claims_sent() - before) as f64 / (8 * 52) as f64;
    assert!(claims <= 1.05, "{claims} claims for a tick");
}

/// Nobody runs its ticks, so none of them prefers a node. Each is recorded some 35 s later.
///
/// A plan that is made again and again would never yield, so another thread waits for the end.
#[test]
fn a_disabled_spread_job_stops_no_node() {
    let (end, ended) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(async {
            let mut cluster = Cluster::new(SECOND);
            cluster.route = Route::Spread;
            cluster.disabled = Some("off");
            for _ in 0..2 {
                cluster.start(0..3).await;
            }
            tokio::time::sleep(MEETING).await;
            assert_eq!(latest(&cluster.watch(90 * SECOND, 3).await), 0);
            let skipped = cluster.nodes[0].scheduler.ledger("off", 10).await;
            assert!(!skipped.expect("a ledger").is_empty());
        });
        end.send(()).expect("the test waits");
    });
    let ended = ended.recv_timeout(60 * SECOND);
    ended.expect("the nodes go on, and what is disabled is recorded");
}

/// A node alone knows what it decided last, and may be one of many that register all units.
#[tokio::test(start_paused = true)]
async fn a_store_that_forgets_learns_first_what_each_node_claims() {
    let cluster = Cluster::calm(3, 600, SECOND).await;
    let starts = cluster.watch(SECOND, 600).await;
    for node in &cluster.nodes {
        node.store.registered();
        node.store.fail_over();
    }
    tokio::time::sleep(2 * SECOND).await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        let name = format!("n{number}");
        let own = starts.iter().filter(|start| start.node == name);
        let own: BTreeSet<String> = own.map(|start| format!("job-{:03}", start.job)).collect();
        let registered = node.store.registered();
        let first = registered[..own.len()].iter().map(UnitName::to_string);
        assert_eq!(first.collect::<BTreeSet<_>>(), own);
        assert!(
            registered.len() >= 600 && own.len() < 300,
            "then the others"
        );
    }
}

/// A tick waits for a run of the node that its unit prefers. That node hangs, and reports the end of the run all the
/// same: others start what waits, two heartbeats later, long before a tick is due that shows that it hangs.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_run_of_a_node_that_hangs_is_started_by_others() {
    let (jobs, period) = (12, 30 * SECOND);
    let mut cluster = Cluster::new(period);
    cluster.lasts = 40 * SECOND;
    for _ in 0..3 {
        let job = |job: Job| job.overlap(Overlap::QueueOne);
        cluster.start_as(0..jobs, |builder| builder, job).await;
    }
    let period_ms = period.as_millis() as i64;
    let first_ms = (cluster.now_ms() / period_ms + 1) * period_ms;
    let until_first = Duration::from_millis((first_ms - cluster.now_ms()) as u64);
    // The second tick waits, and the first run has not ended.
    tokio::time::sleep(until_first + 35 * SECOND).await;
    cluster.nodes[1].store.hang(Hangs::Claims);
    tokio::time::sleep(10 * SECOND).await;
    let starts = cluster.starts();
    let of_tick = |tick_ms| starts.iter().filter(move |start| start.tick_ms == tick_ms);
    let waited: Vec<_> = of_tick(first_ms + period_ms).collect();
    assert_eq!(waited.len(), jobs, "{waited:?}");
    let ran_there = of_tick(first_ms).filter(|start| start.node == "n1");
    let ran_there: Vec<usize> = ran_there.map(|start| start.job).collect();
    assert!(!ran_there.is_empty(), "no job prefers the node");
    for start in waited {
        let is_of_another = start.node != "n1";
        assert!(is_of_another && start.late_ms <= 12_500, "{start:?}");
    }
}
