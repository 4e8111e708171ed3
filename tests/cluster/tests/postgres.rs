//! Node processes on one PostgreSQL.

use std::time::Duration;

use cluster_tests::BOUND;
use cluster_tests::cluster::{Cluster, SharedStore, ledger_with};
use cluster_tests::job::JobSpec;
use scheduled_one_runtime::Outcome;
use scheduled_one_runtime::clock::{Clock, SystemClock};
use test_support::{PostgresServer, wait_until};

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);

fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

/// Jobs that stand for most: short, as long as its period, longer than it.
fn jobs() -> Vec<JobSpec> {
    vec![
        JobSpec::new("short", 500, 0),
        JobSpec::new("medium", 1_000, 300),
        JobSpec::new("long", 1_000, 1_500),
    ]
}

fn five_nodes(jobs: Vec<JobSpec>) -> Cluster<PostgresServer> {
    let server = PostgresServer::start().expect("a PostgreSQL");
    let mut cluster = Cluster::on(server, NODE, LEASE, jobs);
    cluster.start_nodes(5);
    cluster
}

/// Ticks start again, so many of them.
fn wait_for_more(cluster: &Cluster<PostgresServer>, starts: usize) {
    let before = cluster.starts("short");
    cluster.wait_for_starts("short", before + starts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_run_is_recorded_as_lost_and_the_next_tick_runs() {
    let mut cluster = five_nodes(vec![JobSpec::new("long", 1_000, 60_000)]);
    let observer = cluster.observer().await;
    let run = cluster.wait_for_run("long", 0);
    cluster.node(&run.node).kill();
    let lines = ledger_with(&observer, "long", "a run is lost", |line| {
        line.outcome == Outcome::Lost
    })
    .await;
    let lost = lines.iter().find(|line| line.outcome == Outcome::Lost);
    let lost = lost.expect("just found");
    assert_eq!(lost.tick.as_millisecond(), run.tick_ms);
    assert_eq!(lost.node, run.node);
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
    // Also if the node stands still in the middle of a transaction: the server ends that.
    let next = cluster.wait_for_run("long", now_us());
    assert_ne!(next.node, run.node);
    cluster.node(&run.node).resume();
    let resumed_us = now_us();
    wait_until("the resumed node has cancelled its run", BOUND, || {
        let text = cluster.node(&run.node).stderr();
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
fn a_postgresql_that_is_killed_and_restarted_runs_no_tick_twice_and_begins_no_quarantine() {
    let mut cluster = five_nodes(jobs());
    for _ in 0..3 {
        wait_for_more(&cluster, 4);
        cluster.store.kill().expect("killed");
        cluster.store.restart().expect("restarted");
    }
    wait_for_more(&cluster, 4);
    cluster.check();
    for node in &mut cluster.nodes {
        let text = node.stderr();
        let begun = text.matches(" quarantine: ").count();
        // The first start of a namespace begins one.
        assert!(begun <= 1, "{}: {text}", node.name());
    }
}

#[test]
fn a_frozen_postgresql_runs_no_tick_twice() {
    let cluster = five_nodes(jobs());
    for _ in 0..2 {
        wait_for_more(&cluster, 3);
        cluster.store.freeze().expect("frozen");
        let frozen_us = now_us();
        wait_until("two leases have passed", BOUND, || {
            now_us() > frozen_us + 2 * LEASE.as_micros() as u64
        });
        cluster.store.thaw().expect("thawed");
    }
    wait_for_more(&cluster, 3);
    cluster.check();
}

#[test]
fn terminated_connections_and_dropped_tables_run_no_tick_twice() {
    let cluster = five_nodes(jobs());
    for _ in 0..3 {
        wait_for_more(&cluster, 3);
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE application_name = 'scheduled-one'";
        cluster.store.sql(terminate).expect("terminated");
    }
    // The nodes lock in another order. Of a deadlock they are to be the victims, because they try again.
    let patient = "SET deadlock_timeout = '30s'";
    for forget in [
        "DROP SCHEMA scheduled_one CASCADE",
        "TRUNCATE scheduled_one.meta, scheduled_one.unit, scheduled_one.node, scheduled_one.job_list, scheduled_one.ledger",
    ] {
        wait_for_more(&cluster, 3);
        let forget = format!("{patient}; {forget}");
        cluster.store.sql(&forget).expect("forgotten");
    }
    wait_for_more(&cluster, 3);
    cluster.check();
}

/// A primary and a standby that follows it asynchronously. The nodes are given both.
struct Pair {
    primary: PostgresServer,
    standby: PostgresServer,
}

impl SharedStore for Pair {
    fn url(&self) -> String {
        let (primary, standby) = (self.primary.port(), self.standby.port());
        format!("postgres://postgres@127.0.0.1:{primary},127.0.0.1:{standby}/postgres")
    }
}

#[test]
fn a_promoted_standby_begins_a_quarantine_and_runs_no_tick_twice() {
    let primary = PostgresServer::start().expect("a PostgreSQL");
    let standby = primary.standby().expect("a standby");
    let mut cluster = Cluster::on(Pair { primary, standby }, NODE, LEASE, jobs());
    cluster.start_nodes(5);
    cluster.wait_for_starts("short", 4);
    // The standby lacks what is decided from now on.
    cluster.store.standby.freeze().expect("frozen");
    cluster.wait_for_starts("short", cluster.starts("short") + 3);
    cluster.store.primary.kill().expect("killed");
    cluster.store.standby.thaw().expect("thawed");
    cluster.store.standby.promote().expect("promoted");
    cluster.wait_for_starts("short", cluster.starts("short") + 4);
    cluster.check();
    for node in &mut cluster.nodes {
        let text = node.stderr();
        let begun = text.matches(" quarantine: ").count();
        assert!(begun >= 1, "{}: {text}", node.name());
    }
}
