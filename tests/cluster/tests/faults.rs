//! Five nodes on one Redis, under faults of nodes, network, store and clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster_tests::BOUND;
use cluster_tests::cluster::{Cluster, ledger_with};
use cluster_tests::job::JobSpec;
use cluster_tests::log::Kind;
use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::{LedgerEntry, Outcome};
use test_support::wait_until;

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);

fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

fn wall_ms() -> i64 {
    SystemClock.wall().as_millis() as i64
}

/// Jobs that stand for most: short, as long as its period, longer than it.
fn jobs() -> Vec<JobSpec> {
    vec![
        JobSpec::new("short", 500, 0),
        JobSpec::new("medium", 1_000, 300),
        JobSpec::new("long", 1_000, 1_500),
    ]
}

fn five_nodes(jobs: Vec<JobSpec>) -> Cluster {
    let mut cluster = Cluster::new(NODE, LEASE, jobs);
    cluster.start_nodes(5);
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_run_is_recorded_as_lost_and_the_next_tick_runs() {
    let mut cluster = five_nodes(vec![JobSpec::new("long", 1_000, 60_000)]);
    let observer = cluster.observer().await;
    let run = cluster.wait_for_run("long", 0);
    cluster.node(&run.node).kill();
    let killed_ms = wall_ms();

    let lines = ledger_with(&observer, "long", "a run is lost", |line| {
        line.outcome == Outcome::Lost
    })
    .await;
    let lost = lines.iter().find(|line| line.outcome == Outcome::Lost);
    let lost = lost.expect("just found");
    assert_eq!(lost.tick.as_millisecond(), run.tick_ms);
    assert_eq!(lost.node, run.node);
    // By the ledger's own clock, which is that of this machine: the promise is
    // lease + 2 s.
    let after_ms = lost.ended_at.as_millisecond() - killed_ms;
    assert!(after_ms < 4_000, "lost only after {after_ms} ms");

    let next = cluster.wait_for_run("long", now_us());
    assert_ne!(next.node, run.node);
    assert!(next.token > run.token);
    cluster.check();
}

#[test]
fn a_paused_node_does_not_poll_its_run_again() {
    let mut cluster = five_nodes(vec![JobSpec::new("long", 1_000, 60_000)]);
    let run = cluster.wait_for_run("long", 0);
    cluster.node(&run.node).pause();
    let paused_us = now_us();
    // Two leases and more: until another node has the job.
    let next = cluster.wait_for_run("long", paused_us);
    assert_ne!(next.node, run.node);
    wait_until("two leases have passed", BOUND, || {
        now_us() > paused_us + 2 * LEASE.as_micros() as u64
    });
    cluster.node(&run.node).resume();
    let resumed_us = now_us();
    wait_until("the resumed node has cancelled its run", BOUND, || {
        let node = cluster.node(&run.node);
        let text = node.stderr();
        text.contains("cancelled outcome=cancelled") || text.contains("finished without lease")
    });
    let polls = cluster
        .events()
        .into_iter()
        .filter(|event| event.token == run.token && event.boot_us > resumed_us);
    assert_eq!(polls.collect::<Vec<_>>(), []);
    cluster.check();
}

#[test]
fn redis_restarted_empty_runs_no_tick_twice() {
    let mut cluster = five_nodes(jobs());
    for _ in 0..3 {
        let before = cluster.starts("short");
        cluster.wait_for_starts("short", before + 4);
        cluster.store.kill().expect("killed");
        cluster.store.restart().expect("restarted, and empty");
    }
    let before = cluster.starts("short");
    cluster.wait_for_starts("short", before + 4);
    cluster.check();
    one_warning_each(&mut cluster, 3);
}

#[test]
fn redis_flushed_runs_no_tick_twice() {
    let cluster = five_nodes(jobs());
    for _ in 0..5 {
        let before = cluster.starts("short");
        cluster.wait_for_starts("short", before + 3);
        cluster.store.flush().expect("flushed");
    }
    let before = cluster.starts("short");
    cluster.wait_for_starts("short", before + 3);
    cluster.check();
}

#[test]
fn redis_frozen_for_three_seconds_runs_no_tick_twice() {
    let cluster = five_nodes(jobs());
    for _ in 0..2 {
        let before = cluster.starts("short");
        cluster.wait_for_starts("short", before + 4);
        cluster.store.freeze().expect("frozen");
        let frozen_us = now_us();
        wait_until("three seconds have passed", BOUND, || {
            now_us() > frozen_us + 3_000_000
        });
        cluster.store.thaw().expect("thawed");
    }
    let before = cluster.starts("short");
    cluster.wait_for_starts("short", before + 4);
    cluster.check();
}

/// Store lost and back are said once each, not once a try.
fn one_warning_each(cluster: &mut Cluster, outages: usize) {
    for node in &cluster.nodes {
        let text = node.stderr();
        let lost = text.matches("store lost").count();
        let back = text.matches("store back").count();
        assert!(
            (1..=outages + 1).contains(&lost) && back == lost,
            "{}: {lost} times lost, {back} times back:\n{text}",
            node.name()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_node_ends_within_its_grace_and_releases_its_lease() {
    let short = || JobSpec::new("short", 500, 0);
    let mut cluster = Cluster::new(NODE, LEASE, vec![short()]);
    // A namespace that was never used may be a flushed one, in which a job waits for its lease; here nothing was
    // forgotten. The time of the loss is removed before there is a lease of a minute.
    cluster.start_nodes(1);
    cluster.wait_for_starts("short", 1);
    let removed = ["HDEL", "so:{default}:meta", "qs", "q"];
    cluster.store.command(&removed).expect("removed");
    let long = JobSpec::new("long", 1_000, 600_000).with(["lease=60000"]);
    cluster.set_jobs(vec![short(), long]);
    cluster.start_nodes(2);
    let observer = cluster.observer().await;
    let run = cluster.wait_for_run("long", 0);
    let node = cluster.node(&run.node);
    node.terminate();
    // Its grace is 2 s, and the rest is for a noisy machine: a fifth of its lease alone would be 12 s.
    wait_until("it has ended", Duration::from_secs(10), || node.has_ended());
    let ended_us = now_us();
    // Long before its lease could have ended, the other node goes on.
    let next = cluster.wait_for_run("long", ended_us);
    assert_ne!(next.node, run.node);
    let lines = ledger_with(&observer, "long", "the run is recorded", |line| {
        line.tick.as_millisecond() == run.tick_ms
    })
    .await;
    let line = lines.iter().find(|line| line.outcome == Outcome::Cancelled);
    assert_eq!(line.expect("cancelled").reason, "shutdown; dropped");
    let never = |line: &LedgerEntry| line.outcome != Outcome::Lost;
    assert!(lines.iter().all(never), "{lines:?}");
    cluster.check();
}

/// The clocks of three of five nodes are wrong, by hours and by seconds.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_clocks_change_nothing() {
    let jobs: Vec<_> = (0..10)
        .map(|n| JobSpec::new(&format!("job-{n}"), 1_000, if n == 0 { 400 } else { 0 }))
        .collect();
    let names: Vec<_> = jobs.iter().map(|job| job.name.clone()).collect();
    let mut cluster = Cluster::new(NODE, LEASE, jobs);
    for shift in [None, Some("-2h"), None, Some("+2h"), Some("-7s")] {
        cluster.start_node(shift);
    }
    let observer = cluster.observer().await;
    cluster.wait_for_starts("job-1", 60);
    cluster.check();

    let events = cluster.events();
    let starts = events.iter().filter(|event| event.kind == Kind::Start);
    let mut ticks: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut lateness_us: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let boot_to_wall_us = SystemClock.wall().as_micros() as i64 - now_us() as i64;
    for start in starts {
        ticks.entry(&start.job).or_default().push(start.tick_ms);
        let late_us = start.boot_us as i64 + boot_to_wall_us - start.tick_ms * 1000;
        lateness_us.entry(&start.node).or_default().push(late_us);
    }
    for name in &names {
        let ticks = &ticks[name.as_str()];
        // The quarantine of the first nodes may end late in a second. The run
        // of that tick then still goes on when the next tick comes, and the
        // overlap policy skips it, rightly. Later ticks have no such excuse.
        let settled_ms = ticks[0] + 2_000;
        let settled: Vec<_> = ticks.iter().filter(|tick| **tick >= settled_ms).collect();
        let gaps = settled.windows(2).filter(|pair| pair[1] - pair[0] != 1_000);
        assert_eq!(gaps.count(), 0, "{name} has gaps: {ticks:?}");
        let lines = observer.ledger(name, 1000).await.expect("a ledger");
        let bad: Vec<_> = lines
            .iter()
            .filter(|line| line.tick.as_millisecond() >= settled_ms)
            .filter(|line| line.outcome != Outcome::Ok)
            .collect();
        assert!(bad.is_empty(), "{name}: {bad:?}");
    }
    // A wrong clock must not make ticks late: as much as anything is late on
    // this machine, the nodes with wrong clocks are no later than the others.
    let median = |node: &str| {
        let mut late: Vec<i64> = lateness_us.get(node).cloned().unwrap_or_default();
        late.sort_unstable();
        late.get(late.len() / 2).copied()
    };
    let right = ["node-1", "node-3"].into_iter().filter_map(median).min();
    let mut judged = 0;
    for node in ["node-2", "node-4", "node-5"] {
        let text = cluster.node(node).stderr();
        assert!(
            text.contains("clock offset"),
            "{node} is not warned: {text}"
        );
        // Which node runs a tick is a race: one may have lost it each time.
        let (Some(wrong), Some(right)) = (median(node), right) else {
            continue;
        };
        judged += 1;
        assert!(
            wrong < right + 50_000,
            "{node}: {wrong} µs late, others {right} µs"
        );
    }
    assert!(judged > 0, "no node with a wrong clock ran anything");
}
