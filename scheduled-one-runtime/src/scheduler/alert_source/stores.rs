//! What this node saw of its stores: outages and quarantines that continue, or ended lately.

use std::sync::atomic::Ordering;

use scheduled_one_alerts::{Facts, Outage, Quarantine};
use scheduled_one_protocol::message::QUARANTINE_MARGIN_MS;

use super::AlertSource;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::store_client::OutageSeen;

/// How long ago an outage, or a quarantine, may have ended at least: what is older was seen by an evaluation before.
pub(super) const LATELY_MS: i64 = 600_000;

impl AlertSource {
    pub(super) fn of_stores(&self, facts: &mut Facts) {
        for worker in &self.workers {
            let seen = worker.client.outages();
            let seen = seen
                .into_iter()
                .filter_map(|it| self.outage(worker, it, facts.at_ms));
            facts.outages.extend(seen);
            facts.quarantines.extend(self.quarantine(worker, facts));
        }
    }

    /// How long ago what has ended may have ended.
    fn lately_ms(&self) -> i64 {
        self.lately_ms.load(Ordering::Acquire)
    }

    fn outage(&self, worker: &BucketWorker, seen: OutageSeen, at_ms: i64) -> Option<Outage> {
        let now = worker.client.now();
        let instant_ms = |boot| at_ms - now.saturating_sub(boot).as_millis() as i64;
        let until_ms = seen.until.map(instant_ms);
        if until_ms.is_some_and(|until_ms| at_ms - until_ms > self.lately_ms()) {
            return None;
        }
        // What was missed is recorded by the first claims after the quarantine, if there is one.
        let quarantine_ms = until_ms.map(|_| self.quarantine_until_ms(worker));
        let grace_until_ms = until_ms.unwrap_or(at_ms) + QUARANTINE_MARGIN_MS;
        Some(Outage {
            store: self.store_name(worker.client.bucket.index()),
            since_ms: instant_ms(seen.since),
            until_ms,
            grace_until_ms: grace_until_ms.max(quarantine_ms.unwrap_or_default()),
            error: seen.error,
        })
    }

    /// When the last job of a worker starts again, by the quarantine that was last.
    fn quarantine_until_ms(&self, worker: &BucketWorker) -> i64 {
        let of_bucket = self
            .jobs
            .iter()
            .filter(|job| self.bucket(&job.name) == worker.client.bucket);
        let from_ms = of_bucket.map(|job| self.outlook.of(&job.name).claims_from_ms);
        from_ms.max().unwrap_or_default()
    }

    fn quarantine(&self, worker: &BucketWorker, facts: &Facts) -> Option<Quarantine> {
        let since_ms = worker.client.health_now().quarantine_from_ms()?;
        let until_ms = self.quarantine_until_ms(worker);
        // A namespace that is new forgot nothing.
        let mut units = facts.units.iter();
        let is_old = units.any(|unit| unit.first_seen_ms.is_some_and(|seen_ms| seen_ms < since_ms));
        // While one lasts, the job that evaluates alerts stands still as well: it is said afterwards.
        (until_ms > facts.at_ms - self.lately_ms() && is_old).then(|| Quarantine {
            store: self.store_name(worker.client.bucket.index()),
            since_ms,
            until_ms,
        })
    }
}
