//! The heartbeat: one request a second and node, however many jobs there are.
//! Its reply names the living nodes, what waits, and which runs are overdue.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::hold_up::CALM;
use crate::node::inbox::Event;
use crate::node::mode::Mode;
use crate::node::registration::refresh;
use crate::node::succession::{send_succession, successions};
use crate::store_client::{Replied, SLOW, StoreClient};
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{ASK_AGAIN_MS, Heartbeat, HeartbeatReply, MAX_BATCH};

/// Time from one heartbeat to the next.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Time to the next heartbeat while there is more to learn: lists of the jobs of others, one at a time, and units that
/// nobody claims.
const GO_ON_AFTER: Duration = Duration::from_millis(ASK_AGAIN_MS as u64);
/// Change of the wall clock's offset that is logged.
const LOGGED_OFFSET_MS: i64 = 1_000;
/// Change of the wall clock's offset that heartbeats report, so that a store writes none that only jitters.
const REPORTED_OFFSET_MS: i64 = 100;

/// When the next heartbeat is sent.
pub(super) struct HeartbeatTimer {
    next: Duration,
    /// When one is sent that does not wait for its second.
    another: Option<Duration>,
    /// From the first heartbeat to the second. Nodes that started together send theirs at different times, so that what
    /// one of them finds comes soon after it happened.
    second_after: Option<Duration>,
    /// Whether a heartbeat has no reply yet. While the store is down there is one, not more.
    pending: bool,
    /// Offset of the wall clock that was logged last.
    logged_offset_ms: i64,
    /// Offset of the wall clock that was reported last.
    reported_offset_ms: Option<i64>,
}

impl HeartbeatTimer {
    /// The first heartbeat of the node of this identity is due now.
    pub(super) fn new(now: Duration, identity: &str) -> Self {
        let part = hash(identity, 1) % 1_000 + 1;
        HeartbeatTimer {
            next: now,
            another: None,
            second_after: Some(HEARTBEAT_EVERY * part as u32 / 1_000),
            pending: false,
            logged_offset_ms: 0,
            reported_offset_ms: None,
        }
    }

    /// Another heartbeat is due at this time, in addition to those of each second, or as soon as the last one has its
    /// reply.
    pub(super) fn send_another(&mut self, at: Duration) {
        self.another = Some(self.another.map_or(at, |before| before.min(at)));
    }

    /// Whether a heartbeat is to be sent at `now`; if so, it counts as sent.
    pub(super) fn take_due(&mut self, now: Duration) -> bool {
        if self.next_due().is_none_or(|due| now < due) {
            return false;
        }
        self.pending = true;
        self.another = None;
        // Another one does not move those of each second: nodes that started together send them at different times.
        if now >= self.next {
            self.next = now + self.second_after.take().unwrap_or(HEARTBEAT_EVERY);
        }
        true
    }

    /// When the next heartbeat is due; `None` while one has no reply.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let due = self.another.map_or(self.next, |at| at.min(self.next));
        (!self.pending).then_some(due)
    }

    /// The reply has come, or its request was dropped.
    pub(super) fn settle(&mut self) {
        self.pending = false;
    }

    /// The offset of the wall clock that the next heartbeat reports: the last one, or a multiple of
    /// [`REPORTED_OFFSET_MS`] if the clock is off that by as much.
    fn offset_to_report(&mut self, offset_ms: Option<i64>) -> Option<i64> {
        if let Some(now) = offset_ms
            && self
                .reported_offset_ms
                .is_none_or(|before| before.abs_diff(now) >= REPORTED_OFFSET_MS as u64)
        {
            self.reported_offset_ms = Some(now - now % REPORTED_OFFSET_MS);
        }
        self.reported_offset_ms
    }

    /// Logs a wall clock that is off, and each change of that.
    pub(super) fn log_offset(&mut self, client: &StoreClient, cluster: &ClusterClock) {
        let offset_ms = cluster.wall_offset_ms();
        if (offset_ms - self.logged_offset_ms).abs() > LOGGED_OFFSET_MS {
            event::clock_offset(client.bucket, offset_ms);
            self.logged_offset_ms = offset_ms;
        }
    }
}

impl Node {
    /// Sends a heartbeat each second.
    pub(super) fn send_heartbeat_if_due(&mut self, mode: Mode) {
        if !self.heartbeat.take_due(self.client.now()) {
            return;
        }
        let running = self.runner.active_runs.count();
        let nodes = &mut self.claiming.preference;
        let mut heartbeat = nodes.heartbeat(&self.units, mode != Mode::Working, running);
        let offset_ms = self.runner.cluster.known_wall_offset_ms();
        heartbeat.clock_offset_ms = self.heartbeat.offset_to_report(offset_ms);
        let client = Arc::clone(&self.client);
        let sent = async move { Event::Heartbeat(send_heartbeat(&client, heartbeat).await) };
        self.inbox.request(sent);
    }

