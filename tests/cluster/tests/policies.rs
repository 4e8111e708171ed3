//! The run policies on a real Redis with real processes: the two runs that a policy concerns are on different nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_tests::BOUND;
use cluster_tests::cluster::{Cluster, ledger_with};
use cluster_tests::job::JobSpec;
use cluster_tests::log::{Event, Kind};
use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::{LedgerEntry, Outcome};
use test_support::wait_until;

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);

fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

fn cluster(nodes: usize, jobs: Vec<JobSpec>) -> Cluster {
    let mut cluster = Cluster::new(NODE, LEASE, jobs);
    cluster.start_nodes(nodes);
    cluster
}

fn starts(events: &[Event]) -> Vec<&Event> {
    let starts = events.iter().filter(|event| event.kind == Kind::Start);
    starts.collect()
}

fn with_reason<'a>(lines: &'a [LedgerEntry], reason: &str) -> Vec<&'a LedgerEntry> {
    let found = lines.iter().filter(|line| line.reason.starts_with(reason));
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_overlap_value_does_what_it_says_across_nodes() {
    let cluster = cluster(
        4,
        vec![
            JobSpec::new("skip", 500, 1_300),
            JobSpec::new("queue_one", 500, 1_300).with(["overlap=queue_one"]),
            JobSpec::new("queue_all", 500, 700).with(["overlap=queue_all:3"]),
            JobSpec::new("cancel", 1_000, 3_000).with(["overlap=cancel_running", "route=fastest"]),
            JobSpec::new("allow", 500, 1_300).with(["overlap=allow:2", "route=spread"]),
        ],
    );
    let observer = cluster.observer().await;
    for job in ["skip", "queue_one", "queue_all", "cancel", "allow"] {
        cluster.wait_for_starts(job, 8);
    }
    cluster.check();

    let events = cluster.events();
    let starts_of = |job: &str| -> Vec<&Event> {
        let starts = starts(&events).into_iter();
        starts.filter(|start| start.job == job).collect()
    };
    let lines = ledger_with(&observer, "skip", "skipped", |l| l.reason == "overlap").await;
    assert!(with_reason(&lines, "queue").is_empty(), "{lines:?}");
    ledger_with(&observer, "queue_one", "full", |l| l.reason == "queue full").await;
    ledger_with(&observer, "queue_all", "full", |l| l.reason == "queue full").await;
    let lines = ledger_with(&observer, "cancel", "superseded", |line| {
        line.outcome == Outcome::Cancelled && line.reason.starts_with("superseded")
    })
    .await;
    assert!(
        lines.iter().all(|line| line.outcome != Outcome::Lost),
        "{lines:?}"
    );
    // Two side by side, and on different nodes at least once.
    let pairs = starts_of("allow");
    assert!(pairs.windows(2).any(|pair| pair[0].node != pair[1].node));
    // A run on one node is cancelled because another node queued the next tick.
    let superseded = with_reason(&lines, "superseded");
    let across = superseded.iter().any(|line| {
        let next_ms = line.tick.as_millisecond() + 1_000;
        let queued = format!("queued job=\"cancel\" tick_ms={next_ms}");
        let others = cluster.nodes.iter().filter(|node| node.name() != line.node);
        others
            .into_iter()
            .any(|node| node.stderr().contains(&queued))
    });
    assert!(across, "{superseded:?}");
}

