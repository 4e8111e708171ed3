//! The task of a child process, and the numbers that it reports.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::options::Scale;

/// The arguments of a measurement in a child process.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// URL of the store; empty if the measurement needs none.
    pub(crate) url: String,
    /// Number of jobs, or of batches.
    pub(crate) jobs: usize,
    /// Length of the window in seconds, or number of rounds.
    pub(crate) seconds: u64,
    pub(crate) lease: Duration,
    /// Pause between the start and the window.
    pub(crate) settle: Duration,
    pub(crate) namespace: String,
    /// When a window that several children share opens, in s since the epoch; else 0.
    pub(crate) from_s: i64,
    /// Seconds from one tick of a job to the next.
    pub(crate) every_s: u64,
    /// Nodes in the process.
    pub(crate) nodes: usize,
}

impl Task {
    pub(crate) fn new(url: &str, jobs: usize, scale: &Scale) -> Self {
        Task {
            url: url.to_owned(),
            jobs,
            seconds: scale.seconds,
            lease: scale.lease,
            settle: scale.settle,
            namespace: "bench".to_owned(),
            from_s: 0,
            every_s: 1,
            nodes: 1,
        }
    }

    pub(crate) fn to_args(&self) -> [String; 9] {
        [
            self.url.clone(),
            self.jobs.to_string(),
            self.seconds.to_string(),
            self.lease.as_millis().to_string(),
            self.settle.as_millis().to_string(),
            self.namespace.clone(),
            self.from_s.to_string(),
            self.every_s.to_string(),
            self.nodes.to_string(),
        ]
    }

    pub(crate) fn from_args(args: &[String]) -> Result<Self> {
        let [
            url,
            jobs,
            seconds,
            lease,
            settle,
            namespace,
            from_s,
            every_s,
            nodes,
        ] = args
        else {
            bail!("a child takes nine arguments, these are {args:?}");
        };
        Ok(Task {
            url: url.clone(),
            jobs: jobs.parse()?,
            seconds: seconds.parse()?,
            lease: Duration::from_millis(lease.parse()?),
            settle: Duration::from_millis(settle.parse()?),
            namespace: namespace.clone(),
            from_s: from_s.parse()?,
            every_s: every_s.parse()?,
            nodes: nodes.parse()?,
        })
    }
}

/// The numbers that a measurement found, by name.
#[derive(Debug, Default)]
pub(crate) struct Found(BTreeMap<String, f64>);

impl Found {
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    pub(crate) fn get(&self, name: &str) -> Result<f64> {
        let value = self.0.get(name).copied();
        value.ok_or_else(|| anyhow!("the child did not report its `{name}`"))
    }
}
