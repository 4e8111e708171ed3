//! Handle to a node process in the test that started it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use test_support::wait_until;

use crate::BOUND;
use crate::job::JobSpec;

/// The settings of a node process, passed in its environment.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The store.
    pub store_url: String,
    /// A file with the password of the store.
    pub password_file: Option<PathBuf>,
    /// How many replicas must have a claim.
    pub replicas: u32,
    /// Its name in logs and ledger.
    pub name: String,
    /// The lease of all jobs.
    pub lease: Duration,
    /// Its jobs.
    pub jobs: Vec<JobSpec>,
    /// The file it appends its events to.
    pub log: PathBuf,
    /// What its jobs write to.
    pub sink: Option<SocketAddr>,
    /// Where its alerts go, if it evaluates any.
    pub hook: Option<SocketAddr>,
    /// Whether its claims can be made to hang.
    pub can_hang: bool,
    /// What it may run, and how much at the same time.
    pub placement: Placement,
}

/// What a node may run, and how much at the same time.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// Its labels.
    pub labels: Vec<String>,
    /// How many runs it may have, if there is a limit.
    pub max_running: Option<u32>,
    /// How many runs all nodes together may have of the jobs of a group, if it knows of one.
    pub max_running_of: Option<(String, u32)>,
}

impl NodeSpec {
    fn to_env(&self, command: &mut Command) {
        let jobs: Vec<String> = self.jobs.iter().map(JobSpec::to_text).collect();
        command
            .env("NODE_STORE_URL", &self.store_url)
            .env("NODE_REPLICAS", self.replicas.to_string())
            .env("NODE_NAME", &self.name)
            .env("NODE_LEASE_MS", self.lease.as_millis().to_string())
            .env("NODE_JOBS", jobs.join(","))
            .env("NODE_LOG", &self.log);
        self.placement.to_env(command);
        if self.can_hang {
            command.env("NODE_CAN_HANG", "1");
        }
        if let Some(sink) = self.sink {
            command.env("NODE_SINK", sink.to_string());
        }
        if let Some(hook) = self.hook {
            command.env("NODE_HOOK", hook.to_string());
        }
        if let Some(path) = &self.password_file {
            command.env("NODE_PASSWORD_FILE", path);
        }
    }

    /// What the environment of this process says.
    ///
    /// # Panics
    ///
    /// If a variable is missing or wrong.
    pub fn from_env() -> Self {
        let text = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let lease_ms = text("NODE_LEASE_MS").parse().expect("a number");
        NodeSpec {
            store_url: text("NODE_STORE_URL"),
            password_file: std::env::var_os("NODE_PASSWORD_FILE").map(PathBuf::from),
            replicas: text("NODE_REPLICAS").parse().expect("a number"),
            name: text("NODE_NAME"),
            lease: Duration::from_millis(lease_ms),
            jobs: text("NODE_JOBS")
                .split(',')
                .map(JobSpec::from_text)
                .collect(),
            log: text("NODE_LOG").into(),
            sink: std::env::var("NODE_SINK")
                .ok()
                .map(|sink| sink.parse().expect("an address")),
            hook: std::env::var("NODE_HOOK")
                .ok()
                .map(|hook| hook.parse().expect("an address")),
            can_hang: std::env::var_os("NODE_CAN_HANG").is_some(),
            placement: Placement::from_env(),
        }
    }
}

impl Placement {
    fn to_env(&self, command: &mut Command) {
        command.env("NODE_LABELS", self.labels.join(","));
        if let Some(runs) = self.max_running {
            command.env("NODE_MAX_RUNNING", runs.to_string());
        }
        if let Some((group, runs)) = &self.max_running_of {
            command.env("NODE_MAX_RUNNING_OF", format!("{group}={runs}"));
        }
    }

    fn from_env() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        let number = |text: &str| text.parse().expect("a number");
        let of_group = |text: String| {
            let (group, runs) = text.split_once('=').expect("group=number");
            (group.to_owned(), number(runs))
        };
        let labels = text("NODE_LABELS").expect("NODE_LABELS is set");
        let labels = labels.split(',').filter(|label| !label.is_empty());
        Placement {
            labels: labels.map(str::to_owned).collect(),
            max_running: text("NODE_MAX_RUNNING").map(|runs| number(&runs)),
            max_running_of: text("NODE_MAX_RUNNING_OF").map(of_group),
        }
    }
}

/// An order to a running node: one line on its standard input.
#[derive(Clone, Debug)]
pub enum Order {
    /// Block all threads of its runtime for so long.
    Block(Duration),
    /// Send heartbeats, and get no reply to claims any more.
    Hang,
    /// Write what became of all ticks of all jobs in a range of time to a file.
    Audit {
        /// From, in ms since the Unix epoch.
        from_ms: i64,
        /// To, likewise.
        to_ms: i64,
        /// The file, which must not exist yet.
        path: PathBuf,
    },
}

impl Order {
    fn to_line(&self) -> String {
        match self {
            Order::Block(time) => format!("block {}\n", time.as_millis()),
            Order::Hang => "hang\n".to_owned(),
            Order::Audit {
                from_ms,
                to_ms,
                path,
            } => format!("audit {from_ms} {to_ms} {}\n", path.display()),
        }
    }

    /// Reads a line that [`Node::order`] wrote.
    pub fn from_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.trim_end().splitn(4, ' ').collect();
        match *words {
            ["block", ms] => Some(Order::Block(Duration::from_millis(ms.parse().ok()?))),
            ["hang"] => Some(Order::Hang),
            ["audit", from, to, path] => Some(Order::Audit {
                from_ms: from.parse().ok()?,
                to_ms: to.parse().ok()?,
                path: path.into(),
            }),
            _ => None,
        }
    }
}

/// A node process. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    name: String,
    placement: Placement,
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: PathBuf,
}

impl Node {
    /// Starts the program `binary` as the node of `spec`; its log goes to a file
    /// in `folder`. `env` is added to its environment.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(
        binary: &Path,
        spec: &NodeSpec,
        folder: &Path,
        env: &[(OsString, OsString)],
    ) -> Self {
        let stderr = folder.join(&spec.name);
        let mut command = Command::new(binary);
        spec.to_env(&mut command);
        let mut child = command
            .envs(env.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&stderr).expect("a log"))
            .spawn()
            .expect("the node starts");
        Node {
            name: spec.name.clone(),
            placement: spec.placement.clone(),
            stdin: child.stdin.take(),
            child,
            stderr,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the node takes signals");
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may run.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Sends an order to the node.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn order(&mut self, order: &Order) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(order.to_line().as_bytes())
    }

    /// SIGKILL: the power is cut.
    pub fn kill(&mut self) {
        self.child.kill().expect("the node can be killed");
        self.child.wait().expect("the node has ended");
    }

    /// Pauses the process with SIGSTOP, and waits until the process has stopped: the signal takes effect later than its
    /// sending.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        wait_until("the node has stopped", BOUND, || self.has_stopped());
    }

    fn has_stopped(&self) -> bool {
        let status = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(status).unwrap_or_default();
        // The state follows the name, which is in brackets.
        text.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('T'))
    }

    /// SIGCONT: it goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: please end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether it has ended, and was reaped.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// How it ended, if that was not well.
    pub fn ended_badly(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("a status")?;
        (!status.success()).then(|| status.to_string())
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) {
        let name = self.name.clone();
        wait_until(&format!("{name} has ended"), BOUND, || self.has_ended());
    }

    /// What it wrote to stderr: the events of `tracing`, by the boot clock.
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
