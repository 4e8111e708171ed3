//! News of the store: somebody asked for something and gets it. The node sends its next heartbeat and its renewals at
//! once, in place of those that would find it a moment later. Nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::node::inbox::Event;
use scheduled_one_protocol::hash;

/// Least time from one news that a node follows to the next.
const GAP: Duration = Duration::from_millis(250);
/// The heartbeats that news brings forward spread over so much time for each living node: no more of them come in a
/// second than with a thousand nodes.
const SPREAD_MS: u64 = 1;
/// Those of more nodes spread over the time from one heartbeat to the next.
const MAX_SPREAD_MS: u64 = 1_000;

impl Node {
    /// Waits for the next news after those that this node has seen.
    pub(super) fn wait_for_news(&mut self, seen: u64, gap: Duration) {
        let client = Arc::clone(&self.client);
        self.inbox.request(async move {
            if !gap.is_zero() {
                client.sleep(gap).await;
            }
            Event::News(client.news(seen).await)
        });
    }

    /// Sends the next heartbeat and the renewals at once, or a moment later if there are many nodes.
    pub(super) fn follow_news(&mut self, count: u64) {
        let living = self.claiming.preference.living().len() as u64;
        let wait = spread(self.client.node(), count, living);
        self.heartbeat.send_another(self.client.now() + wait);
        self.runner.watchdog.renew_within(wait);
        self.wait_for_news(count, GAP);
    }
}

/// How long the node of this identity waits after news, with so many living nodes.
fn spread(identity: &str, count: u64, living: u64) -> Duration {
    let span = (living * SPREAD_MS).clamp(1, MAX_SPREAD_MS);
    Duration::from_millis(hash(identity, count) % span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_alone_comes_at_once_and_many_spread() {
        assert_eq!(spread("a", 1, 0), Duration::ZERO);
        assert_eq!(spread("a", 1, 1), Duration::ZERO);
        let waits = |living: u64| (0..living).map(move |node| spread(&node.to_string(), 1, living));
        for living in [2, 100, 1_000, 5_000] {
            let latest = waits(living).max().unwrap();
            assert!(latest < Duration::from_millis(living.min(MAX_SPREAD_MS)));
        }
        // Of a thousand nodes, no millisecond has more than a few.
        let mut each: Vec<Duration> = waits(1_000).collect();
        each.sort();
        each.dedup();
        assert!(each.len() > 500, "{}", each.len());
    }
}
