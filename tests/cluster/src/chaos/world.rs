//! What a round happens in: a deployment, five nodes, a sink, and a note of
//! everything that was done.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scheduled_one_runtime::clock::{Clock, SystemClock};
use tempfile::TempDir;
use test_support::{ClockShim, FaultProxy, Matcher, Verdict};

use super::deployment::{Deployment, Kind, PASSWORD, USER};
use crate::checker::{Account, Fate, History, Note, Violation, Window, WindowKind, timeline};
use crate::job::JobSpec;
use crate::log::{Event, Kind as Sign, Log};
use crate::node::{Node, NodeSpec, Order};

/// The namespace of all rounds: each has a Redis of its own.
pub const NAMESPACE: &str = "default";
/// The lease of all jobs.
pub const LEASE: Duration = Duration::from_secs(2);
/// How many nodes there are when nothing is wrong.
pub const NODES: usize = 5;
/// The job that shows how soon ticks start again.
pub const PULSE: &str = "short";
/// Its period.
pub const PULSE_EVERY: Duration = Duration::from_millis(500);

/// The job that is due so seldom that nothing newer stands in for a tick that
/// came due during a fault: it is to run when that is over.
pub const SLOW: &str = "slow";

/// Longest wait for something that must come: far beyond any promise.
const BOUND: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Jobs that stand for most.
pub fn jobs() -> Vec<JobSpec> {
    vec![
        JobSpec::new(PULSE, PULSE_EVERY.as_millis() as u64, 0),
        JobSpec::new("medium", 1_000, 300),
        JobSpec::new("long", 1_000, 1_500),
        JobSpec::new("steady", 2_000, 5_000),
        JobSpec::new(SLOW, 10_000, 200).with(["misfire=run_once"]),
        JobSpec::new("queue", 1_000, 1_200).with(["overlap=queue_one"]),
        JobSpec::new("sharded", 1_000, 200).with(["shards=3"]),
        JobSpec::new("rerun", 2_000, 1_200).with(["rerun=3"]),
        JobSpec::new("failing", 1_000, 50).with(["retries=2", "fails=1"]),
        JobSpec::new("every", 1_000, 100).with(["scope=every_node"]),
    ]
}

/// What nodes and sink are: paths of their programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `src/bin/node.rs`.
    pub node: PathBuf,
    /// `src/bin/sink.rs`.
    pub sink: PathBuf,
}

/// Now, by the boot clock, which all processes share.
pub fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

