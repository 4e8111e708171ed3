//! The world of a round: a deployment, five nodes, a sink, and notes of all faults. `nodes` starts them, `watch` waits
//! for conditions, `grant` makes faults at an exact moment, `operate` has operators, `releases` deploys, `verdict`
//! compares the end with the rules, one of which is that of `limits`.

mod grant;
mod jobs;
mod limits;
mod nodes;
mod operate;
mod releases;
mod verdict;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_testkit::checker::{Audit, Expectation, FaultKind, FaultWindow, InForce, Note};
use tempfile::TempDir;
use test_support::{ClockShim, FaultProxy};

use super::deployment::{Deployment, Kind, PASSWORD};
use super::disk_watch::DiskWatch;
use crate::job::JobSpec;
use crate::log::Log;
use crate::node::Node;
use crate::operator::Operated;

pub use grant::{Grant, Strike};
pub use watch::Never;

/// The namespace of all rounds: each has a store of its own.
pub const NAMESPACE: &str = "default";
/// The lease of all jobs but [`MINUTE`].
pub const LEASE: Duration = Duration::from_secs(2);
/// How many nodes there are when nothing is wrong.
pub const NODES: usize = 5;
/// The job that shows how soon ticks start again.
pub const PULSE: &str = "short";
/// Its period.
pub const PULSE_EVERY: Duration = Duration::from_millis(500);

/// The job whose runs are long: who looks for one finds one, and it outlasts a
/// lease.
pub const STEADY: &str = "steady";

/// The job that is due so seldom that nothing newer stands in for a tick that
/// came due during a fault: it is to run when that is over.
pub const SLOW: &str = "slow";

/// The job with a lease of a minute: after a loss of memory it stands still for so long, and the others do not.
pub const MINUTE: &str = "minute";
/// Its lease.
pub const MINUTE_LEASE: Duration = Duration::from_secs(60);

/// Longest wait for something that must come: far beyond any promise.
const BOUND: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What nodes and sink are: paths of their programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `src/bin/node.rs`.
    pub node: PathBuf,
    /// `src/bin/sink.rs`.
    pub sink: PathBuf,
    /// `src/bin/operator.rs`.
    pub operator: PathBuf,
}

/// Now, by the boot clock, which all processes share.
pub fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

/// A running round.
#[derive(Debug)]
pub struct World {
    /// The store.
    pub deployment: Deployment,
    /// The nodes that live, or should.
    pub nodes: Vec<Node>,
    /// Between each node and its store, where there is one server.
    pub proxies: HashMap<String, FaultProxy>,
    /// The wall clock of each node.
    pub clocks: HashMap<String, ClockShim>,
    /// What the jobs of nodes are that start now.
    pub jobs: Vec<JobSpec>,
    /// Whether nodes that start now can be made to hang.
    pub next_can_hang: bool,
    /// What was seen so far.
    pub log: Log,
    /// What operators did so far.
    pub operated: Operated,
    /// Where all nodes read the password of their user.
    pub password_file: PathBuf,
    kind: Kind,
    programs: Programs,
    fault_windows: Vec<FaultWindow>,
    disk_watch: Option<DiskWatch>,
    expectations: Vec<Expectation>,
    /// What became of ticks, before this one.
    audits: Vec<Audit>,
    audits_from_ms: i64,
    /// Which schedules of jobs decided their ticks, and since when.
    in_force: Vec<InForce>,
    /// Jobs that a release had, and nodes that start now have not.
    dropped: Vec<JobSpec>,
    /// Nodes that ended without an order: when, and how.
    deaths: Vec<(u64, String)>,
    started: usize,
    /// How many runs nodes may have, of those that have a limit.
    limits: BTreeMap<String, u32>,
    sink: Sink,
    folder: TempDir,
    /// The logs of nodes that are no more.
    notes: Vec<Note>,
    /// The number of orders to audit.
    audit_orders: usize,
}