/// The tick that waits outlives the node that ran the tick before it.
#[test]
fn a_queued_tick_starts_on_another_node_when_its_own_is_killed() {
    let jobs = vec![JobSpec::new("queued", 1_000, 60_000).with(["overlap=queue_one"])];
    let mut cluster = cluster(3, jobs);
    let run = cluster.wait_for_run("queued", 0);
    wait_until("a tick waits", BOUND, || {
        cluster.stderr_of_all().contains("queued job=\"queued\"")
    });
    cluster.node(&run.node).kill();
    let next = cluster.wait_for_run("queued", now_us());
    assert_ne!(next.node, run.node);
    assert_eq!(
        next.tick_ms,
        run.tick_ms + 1_000,
        "it is the one that waited"
    );
    cluster.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_run_is_taken_over_never_beside_it() {
    let jobs = vec![JobSpec::new("long", 1_000, 60_000).with(["rerun=2"])];
    let mut cluster = cluster(4, jobs);
    let observer = cluster.observer().await;
    let mut run = cluster.wait_for_run("long", 0);
    for attempt in 2..=3 {
        cluster.node(&run.node).kill();
        let next = cluster.wait_for_run("long", now_us());
        assert_eq!((next.tick_ms, next.attempt), (run.tick_ms, attempt));
        assert!(next.token > run.token && next.node != run.node);
        run = next;
    }
    // It was taken over as often as its policy allows: now it is lost.
    cluster.node(&run.node).kill();
    let lines = ledger_with(&observer, "long", "lost", |l| l.outcome == Outcome::Lost).await;
    let of_tick = lines
        .iter()
        .filter(|line| line.tick.as_millisecond() == run.tick_ms);
    let ends: Vec<_> = of_tick.map(|line| (line.outcome, line.attempt)).collect();
    assert_eq!(
        ends,
        [
            (Outcome::TakenOver, Some(1)),
            (Outcome::TakenOver, Some(2)),
            (Outcome::Lost, Some(3)),
        ]
    );
    cluster.check();
}

#[test]
fn a_paused_nodes_run_is_taken_over_and_it_never_polls_again() {
    let jobs = vec![JobSpec::new("long", 1_000, 60_000).with(["rerun=3"])];
    let mut cluster = cluster(3, jobs);
    let run = cluster.wait_for_run("long", 0);
    cluster.node(&run.node).pause();
    let next = cluster.wait_for_run("long", now_us());
    assert_eq!((next.tick_ms, next.attempt), (run.tick_ms, 2));
    cluster.node(&run.node).resume();
    wait_until("the resumed node has cancelled its run", BOUND, || {
        let text = cluster.node(&run.node).stderr();
        text.contains("cancelled outcome=cancelled")
    });
    cluster.check(); // S2: the old run was not polled concurrently with the new one
}

#[test]
fn shards_run_once_each_while_nodes_die_and_their_number_changes() {
    let sharded = |n: u32| {
        let policy = format!("shards={n}");
        vec![JobSpec::new("sharded", 1_000, 200).with([policy.as_str()])]
    };
    let mut cluster = cluster(1, sharded(1));
    cluster.wait_for_starts("sharded", 3);
    // Rolling deploys: other nodes have four shards, then six.
    cluster.set_jobs(sharded(4));
    cluster.start_nodes(3);
    cluster.wait_for_starts("sharded", 5 * 4);
    cluster.set_jobs(sharded(6));
    cluster.start_nodes(2);
    let run = cluster.wait_for_run("sharded", now_us());
    cluster.node(&run.node).kill();
    let before = cluster.starts("sharded");
    cluster.wait_for_starts("sharded", before + 5 * 6);
    cluster.check(); // S1 of each index: never twice for a tick, whoever counts how many

    let events = cluster.events();
    let nodes: BTreeSet<_> = starts(&events).iter().map(|s| s.node.clone()).collect();
    assert!(nodes.len() >= 3, "shards are spread: {nodes:?}");
    let shards: BTreeSet<_> = starts(&events).iter().map(|s| s.shard).collect();
    assert_eq!(shards, (0..6).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn total_downtime_is_caught_up_with_as_misfire_says() {
    let mut cluster = cluster(
        2,
        vec![
            JobSpec::new("skip", 500, 0).with(["start_deadline_ms=400"]),
            JobSpec::new("once", 500, 0).with(["start_deadline_ms=400", "misfire=run_once"]),
            JobSpec::new("all", 500, 20).with(["start_deadline_ms=400", "misfire=run_all"]),
        ],
    );
    let observer = cluster.observer().await;
    for job in ["skip", "once", "all"] {
        cluster.wait_for_starts(job, 2);
    }
    cluster.kill_all();
    let killed_us = now_us();
    wait_until("twenty ticks have passed", BOUND, || {
        now_us() > killed_us + 10_000_000
    });
    let down = starts(&cluster.events()).len();
    cluster.start_nodes(2);
    for job in ["skip", "once", "all"] {
        let before = cluster.starts(job);
        cluster.wait_for_starts(job, before + 3);
    }
    let missed = |line: &LedgerEntry| line.outcome == Outcome::Missed && line.count >= 15;
    ledger_with(&observer, "skip", "its ticks are missed", missed).await;
    ledger_with(&observer, "once", "its ticks are missed", missed).await;
    wait_until("all are caught up with", BOUND, || {
        cluster.starts("all") >= 22
    });
    let all = observer.ledger("all", 1000).await.expect("a ledger");
    let gone = all
        .iter()
        .filter(|line| line.outcome == Outcome::Missed && line.count > 2);
    assert_eq!(gone.count(), 0, "{all:?}");
    let events = cluster.events();
    let ticks = starts(&events)
        .into_iter()
        .filter(|start| start.job == "all");
    let ticks: Vec<i64> = ticks.map(|start| start.tick_ms).collect();
    let gaps = ticks.windows(2).filter(|pair| pair[1] - pair[0] != 500);
    assert_eq!(
        gaps.count(),
        0,
        "each of its ticks ran, in order: {ticks:?}"
    );
    let after = &starts(&events)[down..];
    let once = after
        .iter()
        .find(|start| start.job == "once")
        .expect("it ran");
    assert!(once.missed >= 15, "{once}");
    cluster.check();
}
