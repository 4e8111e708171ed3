//! Nodes that send heartbeats and do not claim what prefers them.

use std::collections::{BTreeMap, BTreeSet};

use super::NodeKey;

/// For how long a node counts as idle that did not claim what prefers it: at first, and at most. The time doubles each
/// time that it does not claim.
const IDLE_MS: i64 = 60_000;
const MOST_IDLE_MS: i64 = 600_000;
/// The same for a node that takes no more than so many runs: it may have had no room.
const LIMITED_IDLE_MS: i64 = 3_000;
/// For how long it is remembered that a heartbeat showed a node that did not claim. A single one shows no idle node:
/// it may have been answered before the claims that were sent before it.
const REMEMBERED_MS: i64 = 60_000;

/// The living nodes that did not claim what prefers them.
#[derive(Debug, Default)]
pub(super) struct Idlers(BTreeMap<NodeKey, Idler>);

#[derive(Clone, Copy, Debug)]
struct Idler {
    /// When a heartbeat showed it last, by the cluster's clock.
    seen_ms: i64,
    /// Until when it counts as idle; 0 if it did not yet.
    until_ms: i64,
    /// For how long it counted as idle last; 0 if it did not yet.
    time_ms: i64,
}

impl Idler {
    /// Whether nothing was seen of it for so long that it counts as new.
    fn is_forgotten(&self, now_ms: i64) -> bool {
        match self.time_ms {
            0 => now_ms - self.seen_ms > REMEMBERED_MS,
            _ => now_ms - self.until_ms > MOST_IDLE_MS,
        }
    }
}

impl Idlers {
    /// The heartbeat of `now_ms` shows that a node did not claim. The second one that does makes it idle; of a node
    /// that was idle before, the first one.
    pub(super) fn notice(&mut self, node: NodeKey, now_ms: i64) {
        let before = self.0.get(&node).copied();
        let Some(before) = before.filter(|before| !before.is_forgotten(now_ms)) else {
            let first = Idler {
                seen_ms: now_ms,
                until_ms: 0,
                time_ms: 0,
            };
            self.0.insert(node, first);
            return;
        };
        // Several units of one heartbeat.
        if before.seen_ms == now_ms || before.until_ms > now_ms {
            return;
        }
        let time_ms = match before.time_ms {
            0 => IDLE_MS,
            time_ms => (2 * time_ms).min(MOST_IDLE_MS),
        };
        let idler = Idler {
            seen_ms: now_ms,
            until_ms: now_ms + time_ms,
            time_ms,
        };
        self.0.insert(node, idler);
    }

    /// The same of a node that takes no more than so many runs. A single heartbeat is enough, for a short time.
    pub(super) fn notice_limited(&mut self, node: NodeKey, now_ms: i64) {
        let idler = Idler {
            seen_ms: now_ms,
            until_ms: now_ms + LIMITED_IDLE_MS,
            time_ms: LIMITED_IDLE_MS,
        };
        let before = self.0.entry(node).or_insert(idler);
        if before.until_ms <= now_ms {
            *before = idler;
        }
    }

    /// A node claimed what prefers it.
    pub(super) fn forget(&mut self, node: NodeKey) {
        self.0.remove(&node);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn retain(&mut self, lives: impl Fn(NodeKey) -> bool) {
        self.0.retain(|node, _| lives(*node));
    }

    /// The nodes that count as idle.
    pub(super) fn at(&self, now_ms: i64) -> BTreeSet<NodeKey> {
        let idle = self.0.iter();
        let idle = idle.filter(|(_, idler)| idler.until_ms > now_ms);
        idle.map(|(node, _)| *node).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeKey = 7;

    #[test]
    fn a_node_is_idle_when_the_second_heartbeat_shows_it() {
        let mut idlers = Idlers::default();
        idlers.notice(NODE, 1_000);
        idlers.notice(NODE, 1_000);
        assert!(idlers.at(1_001).is_empty(), "one heartbeat, two units");
        idlers.notice(NODE, 62_000);
        assert!(idlers.at(62_001).is_empty(), "the first one is forgotten");
        idlers.notice(NODE, 63_000);
        assert!(idlers.at(63_001).contains(&NODE));
        assert!(idlers.at(63_000 + IDLE_MS).is_empty());
    }

    #[test]
    fn the_time_doubles_until_the_node_claims_or_was_not_seen_for_long() {
        let mut idlers = Idlers::default();
        let idle_for_ms = |idlers: &mut Idlers, mut now_ms: i64| {
            while !idlers.at(now_ms).contains(&NODE) {
                now_ms += 1_000;
                idlers.notice(NODE, now_ms);
            }
            let ends = (now_ms..).step_by(1_000);
            let end_ms = ends.into_iter().find(|at_ms| idlers.at(*at_ms).is_empty());
            (end_ms.expect("an end") - now_ms, end_ms.expect("an end"))
        };
        let mut now_ms = 0;
        for expected_ms in [60_000, 120_000, 240_000, 480_000, 600_000, 600_000] {
            let (time_ms, end_ms) = idle_for_ms(&mut idlers, now_ms);
            assert_eq!(time_ms, expected_ms);
            now_ms = end_ms;
        }
        let (time_ms, end_ms) = idle_for_ms(&mut idlers, now_ms + MOST_IDLE_MS + 1);
        assert_eq!(time_ms, IDLE_MS, "it was quiet for long");
        idlers.forget(NODE);
        assert_eq!(idle_for_ms(&mut idlers, end_ms).0, IDLE_MS, "it claimed");
    }
}
