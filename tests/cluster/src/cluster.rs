//! A cluster of node processes on one store: starts, faults and logs.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scheduled_one_runtime::{Job, LedgerEntry, Scheduler};
use scheduled_one_testkit::checker::History;
use tempfile::TempDir;
use test_support::{PostgresServer, RedisServer, find_libfaketime, wait_until};

use crate::BOUND;
use crate::job::JobSpec;
use crate::log::{self, Event, Kind};
use crate::node::{Node, NodeSpec, Placement};

/// What the nodes of a cluster share.
pub trait SharedStore {
    /// The URL for all nodes.
    fn url(&self) -> String;
}

impl SharedStore for RedisServer {
    fn url(&self) -> String {
        RedisServer::url(self)
    }
}

impl SharedStore for PostgresServer {
    fn url(&self) -> String {
        PostgresServer::url(self)
    }
}

/// Nodes on one store.
#[derive(Debug)]
pub struct Cluster<S = RedisServer> {
    /// The store of all nodes.
    pub store: S,
    /// The living nodes (and those that were killed).
    pub nodes: Vec<Node>,
    lease: Duration,
    jobs: Vec<JobSpec>,
    hook: Option<SocketAddr>,
    node_binary: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// A Redis and no nodes yet. `node_binary` is
    /// `env!("CARGO_BIN_EXE_node")`, known only to tests.
    ///
    /// # Panics
    ///
    /// If no `redis-server` is found (run `cargo xtask test`, or set
    /// `REDIS_SERVER`).
    pub fn new(node_binary: &str, lease: Duration, jobs: Vec<JobSpec>) -> Self {
        let redis = RedisServer::start().expect("a redis-server");
        Cluster::on(redis, node_binary, lease, jobs)
    }
}

impl<S: SharedStore> Cluster<S> {
    /// A store and no nodes yet. `node_binary` is
    /// `env!("CARGO_BIN_EXE_node")`, known only to tests.
    pub fn on(store: S, node_binary: &str, lease: Duration, jobs: Vec<JobSpec>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        File::create(folder.path().join("events")).expect("a log");
        Cluster {
            store,
            nodes: Vec::new(),
            lease,
            jobs,
            hook: None,
            node_binary: node_binary.into(),
            folder,
        }
    }

    /// Nodes started from now on evaluate alerts every second, and send them there.
    pub fn set_hook(&mut self, hook: SocketAddr) {
        self.hook = Some(hook);
    }

    /// Nodes started from now on have these jobs: another build of the service.
    pub fn set_jobs(&mut self, jobs: Vec<JobSpec>) {
        self.jobs = jobs;
    }

    /// Starts `count` nodes.
    pub fn start_nodes(&mut self, count: usize) {
        for _ in 0..count {
            self.start_node(None);
        }
    }

    /// Starts a node whose wall clock is off by `clock_shift`, such as `-2h`
    /// (libfaketime).
    pub fn start_node(&mut self, clock_shift: Option<&str>) {
        let name = format!("node-{}", self.nodes.len() + 1);
        let spec = NodeSpec {
            store_url: self.store.url(),
            password_file: None,
            replicas: 0,
            name,
            lease: self.lease,
            jobs: self.jobs.clone(),
            log: self.log_path(),
            sink: None,
            hook: self.hook,
            can_hang: false,
            placement: Placement::default(),
        };
        let mut env = Vec::new();
        if let Some(shift) = clock_shift {
            let library = find_libfaketime()
                .expect("libfaketime (Debian: apt-get install faketime, or cargo xtask test)");
            let library = library.display().to_string();
            // Only the wall clock is wrong; timers go right.
            let fake = [
                ("LD_PRELOAD", library.as_str()),
                ("FAKETIME", shift),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ];
            env.extend(fake.map(|(name, value)| (name.into(), value.into())));
        }
        let folder = self.folder.path();
        let node = Node::start(&self.node_binary, &spec, folder, &env);
        self.nodes.push(node);
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("events")
    }

    /// All that the jobs logged so far.
    pub fn events(&self) -> Vec<Event> {
        log::read(&self.log_path())
    }

    /// Where the logs are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until a run is going that started after the boot clock showed
    /// `after_us` and has been polled; returns its last event.
    pub fn wait_for_run(&self, job: &str, after_us: u64) -> Event {
        let mut found = None;
        wait_until(&format!("a run of {job} is going"), BOUND, || {
            let mut events = self.events();
            events.retain(|event| event.job == job && event.boot_us > after_us);
            let started = events.iter().any(|event| event.kind == Kind::Start);
            found = events
                .pop()
                .filter(|last| started && last.kind == Kind::Poll);
            found.is_some()
        });
        found.expect("just found")
    }

    /// Waits until so many ticks of a job have started.
    pub fn wait_for_starts(&self, job: &str, count: usize) {
        wait_until(&format!("{job} has started {count} times"), BOUND, || {
            self.starts(job) >= count
        });
    }

    /// How often a job has started so far.
    pub fn starts(&self, job: &str) -> usize {
        let events = self.events();
        let starts = events.iter().filter(|event| event.kind == Kind::Start);
        starts.filter(|event| event.job == job).count()
    }

    /// The node of that name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn node(&mut self, name: &str) -> &mut Node {
        let node = self.nodes.iter_mut().find(|node| node.name() == name);
        node.expect("a node of that name")
    }

    /// A scheduler of this process, to read the ledger with: its only job
    /// never runs.
    pub async fn observer(&self) -> Scheduler {
        Scheduler::builder(self.store.url())
            .node_name("observer")
            .lease(self.lease)
            .job(Job::cron("observer", "0 0 0 1 1 ? 2099", || async {}))
            .start()
            .await
            .expect("the observer starts")
    }

    /// Kills all nodes.
    pub fn kill_all(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
    }

    /// Panics with the timeline if the logs show a violation, or a node
    /// panicked. Returns how many starts were checked.
    pub fn check(&self) -> usize {
        let events = self.events();
        let history = History {
            events: events.iter().map(Into::into).collect(),
            jobs: self.jobs.iter().map(|job| job.rules(self.lease)).collect(),
            ..History::default()
        };
        let found = history.check();
        let texts: Vec<String> = found.iter().map(|it| format!("{it:#}")).collect();
        assert!(
            found.is_empty(),
            "{} violations:\n{}\n{}",
            found.len(),
            texts.join("\n"),
            self.stderr_of_all()
        );
        for node in &self.nodes {
            let text = node.stderr();
            assert!(!text.contains("panicked at"), "{}: {text}", node.name());
        }
        events.iter().filter(|e| e.kind == Kind::Start).count()
    }

    /// What all nodes wrote to stderr.
    pub fn stderr_of_all(&self) -> String {
        let texts = self.nodes.iter();
        texts
            .map(|node| format!("== {}\n{}", node.name(), node.stderr()))
            .collect()
    }
}

/// Ledger lines of a job through `observer`, oldest first, once there is one
/// that `wanted` likes.
pub async fn ledger_with(
    observer: &Scheduler,
    job: &str,
    what: &str,
    wanted: impl Fn(&LedgerEntry) -> bool,
) -> Vec<LedgerEntry> {
    let mut lines = Vec::new();
    test_support::wait_until_async(&format!("{job}: {what}"), BOUND, async || {
        lines = observer.ledger(job, 1000).await.unwrap_or_default();
        lines.iter().any(&wanted)
    })
    .await;
    lines.reverse();
    lines
}
