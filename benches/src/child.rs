//! This program again, as a process of its own in which one thing is measured.
//!
//! A child is told what to do by its arguments, and tells what it found as lines `name value`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::options::Scale;
use crate::{claims, idle, lateness, memory, peer};

/// First argument of a child.
pub(crate) const FLAG: &str = "--child";
/// What a child prints when a window of measurement opens that its parent wants to watch.
const READY: &str = "ready";

/// What a child is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Where the store is; empty if none is needed.
    pub(crate) url: String,
    /// How many jobs, or batches.
    pub(crate) jobs: usize,
    /// Length of the window, or rounds.
    pub(crate) seconds: u64,
    pub(crate) lease: Duration,
    pub(crate) settle: Duration,
}

impl Task {
    pub(crate) fn new(url: &str, jobs: usize, scale: &Scale) -> Self {
        Task {
            url: url.to_owned(),
            jobs,
            seconds: scale.seconds,
            lease: scale.lease,
            settle: scale.settle,
        }
    }

    fn to_args(&self) -> [String; 5] {
        [
            self.url.clone(),
            self.jobs.to_string(),
            self.seconds.to_string(),
            self.lease.as_millis().to_string(),
            self.settle.as_millis().to_string(),
        ]
    }

    fn from_args(args: &[String]) -> Result<Self> {
        let [url, jobs, seconds, lease, settle] = args else {
            bail!("a child takes five arguments, these are {args:?}");
        };
        Ok(Task {
            url: url.clone(),
            jobs: jobs.parse()?,
            seconds: seconds.parse()?,
            lease: Duration::from_millis(lease.parse()?),
            settle: Duration::from_millis(settle.parse()?),
        })
    }
}

/// What a child found.
#[derive(Debug, Default)]
pub(crate) struct Found(BTreeMap<String, f64>);

impl Found {
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn get(&self, name: &str) -> Result<f64> {
        let value = self.0.get(name).copied();
        value.ok_or_else(|| anyhow!("the child did not tell its `{name}`"))
    }
}

/// Does what the parent asked for; in the child.
pub(crate) fn serve(args: &[String]) -> Result<()> {
    let (name, rest) = args.split_first().context("which child?")?;
    let task = Task::from_args(rest)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let found = runtime.block_on(async {
        match name.as_str() {
            "lateness" => lateness::ours(&task).await,
            "peer-lateness" => peer::lateness(&task).await,
            "claims" => claims::ours(&task).await,
            "memory" => memory::ours(&task).await,
            "peer-memory" => peer::memory(&task).await,
            "idle" => idle::ours(&task).await,
            _ => bail!("there is no child `{name}`"),
        }
    })?;
    for (name, value) in found.0 {
        println!("{name} {value}");
    }
    Ok(())
}

/// Tells the parent that the window opens; in the child.
pub(crate) fn tell_ready() {
    println!("{READY}");
}

/// Starts a child and waits for what it found.
pub(crate) fn run(name: &str, task: &Task) -> Result<Found> {
    run_watched(name, task, || Ok(())).map(|(found, ())| found)
}

/// The same, and calls `watch` when the child's window opens (or when the child ended, if it opens
/// none).
pub(crate) fn run_watched<T>(
    name: &str,
    task: &Task,
    watch: impl FnOnce() -> Result<T>,
) -> Result<(Found, T)> {
    let program = std::env::current_exe().context("where is this program?")?;
    let mut child = Command::new(program)
        .args([FLAG, name])
        .args(task.to_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start the child `{name}`"))?;
    let output = child.stdout.take().context("the child has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut found = Found::default();
    let mut watch = Some(watch);
    let mut watched = None;
    while let Some(line) = lines.next().transpose()? {
        match line.split_once(' ') {
            Some((name, value)) => found.set(name, value.parse()?),
            None if line == READY => watched = watch.take().map(|watch| watch()),
            None => bail!("the child `{name}` said {line:?}"),
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "the child `{name}` failed ({status})");
    let watched = watched.or_else(|| watch.take().map(|watch| watch()));
    Ok((found, watched.context("watched twice")??))
}