#[derive(Debug)]
struct Sink {
    child: Child,
    address: SocketAddr,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// Starts everything, and waits until ticks run.
    ///
    /// # Errors
    ///
    /// Something does not start.
    pub fn start(kind: Kind, programs: &Programs) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let path = folder.path().join("events");
        File::create(&path)?;
        let password_file = folder.path().join("password");
        let deployment = Deployment::start(kind)?;
        fs::write(&password_file, deployment.password_line(PASSWORD))?;
        let mut world = World {
            deployment,
            nodes: Vec::new(),
            proxies: HashMap::new(),
            clocks: HashMap::new(),
            jobs: jobs::first(),
            next_can_hang: false,
            log: Log::new(&path),
            operated: Operated::default(),
            password_file,
            kind,
            programs: programs.clone(),
            fault_windows: Vec::new(),
            disk_watch: (kind.flushes().then(|| DiskWatch::start(folder.path()))).transpose()?,
            expectations: Vec::new(),
            audits: Vec::new(),
            audits_from_ms: 0,
            in_force: World::schedules_of(&jobs::jobs()),
            dropped: Vec::new(),
            deaths: Vec::new(),
            started: 0,
            limits: BTreeMap::new(),
            sink: start_sink(&programs.sink, &path)?,
            folder,
            notes: Vec::new(),
            audit_orders: 0,
        };
        world.make_known()?;
        world.jobs = jobs::jobs();
        for _ in 0..NODES {
            world.start_node()?;
        }
        world.wait_for_start_of(MINUTE)?;
        world.wait_for_nodes()?;
        world.wait_for_starts(4)?;
        // What came due while the namespace was new is another story.
        world.audits_from_ms = world.newest_tick_ms();
        Ok(world)
    }

    /// A namespace that was never used may be a flushed one, in which each job waits for its lease; here nothing was
    /// forgotten. So a node makes it known, and the time of the loss is removed before there is a lease of a minute.
    fn make_known(&mut self) -> io::Result<()> {
        self.note("the namespace is new", FaultKind::Other, None);
        self.start_node()?;
        self.wait_for_starts(1)?;
        self.nodes[0].terminate();
        self.wait("the first node has ended", |world| {
            world.nodes[0].has_ended()
        })?;
        self.bury_by_itself(0);
        self.deployment.end_quarantine()
    }

    /// Which deployment it is on.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is among the living.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn index_of(&self, node: &str) -> usize {
        let found = self.nodes.iter().position(|it| it.name() == node);
        found.unwrap_or_else(|| panic!("{node} is among the nodes"))
    }

    /// Notes that something has begun; the end is `during`'s. What is noted
    /// lies within what was: `during` begins after it was done and ends before
    /// it is undone.
    ///
    /// # Errors
    ///
    /// Those of `during`.
    pub fn window<T>(
        &mut self,
        what: &str,
        kind: FaultKind,
        node: Option<&str>,
        during: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        let from_us = now_us();
        let result = during(self);
        self.fault_windows.push(FaultWindow {
            what: what.to_owned(),
            kind,
            node: node.map(str::to_owned),
            from_us,
            to_us: now_us(),
        });
        result
    }

    /// Notes something that took no time.
    pub fn note(&mut self, what: &str, kind: FaultKind, node: Option<&str>) {
        let at_us = now_us();
        self.fault_windows.push(FaultWindow {
            what: what.to_owned(),
            kind,
            node: node.map(str::to_owned),
            from_us: at_us,
            to_us: at_us,
        });
    }

    /// Notes what must happen after a fault.
    pub fn expect(&mut self, expectation: Expectation) {
        self.expectations.push(expectation);
    }

    /// All proxies between nodes and Redis, of whichever node they are.
    pub fn all_proxies(&self) -> impl Iterator<Item = &FaultProxy> {
        self.proxies.values().chain(self.deployment.proxies())
    }

    /// Cuts all connections of a node; it may connect again.
    pub fn cut_connections(&self, node: &str) {
        if let Some(proxy) = self.proxies.get(node) {
            proxy.cut();
        }
    }

    /// Where all logs are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the logs: their folder is not removed.
    pub fn keep_folder(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

fn start_sink(program: &Path, log: &Path) -> io::Result<Sink> {
    let mut child = Command::new(program)
        .arg(log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim_end().parse().map_err(io::Error::other)?;
    Ok(Sink { child, address })
}
