//! The living nodes of a namespace.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Its labels, and its limits: `max_running=10`, and `group=billing` for a group whose runs it limits.
    pub labels: BTreeSet<String>,
}

impl Control {
    /// The living nodes, by label. A node that died is listed for a few seconds more.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn living_nodes(&self) -> Result<Vec<NodeSummary>, Error> {
        let mut nodes: BTreeMap<(String, String), NodeSummary> = BTreeMap::new();
        for store in self.stores() {
            for node in self.nodes(&**store).await? {
                let key = (node.node.name.clone(), node.node.node.clone());
                let labels = node.node.labels.clone();
                let summary = nodes.entry(key).or_insert_with(|| NodeSummary {
                    name: node.node.name,
                    identity: node.node.node,
                    jobs: BTreeSet::new(),
                    labels: labels.words().map(str::to_owned).collect(),
                });
                summary.jobs.extend(node.jobs.into_keys());
            }
        }
        Ok(nodes.into_values().collect())
    }
}
