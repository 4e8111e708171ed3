//! The node processes: how they are started, disturbed and listened to.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use scheduled_one_runtime::clock::{Clock as _, SystemClock};
use scheduled_one_testkit::checker::FaultKind;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::report::Report;
use crate::screen;
use crate::verdict::Evidence;

/// How many nodes there are.
pub(crate) const NODES: usize = 5;
/// How long a node may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(15);

/// The nodes, and all that they have reported. Dropped, it kills them.
pub(crate) struct Cluster {
    url: String,
    namespace: String,
    nodes: Vec<Node>,
    reports: mpsc::Receiver<(usize, Report)>,
    reporter: mpsc::Sender<(usize, Report)>,
    pub(crate) evidence: Evidence,
}

struct Node {
    process: Child,
    /// When it ends, the node ends itself.
    orders: ChildStdin,
}

impl Cluster {
    /// Starts all nodes and waits until they are up.
    pub(crate) async fn start(url: &str, namespace: &str) -> anyhow::Result<Self> {
        let (reporter, reports) = mpsc::channel(1_000);
        let mut cluster = Cluster {
            url: url.to_owned(),
            namespace: namespace.to_owned(),
            nodes: Vec::new(),
            reports,
            reporter,
            evidence: Evidence::default(),
        };
        for index in 0..NODES {
            let node = cluster.spawn(index)?;
            cluster.nodes.push(node);
        }
        for _ in 0..NODES {
            cluster.watch_until(PATIENCE, is_up).await?;
        }
        Ok(cluster)
    }

    /// Starts this program once more, as a node.
    fn spawn(&self, index: usize) -> anyhow::Result<Node> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["node", &name(index), &self.url, &self.namespace])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a node process")?;
        let orders = process.stdin.take().context("a node without input")?;
        let output = process.stdout.take().context("a node without output")?;
        tokio::spawn(forward(output, index, self.reporter.clone()));
        Ok(Node { process, orders })
    }

    /// Watches what the nodes report for a while.
    pub(crate) async fn watch(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Ok(Some((node, report))) = timeout_at(until, self.reports.recv()).await {
            self.take(node, report);
        }
    }

    /// Watches until something is reported; returns the node that did.
    pub(crate) async fn watch_until(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&Report) -> bool,
    ) -> anyhow::Result<usize> {
        let until = Instant::now() + patience;
        loop {
            let report = timeout_at(until, self.reports.recv()).await;
            let Ok(Some((node, report))) = report else {
                anyhow::bail!(
                    "the nodes did not get on within {patience:?}; see their errors above"
                );
            };
            let found = wanted(&report);
            self.take(node, report);
            if found {
                return Ok(node);
            }
        }
    }

    fn take(&mut self, node: usize, report: Report) {
        screen::show(node, &report);
        self.evidence.add(node, report);
    }

    /// SIGKILL: the process is gone, without a chance to say so.
    pub(crate) async fn kill(&mut self, node: usize) -> anyhow::Result<()> {
        self.nodes[node].process.kill().await?;
        self.evidence.begins(FaultKind::Killed, node, now_us());
        screen::mark(node, "SIGKILL");
        Ok(())
    }

    /// SIGSTOP: the process executes nothing, as if the machine was suspended.
    pub(crate) fn pause(&mut self, node: usize) -> anyhow::Result<()> {
        self.signal(node, Signal::STOP)?;
        screen::mark(node, "SIGSTOP");
        self.evidence.begins(FaultKind::Paused, node, now_us());
        Ok(())
    }

    /// SIGCONT: the process goes on in the middle of whatever it did, and knows of nothing.
    pub(crate) fn resume(&mut self, node: usize) -> anyhow::Result<()> {
        self.evidence.ends(FaultKind::Paused, now_us());
        self.signal(node, Signal::CONT)?;
        screen::mark(node, "SIGCONT");
        Ok(())
    }

    fn signal(&self, node: usize, signal: Signal) -> anyhow::Result<()> {
        let id = self.nodes[node].process.id().context("the node is gone")?;
        let pid = Pid::from_raw(id as i32).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Starts a node that was killed.
    pub(crate) async fn restart(&mut self, node: usize) -> anyhow::Result<()> {
        self.nodes[node] = self.spawn(node)?;
        self.watch_until(PATIENCE, is_up).await?;
        Ok(())
    }

    /// Stops the nodes, one after the other; the last one's ledger is complete.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        for index in 0..NODES {
            let node = &mut self.nodes[index];
            node.orders.write_all(b"stop\n").await?;
            let stopped = |report: &Report| matches!(report, Report::Stopped);
            self.watch_until(PATIENCE, stopped).await?;
        }
        Ok(())
    }
}

/// Hands each line of a node's output over, until the node is gone.
async fn forward(output: ChildStdout, node: usize, reporter: mpsc::Sender<(usize, Report)>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(report) = Report::parse(&line) {
            let _ = reporter.send((node, report)).await;
        }
    }
}

fn is_up(report: &Report) -> bool {
    matches!(report, Report::Up { .. })
}

pub(crate) fn name(node: usize) -> String {
    format!("n{}", node + 1)
}

/// The boot clock, which is the same for all processes of a machine.
fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}
