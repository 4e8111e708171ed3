//! Node processes that share a file of SQLite.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cluster_tests::cluster::{Cluster, SharedStore, ledger_with};
use cluster_tests::job::JobSpec;
use cluster_tests::log::Kind;
use scheduled_one_runtime::Outcome;
use scheduled_one_runtime::clock::{Clock, SystemClock};
use tempfile::TempDir;

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);

/// A folder with the file.
struct SqliteFile(TempDir);

impl SqliteFile {
    fn path(&self) -> PathBuf {
        self.0.path().join("jobs.db")
    }
}

impl SharedStore for SqliteFile {
    fn url(&self) -> String {
        format!("sqlite://{}", self.path().display())
    }
}

fn cluster(jobs: Vec<JobSpec>) -> Cluster<SqliteFile> {
    let file = SqliteFile(tempfile::tempdir().expect("a folder"));
    Cluster::on(file, NODE, LEASE, jobs)
}

/// Jobs that stand for most: short, as long as its period, longer than it.
fn jobs() -> Vec<JobSpec> {
    vec![
        JobSpec::new("short", 500, 0),
        JobSpec::new("medium", 1_000, 300),
        JobSpec::new("long", 1_000, 1_500),
    ]
}

fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_its_run_and_the_others_go_on() {
    let mut cluster = cluster(vec![JobSpec::new("long", 1_000, 60_000)]);
    cluster.start_nodes(5);
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
fn what_was_decided_survives_the_death_of_all_processes() {
    let mut cluster = cluster(jobs());
    for round in 0..3 {
        cluster.start_nodes(3);
        let before = cluster.starts("short");
        cluster.wait_for_starts("short", before + 3);
        if round < 2 {
            cluster.kill_all();
            cluster.nodes.clear();
        }
    }
    // The checker sees a tick that ran twice, and a token that did not grow.
    assert!(cluster.check() >= 9);
    let events = cluster.events();
    let nodes = events.iter().filter(|event| event.kind == Kind::Start);
    let mut tokens: Vec<u64> = nodes
        .filter(|event| event.job == "short")
        .map(|event| event.token)
        .collect();
    let sorted = tokens.is_sorted();
    tokens.dedup();
    assert!(sorted && tokens.len() >= 9, "{tokens:?}");
}

#[test]
fn a_file_that_is_removed_runs_no_tick_twice() {
    let mut cluster = cluster(jobs());
    cluster.start_nodes(3);
    for ends in [&[""][..], &["-wal", "", "-shm"]] {
        let before = cluster.starts("short");
        cluster.wait_for_starts("short", before + 3);
        for end in ends {
            let path = format!("{}{end}", cluster.store.path().display());
            let removed = fs::remove_file(path);
            // A node that noticed before may have removed what belongs to the database.
            assert!(removed.is_ok() || !end.is_empty(), "{removed:?}");
        }
    }
    let before = cluster.starts("short");
    cluster.wait_for_starts("short", before + 3);
    assert!(cluster.store.path().is_file());
    cluster.check();
}