    /// Takes the reply into account: who lives, what waits, and which runs are overdue.
    pub(super) fn heartbeat_acknowledged(&mut self, mode: Mode, reply: Replied<HeartbeatReply>) {
        self.heartbeat.settle();
        self.client.metrics.count_runs();
        self.heartbeat
            .log_offset(&self.client, &self.runner.cluster);
        let Replied { received, mut body } = reply;
        self.stalls
            .observe_all(std::mem::take(&mut body.overdue), received);
        if mode == Mode::Working && body.has_job_list {
            self.seen_by_store();
        }
        let now_ms = self.runner.cluster.now_ms();
        let is_calm = self.hold.is_calm(now_ms) && !self.is_store_slow(now_ms);
        let ready = body.ready.clone();
        let is_cut = body.unclaimed.len() >= MAX_BATCH;
        let adopted = self.claiming.learn(&self.units, body, is_calm, now_ms);
        if self.claiming.finds_more(is_cut, &adopted) || self.claiming.preference.goes_on_soon() {
            self.heartbeat.send_another(self.client.now() + GO_ON_AFTER);
        }
        self.watch_gone_jobs(&ready);
        self.take_void_overrides_away();
        let nodes = &self.claiming.preference;
        let living = nodes.living().len();
        self.client.bucket_metrics.living_nodes(living);
        if let Some(succession) = successions(&mut self.units, nodes.living()) {
            let request = send_succession(Arc::clone(&self.client), succession);
            self.inbox
                .request(async { Event::Succeeded(request.await) });
        }
        if !adopted.is_empty() {
            let units = self.units.registrations_of(adopted);
            let request = refresh(Arc::clone(&self.client), units);
            self.inbox.request(async { Event::Adopted(request.await) });
        }
    }

    /// Whether requests of this node took long, or do. Then those of others may, too: a node whose claims are not there
    /// is none that hangs.
    pub(super) fn is_store_slow(&self, now_ms: i64) -> bool {
        self.client.was_slow_within(CALM) || self.claiming.waits_longer_than(SLOW, now_ms)
    }

    /// From now on the store forgets no job of this node, as long as its heartbeats come. If it took the list of its
    /// jobs from this node, no living node had the same jobs before, and an operator may have made it forget one of
    /// them since this node registered it.
    fn seen_by_store(&mut self) {
        if self.claiming.preference.brings_list() {
            self.describing.again();
            self.registration.was_unseen();
        }
    }
}

/// Sends a heartbeat until the store replies.
pub(super) async fn send_heartbeat(
    client: &StoreClient,
    heartbeat: Heartbeat,
) -> Replied<HeartbeatReply> {
    client
        .request_until_reply(Op::Heartbeat, |store, caller| {
            store.heartbeat(caller, heartbeat.clone())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_heartbeat_does_not_move_those_of_each_second() {
        let start = Duration::from_secs(100);
        let mut timer = HeartbeatTimer::new(start, "a");
        assert!(timer.take_due(start));
        timer.send_another(start);
        assert!(timer.next_due().is_none(), "while one has no reply");
        assert!(!timer.take_due(start));
        timer.settle();
        let second = timer.next;
        assert!(second > start && timer.take_due(start) && timer.next == second);
        timer.settle();
        assert_eq!(timer.next_due(), Some(second));
        assert!(timer.take_due(second));
        assert_eq!(timer.next, second + HEARTBEAT_EVERY);
    }

    #[test]
    fn an_offset_that_jitters_is_reported_once() {
        let mut timer = HeartbeatTimer::new(Duration::ZERO, "a");
        let mut reports = |offset_ms| timer.offset_to_report(offset_ms);
        assert_eq!(reports(None), None, "the store has not replied yet");
        for (offset_ms, reported) in [
            (40, 0),
            (-99, 0),
            (99, 0),
            (101, 100),
            (1, 100),
            (199, 100),
            (0, 0),
            (-2_345, -2_300),
            (-2_299, -2_300),
            (-2_399, -2_300),
            (-2_400, -2_400),
            (i64::MIN, i64::MIN + 8),
        ] {
            assert_eq!(reports(Some(offset_ms)), Some(reported), "{offset_ms}");
        }
    }
}
