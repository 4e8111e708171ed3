//! The living nodes of a namespace.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_schedule::name::is_internal;

use crate::control::Control;
use crate::error::Error;

/// A living node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeSummary {
    /// Its label in ledgers; several nodes may have the same.
    pub name: String,
    /// Its identity, which is random and new with each start. With several buckets, a node has one in each: this is the
    /// first.
    pub identity: String,
    /// The names of its jobs.
    pub jobs: BTreeSet<String>,
    /// The versions of the program that it says of these jobs, mostly one: that which its builder was given, else those
    /// of the crates in which jobs are defined. None of nodes of older releases of this crate.
    pub versions: BTreeSet<String>,
    /// Its labels, and its limits: `max_running=10`, and `group=billing` for a group whose runs it limits.
    pub labels: BTreeSet<String>,
    /// The version of the protocol that it speaks: nodes of two releases may differ in it. `None` if it has not said so
    /// yet.
    pub protocol: Option<u64>,
    /// Its wall clock minus the clock of the store, in ms, to within 100 ms; with several buckets that of the store
    /// that differs most. `None` if it has not said so yet, or is of an older release. No tick depends on it.
    pub clock_offset_ms: Option<i64>,
}

/// What the store of a bucket says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketState {
    /// The bucket, from 0.
    pub bucket: u32,
    /// Its clock, ms since the Unix epoch.
    pub now_ms: i64,
    /// The serving process and its replication history: another one after a restart or a failover.
    pub serving: String,
    /// When it last may have lost decisions, ms since the Unix epoch; 0 if it never did.
    pub quarantine_from_ms: i64,
    /// When the last quarantine of a unit ends, ms since the Unix epoch; 0 if there was none. Until then units that the
    /// loss concerns stand still.
    pub quarantine_until_ms: i64,
    /// Nodes that live in it.
    pub nodes: usize,
}

impl Control {
    /// What the stores of the buckets say of themselves, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn buckets(&self) -> Result<Vec<BucketState>, Error> {
        self.check_sees_something()?;
        let mut states = Vec::new();
        for (bucket, store) in self.readers().enumerate() {
            let head = self.read(store).await?.head;
            states.push(BucketState {
                bucket: bucket as u32,
                now_ms: (head.now_us / 1_000) as i64,
                serving: head.serving,
                quarantine_from_ms: head.quarantine_from_ms,
                quarantine_until_ms: head.quarantine_until_ms,
                nodes: self.nodes(store).await?.len(),
            });
        }
        Ok(states)
    }

    /// The living nodes, by label. A node that died is listed for a few seconds more. Only the jobs
    /// are named that may be seen.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn living_nodes(&self) -> Result<Vec<NodeSummary>, Error> {
        self.check_sees_something()?;
        let visible = self.visible().await?;
        let mut nodes: BTreeMap<(String, String), NodeSummary> = BTreeMap::new();
        for store in self.readers() {
            for node in self.nodes(store).await? {
                let key = (node.node.name.clone(), node.node.node.clone());
                let labels = node.node.labels.clone();
                let summary = nodes.entry(key).or_insert_with(|| NodeSummary {
                    name: node.node.name,
                    identity: node.node.node,
                    jobs: BTreeSet::new(),
                    versions: BTreeSet::new(),
                    labels: labels.words().map(str::to_owned).collect(),
                    protocol: node.protocol,
                    clock_offset_ms: None,
                });
                let offset_ms = node.node.clock_offset_ms;
                let offsets = [summary.clock_offset_ms, offset_ms].into_iter().flatten();
                summary.clock_offset_ms = offsets.max_by_key(|ms| ms.unsigned_abs());
                let jobs = node.jobs.into_keys();
                let jobs = jobs.filter(|job| !is_internal(job) && visible.has(job));
                let jobs: Vec<String> = jobs.collect();
                summary.versions.extend(node.releases.of_jobs(jobs.iter()));
                summary.jobs.extend(jobs);
            }
        }
        Ok(nodes.into_values().collect())
    }
}
