//! Starts nodes on one Redis, does things to them, and reads what they did.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use scheduled_one_runtime::{Job, LedgerEntry, Scheduler};
use tempfile::TempDir;
use test_support::{RedisServer, find_libfaketime, wait_until};

use crate::checker::violations;
use crate::log::{self, Event, Kind};

/// Longest wait for anything: generous, the machines are slow and noisy.
pub const BOUND: Duration = Duration::from_secs(180);

/// A job of the test nodes.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// Its period.
    pub every: Duration,
    /// How long a run takes; it shows every 10 ms that it is polled.
    pub runs_for: Duration,
    /// Its policies, as the node's `policy` function reads them, such as
    /// `overlap=queue_one`.
    pub policies: Vec<String>,
}

impl JobSpec {
    /// A job that is due every `every_ms` and runs for `runs_for_ms`.
    pub fn new(name: &str, every_ms: u64, runs_for_ms: u64) -> Self {
        JobSpec {
            name: name.to_owned(),
            every: Duration::from_millis(every_ms),
            runs_for: Duration::from_millis(runs_for_ms),
            policies: Vec::new(),
        }
    }

    /// The same with policies.
    pub fn with<const N: usize>(mut self, policies: [&str; N]) -> Self {
        self.policies.extend(policies.map(str::to_owned));
        self
    }
}

/// What a node process is told by its environment.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The store.
    pub redis_url: String,
    /// Its name in logs and ledger.
    pub name: String,
    /// The lease of all jobs.
    pub lease: Duration,
    /// Its jobs.
    pub jobs: Vec<JobSpec>,
    /// The file it appends its events to.
    pub log: PathBuf,
}

impl NodeSpec {
    fn to_env(&self, command: &mut Command) {
        let jobs = self.jobs.iter().map(|job| {
            let (every, runs_for) = (job.every.as_millis(), job.runs_for.as_millis());
            let policies = job.policies.join(" ");
            format!("{} {every} {runs_for} {policies}", job.name)
        });
        command
            .env("NODE_REDIS_URL", &self.redis_url)
            .env("NODE_NAME", &self.name)
            .env("NODE_LEASE_MS", self.lease.as_millis().to_string())
            .env("NODE_JOBS", jobs.collect::<Vec<_>>().join(","))
            .env("NODE_LOG", &self.log);
    }

    /// What the environment of this process says.
    ///
    /// # Panics
    ///
    /// If a variable is missing or wrong.
    pub fn from_env() -> Self {
        let text = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let jobs = text("NODE_JOBS");
        let jobs = jobs.split(',').map(|job| {
            let words: Vec<&str> = job.split(' ').collect();
            let mut spec = JobSpec::new(words[0], number(words[1]), number(words[2]));
            let policies = words[3..].iter().filter(|word| !word.is_empty());
            spec.policies = policies.map(|word| (*word).to_owned()).collect();
            spec
        });
        NodeSpec {
            redis_url: text("NODE_REDIS_URL"),
            name: text("NODE_NAME"),
            lease: Duration::from_millis(number(&text("NODE_LEASE_MS"))),
            jobs: jobs.collect(),
            log: text("NODE_LOG").into(),
        }
    }
}

/// A node process. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    name: String,
    child: Child,
    stderr: PathBuf,
}

impl Node {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the node takes signals");
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SIGKILL: the power is cut.
    pub fn kill(&mut self) {
        self.child.kill().expect("the node can be killed");
        self.child.wait().expect("the node has ended");
    }

    /// SIGSTOP: the process is paused, and does not know.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: please end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) {
        let name = self.name.clone();
        wait_until(&format!("{name} has ended"), BOUND, || {
            self.child.try_wait().expect("a status").is_some()
        });
    }

    /// What it wrote to stderr: the events of `tracing`.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nodes on one Redis.
#[derive(Debug)]
pub struct Cluster {
    /// The store of all nodes.
    pub redis: RedisServer,
    /// The living nodes (and those that were killed).
    pub nodes: Vec<Node>,
    lease: Duration,
    jobs: Vec<JobSpec>,
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
        let folder = tempfile::tempdir().expect("a folder");
        File::create(folder.path().join("events")).expect("a log");
        Cluster {
            redis,
            nodes: Vec::new(),
            lease,
            jobs,
            node_binary: node_binary.into(),
            folder,
        }
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
        let stderr = self.folder.path().join(&name);
        let mut command = Command::new(&self.node_binary);
        NodeSpec {
            redis_url: self.redis.url(),
            name: name.clone(),
            lease: self.lease,
            jobs: self.jobs.clone(),
            log: self.log_path(),
        }
        .to_env(&mut command);
        if let Some(shift) = clock_shift {
            let library = find_libfaketime()
                .expect("libfaketime (Debian: apt-get install faketime, or cargo xtask test)");
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME", shift)
                // Only the wall clock is wrong; timers go right.
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&stderr).expect("a log"))
            .spawn()
            .expect("the node starts");
        self.nodes.push(Node {
            name,
            child,
            stderr,
        });
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
        let node = self.nodes.iter_mut().find(|node| node.name == name);
        node.expect("a node of that name")
    }

    /// A scheduler of this process, to read the ledger with: its only job
    /// never runs.
    pub async fn observer(&self) -> Scheduler {
        Scheduler::builder(self.redis.url())
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
        let wide = |job: &str| {
            let spec = self.jobs.iter().find(|spec| spec.name == job);
            let allow = spec.and_then(|spec| {
                let mut values = spec.policies.iter();
                values.find_map(|policy| policy.strip_prefix("overlap=allow:"))
            });
            allow.map_or(1, |most| most.parse().expect("a number"))
        };
        let events = self.events();
        let found = violations(&events, wide);
        assert!(
            found.is_empty(),
            "{} violations:\n{}\n{}",
            found.len(),
            found.join("\n"),
            self.stderr_of_all()
        );
        for node in &self.nodes {
            let text = node.stderr();
            assert!(!text.contains("panicked at"), "{}: {text}", node.name);
        }
        events.iter().filter(|e| e.kind == Kind::Start).count()
    }

    /// What all nodes wrote to stderr.
    pub fn stderr_of_all(&self) -> String {
        let texts = self.nodes.iter();
        texts
            .map(|node| format!("== {}\n{}", node.name, node.stderr()))
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