/// A running round.
#[derive(Debug)]
pub struct World {
    /// The Redis.
    pub deployment: Deployment,
    /// The nodes that live, or should.
    pub nodes: Vec<Node>,
    /// Between each node and its Redis, where there is one server.
    pub proxies: HashMap<String, FaultProxy>,
    /// The wall clock of each node.
    pub clocks: HashMap<String, ClockShim>,
    /// What the jobs of nodes are that start now.
    pub jobs: Vec<JobSpec>,
    /// What was seen so far.
    pub log: Log,
    /// Where all nodes read the password of their user.
    pub password_file: PathBuf,
    kind: Kind,
    programs: Programs,
    windows: Vec<Window>,
    /// Ticks before it are not accounted for: the schedule was another.
    accounts_from_ms: i64,
    started: usize,
    sink: Sink,
    folder: TempDir,
    /// The logs of nodes that are no more.
    notes: Vec<Note>,
    audits: usize,
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
        fs::write(&password_file, PASSWORD)?;
        let mut world = World {
            deployment: Deployment::start(kind)?,
            nodes: Vec::new(),
            proxies: HashMap::new(),
            clocks: HashMap::new(),
            jobs: jobs(),
            log: Log::new(&path),
            password_file,
            kind,
            programs: programs.clone(),
            windows: Vec::new(),
            accounts_from_ms: 0,
            started: 0,
            sink: start_sink(&programs.sink, &path)?,
            folder,
            notes: Vec::new(),
            audits: 0,
        };
        for _ in 0..NODES {
            world.start_node()?;
        }
        world.wait_for_starts(4)?;
        Ok(world)
    }

    /// Which deployment it is on.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Starts one more node; returns its name.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start_node(&mut self) -> io::Result<String> {
        self.started += 1;
        let name = format!("node-{}", self.started);
        let (redis_url, password_file) = self.route(&name)?;
        let spec = NodeSpec {
            redis_url,
            password_file,
            name: name.clone(),
            lease: LEASE,
            jobs: self.jobs.clone(),
            log: self.folder.path().join("events"),
            sink: Some(self.sink.address),
        };
        let clock = ClockShim::new()?;
        let node = Node::start(&self.programs.node, &spec, self.folder.path(), &clock.env());
        self.clocks.insert(name.clone(), clock);
        self.nodes.push(node);
        Ok(name)
    }

    /// How a node reaches its Redis: through a proxy of its own, where there is
    /// one server.
    fn route(&mut self, node: &str) -> io::Result<(String, Option<PathBuf>)> {
        match &self.deployment {
            Deployment::Sentinel(sentinel) => Ok((sentinel.url(), None)),
            Deployment::Cluster(cluster) => Ok((cluster.url(), None)),
            Deployment::One(server, _) => {
                let proxy = FaultProxy::options()
                    .seed(self.started as u64)
                    .start(server.port())?;
                let url = format!("redis://{USER}@127.0.0.1:{}", proxy.port());
                self.proxies.insert(node.to_owned(), proxy);
                Ok((url, Some(self.password_file.clone())))
            }
        }
    }

    /// Lets as many nodes live as there should be.
    ///
    /// # Errors
    ///
    /// One cannot be started.
    pub fn replace_dead_nodes(&mut self) -> io::Result<()> {
        let mut index = 0;
        while index < self.nodes.len() {
            match self.nodes[index].has_ended() {
                true => self.bury(index),
                false => index += 1,
            }
        }
        while self.nodes.len() < NODES {
            self.start_node()?;
        }
        Ok(())
    }

    /// Takes out a node that has ended, and keeps its log.
    pub fn bury(&mut self, index: usize) {
        let node = self.nodes.remove(index);
        self.notes.extend(notes_of(&node));
        self.proxies.remove(node.name());
        self.clocks.remove(node.name());
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

    // -- what is going on

    /// The period of a job, for nodes that start now.
    ///
    /// # Panics
    ///
    /// If there is no such job.
    pub fn every(&self, job: &str) -> Duration {
        let found = self.jobs.iter().find(|it| it.name == job);
        found
            .unwrap_or_else(|| panic!("{job} is among the jobs"))
            .every
    }

    /// Waits until the job runs on some node, polled a moment ago; returns the
    /// sign.
    ///
    /// # Errors
    ///
    /// It never does.
    pub fn wait_for_run(&mut self, job: &str) -> io::Result<Event> {
        let mut found = None;
        self.wait(&format!("a run of {job} is going"), |world| {
            let mut signs = world.log.events.iter().rev().filter(|it| it.job == job);
            let last = signs.next();
            found = last
                .filter(|last| last.kind == Sign::Poll && last.boot_us + 200_000 > now_us())
                .cloned();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// Waits for the next start of a job.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn wait_for_start_of(&mut self, job: &str) -> io::Result<Event> {
        let from_us = now_us();
        let mut found = None;
        self.wait(&format!("{job} starts"), |world| {
            let recent = world.log.events.iter().rev();
            let mut starts = recent.filter(|it| it.job == job && it.kind == Sign::Start);
            found = starts.next().filter(|it| it.boot_us > from_us).cloned();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// The start of the pulse that came first after an instant, once there is
    /// one.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn wait_for_pulse(&mut self, after_us: u64) -> io::Result<u64> {
        let mut found = None;
        self.wait("ticks start again", |world| {
            let events = world.log.events.iter().rev();
            let recent = events.take_while(|it| it.boot_us + 2_000_000 > after_us);
            let starts = recent.filter(|it| it.job == PULSE && it.kind == Sign::Start);
            found = starts
                .map(|it| it.boot_us)
                .filter(|us| *us > after_us)
                .min();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// Waits until so many more ticks of the pulse have started.
    ///
    /// # Errors
    ///
    /// They do not.
    pub fn wait_for_starts(&mut self, count: usize) -> io::Result<()> {
        let pulse = |it: &&Event| it.job == PULSE && it.kind == Sign::Start;
        self.log.read_on();
        let before = self.log.events.iter().filter(pulse).count();
        self.wait("ticks start", |world| {
            world.log.events.iter().filter(pulse).count() >= before + count
        })
    }

    /// Waits for something that must come.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn wait(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) -> io::Result<()> {
        let until = Instant::now() + BOUND;
        loop {
            self.log.read_on();
            if condition(self) {
                return Ok(());
            }
            if Instant::now() > until {
                let text = format!("waited {BOUND:?} in vain until {what}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    // -- what is done to it

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
        kind: WindowKind,
        node: Option<&str>,
        during: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        let from_us = now_us();
        let result = during(self);
        self.windows.push(Window {
            what: what.to_owned(),
            kind,
            node: node.map(str::to_owned),
            from_us,
            to_us: now_us(),
        });
        result
    }

    /// Notes something that took no time.
    pub fn note(&mut self, what: &str, kind: WindowKind, node: Option<&str>) {
        let at_us = now_us();
        self.windows.push(Window {
            what: what.to_owned(),
            kind,
            node: node.map(str::to_owned),
            from_us: at_us,
            to_us: at_us,
        });
    }

    /// Cuts all connections of a node; it may connect again.
    pub fn cut_connections(&self, node: &str) {
        if let Some(proxy) = self.proxies.get(node) {
            proxy.cut();
        }
    }

    /// Does something at the moment at which a claim of a node was granted and
    /// it has not heard so; then the answer goes on as `verdict` says.
    ///
    /// # Errors
    ///
    /// That moment never comes.
    pub fn at_grant(
        &mut self,
        node: &str,
        job: &str,
        verdict: Verdict,
        what: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<()> {
        let port = self.deployment.server()?.port();
        let proxy = &self.proxies[node];
        let record = format!("so:{{{NAMESPACE}}}:job:{job}");
        let until = Instant::now() + BOUND;
        while Instant::now() < until {
            let done = Arc::new(AtomicBool::new(false));
            let (name, key) = (node.to_owned(), record.clone());
            let (what, done_in_it) = (what.clone(), Arc::clone(&done));
            let hook = proxy.on_reply(Matcher::containing(&record), move || {
                if !was_granted(port, &key, &name).unwrap_or(false) {
                    return Verdict::Deliver;
                }
                what();
                done_in_it.store(true, Ordering::SeqCst);
                verdict
            });
            hook.wait(BOUND)?;
            if done.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
        let text = format!("{node} was never granted {job}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }

    /// Jobs of nodes that start from now on; ticks from before the next one of
    /// the pulse are not accounted for.
    pub fn account_from_now(&mut self) {
        self.log.read_on();
        self.accounts_from_ms = self.newest_tick_ms() + 1;
    }

    fn newest_tick_ms(&self) -> i64 {
        let ticks = self.log.events.iter().map(|event| event.tick_ms);
        ticks.max().unwrap_or_default()
    }

    // -- how it ended

    /// Asks a node what became of every tick, until all are decided (or a long
    /// time has passed).
    ///
    /// # Errors
    ///
    /// No node answers.
    pub fn audit(&mut self) -> io::Result<Vec<Account>> {
        self.log.read_on();
        let to_ms = self.newest_tick_ms() + 1;
        let until = Instant::now() + BOUND;
        loop {
            let accounts = self.audit_once(self.accounts_from_ms, to_ms)?;
            let open = accounts.iter().any(|account| account.fate == Fate::Open);
            if !open || Instant::now() > until {
                return Ok(accounts);
            }
            thread::sleep(LOOK_AGAIN * 10);
        }
    }

    fn audit_once(&mut self, from_ms: i64, to_ms: i64) -> io::Result<Vec<Account>> {
        self.audits += 1;
        let path = self.folder.path().join(format!("audit-{}", self.audits));
        let order = Order::Audit {
            from_ms,
            to_ms,
            path: path.clone(),
        };
        let node = self.nodes.first_mut();
        node.ok_or_else(|| io::Error::other("no node lives"))?
            .order(&order)?;
        self.wait("a node audits", |_| path.exists())?;
        let text = fs::read_to_string(&path)?;
        text.lines()
            .map(|line| line.parse().map_err(io::Error::other))
            .collect()
    }

    /// Ends all nodes, gracefully if they can.
    ///
    /// # Errors
    ///
    /// One does not end.
    pub fn end(&mut self) -> io::Result<()> {
        self.nodes.iter().for_each(Node::terminate);
        let ended = self.wait("all nodes have ended", |world| {
            world.nodes.iter_mut().all(Node::has_ended)
        });
        while !self.nodes.is_empty() {
            self.bury(0);
        }
        ended
    }

    /// All violations, each with its timeline; of an ended world.
    pub fn violations(&mut self, accounts: &[Account]) -> Vec<(Violation, String)> {
        self.log.read_on();
        let mut events = self.log.events.clone();
        events.sort_by_key(|event| event.boot_us);
        let history = History {
            events: &events,
            windows: &self.windows,
            jobs: &self.jobs,
            lease: LEASE,
            accounts,
        };
        let mut found = history.violations();
        let panics = self.notes.iter().filter(|it| it.text.contains("panicked"));
        found.extend(panics.map(|note| Violation {
            rule: "panic",
            text: note.text.clone(),
            job: String::new(),
            at_us: note.boot_us,
        }));
        let with_timeline = |violation: Violation| {
            let text = timeline(&history, &self.notes, &violation);
            (violation, text)
        };
        found.into_iter().map(with_timeline).collect()
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

/// Whether the record shows a run of this node that was just granted.
fn was_granted(port: u16, record: &str, node: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("HMGET {record} own st seq\r\n").as_bytes())?;
    let mut lines = BufReader::new(stream).lines();
    let mut values = Vec::new();
    // An array of three texts, each after a line with its length.
    for _ in 0..7 {
        values.extend(lines.next().transpose()?);
    }
    let value = |index: usize| values.get(index).map(String::as_str);
    Ok([value(2), value(4), value(6)] == [Some(node), Some("run"), Some("1")])
}

/// The lines of a node's log; those without an instant belong to the one
/// before them.
fn notes_of(node: &Node) -> Vec<Note> {
    let mut boot_us = 0;
    let text = node.stderr();
    let lines = text.lines().map(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        boot_us = first.parse().unwrap_or(boot_us);
        let text = line.strip_prefix(first).unwrap_or(line);
        Note {
            boot_us,
            text: format!("{}: {}", node.name(), text.trim_start()),
        }
    });
    lines.collect()
}
