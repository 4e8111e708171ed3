//! Observation of overdue runs of other nodes: a node writes off a run only after it has seen the run unchanged for
//! long enough.

use scheduled_one_protocol::message::OverdueRun;
use scheduled_one_runtime::lease_bounds;

use super::{News, Node, duration, ms};
use crate::config::Config;
use crate::config::MARGIN_MS;
use crate::server::Request;

impl Node {
    /// The run to be written off.
    pub(super) fn write_off_due(&self, config: &Config, now: i64, news: &News) -> Option<Request> {
        let (run, since) = self.watch.as_ref()?;
        let stands_still = match config.guards.observed_takeover {
            true => since + ms(lease_bounds::stalled_after(duration(run.lease_ms))) <= now,
            false => news.lease_over,
        };
        let quarantine_until_ms = match self.quarantine_from_ms {
            0 => 0,
            from_ms => self
                .quarantine_until_ms
                .max(from_ms + run.lease_ms + MARGIN_MS),
        };
        let due = stands_still && quarantine_until_ms <= self.store_now(now);
        due.then(|| Request::WriteOff(run.clone()))
    }

    /// The verdict *stale* names a stalled run: the node observes that run from now on, if it did not before.
    pub(super) fn watches(&mut self, run: OverdueRun, now: i64) {
        let same = self.watch.as_ref().is_some_and(|(same, _)| *same == run);
        if !same {
            self.watch = Some((run, now));
        }
    }

    /// A heartbeat reports which run is overdue, or that none is.
    pub(super) fn sees_overdue(&mut self, overdue: Option<OverdueRun>, now: i64) {
        self.watch = overdue.map(|overdue| match self.watch.take() {
            Some((same, since)) if same == overdue => (same, since),
            _ => (overdue, now),
        });
    }
}
