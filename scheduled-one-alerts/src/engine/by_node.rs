//! Failures in a row of a job that each node runs by itself: a node that is well does not hide one that always fails.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::LedgerRecord;
use serde::{Deserialize, Serialize};

/// How many failing nodes of a job are known. A node that starts again is another one.
const MAX_NODES: usize = 32;

/// A node counts as gone, or as well, when the others have written so many lines for each of its failures and it none.
const MAX_SILENCE: u32 = 50;

/// A node that failed so shortly before may have started after the living ones were listed.
const NEW_MS: i64 = 60_000;

/// The failing nodes of a job, by identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ByNode(BTreeMap<String, Failing>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failing {
    failures: u32,
    since_ms: i64,
    #[serde(default)]
    last_ms: i64,
    /// Lines of other nodes since its last one.
    silence: u32,
}

impl ByNode {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn instants(&mut self) -> impl Iterator<Item = &mut i64> {
        let failing = self.0.values_mut();
        failing.flat_map(|it| [&mut it.since_ms, &mut it.last_ms])
    }

    /// Counts a failure. Returns how many in a row these are, and since when.
    pub(super) fn failed(&mut self, node: &str, line: &LedgerRecord) -> (u32, i64) {
        self.age(node);
        let failing = self.0.entry(node.to_owned()).or_insert(Failing {
            failures: 0,
            since_ms: line.ended_at_ms,
            last_ms: line.ended_at_ms,
            silence: 0,
        });
        failing.failures = failing.failures.saturating_add(1);
        failing.last_ms = line.ended_at_ms;
        failing.silence = 0;
        let found = (failing.failures, failing.since_ms);
        while self.0.len() > MAX_NODES {
            let silent = self.0.iter().max_by_key(|(_, it)| it.silence);
            let Some(silent) = silent.map(|(node, _)| node.clone()) else {
                break;
            };
            self.0.remove(&silent);
        }
        found
    }

    /// Forgets the nodes that were not among the living ones: they do not fail again.
    pub(super) fn keep(&mut self, living: &BTreeSet<String>, at_ms: i64) {
        let may_live = |node: &String, it: &Failing| {
            living.contains(node) || at_ms.saturating_sub(it.last_ms) < NEW_MS
        };
        self.0.retain(|node, it| may_live(node, it));
    }

    /// The node has had success. Returns the most failures in a row of another one.
    pub(super) fn succeeded(&mut self, node: &str) -> u32 {
        self.age(node);
        self.0.remove(node);
        let failures = self.0.values().map(|it| it.failures);
        failures.max().unwrap_or_default()
    }

    fn age(&mut self, node: &str) {
        for (other, failing) in &mut self.0 {
            failing.silence += u32::from(other != node);
        }
        self.0.retain(|_, it| it.silence <= MAX_SILENCE);
    }
}
