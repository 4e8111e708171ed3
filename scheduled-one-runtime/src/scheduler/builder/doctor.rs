//! A look at the store without starting anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::buckets::examine_all;
use super::SchedulerBuilder;
use crate::doctor::{Finding, Report, Severity};
use crate::registry::registered_jobs;
use crate::store::Store;
use crate::store::bucket::Bucket;
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;

impl SchedulerBuilder {
    /// Looks at the store, for the jobs of this program, and says what the
    /// guarantees rest on: which server it is and with which settings, whether
    /// it evicts, persists and replicates, rights, clocks, marks of a wild clock.
    /// What [`start`](Self::start) refuses is severe, what it warns of in the
    /// log a warning.
    ///
    /// Starts nothing, writes nothing, and takes about 6 s at most. It also asks
    /// for settings (`CONFIG GET`), a right that a scheduler does not need: where
    /// it is missing, the report says what could not be seen, and the `ACL LOG`
    /// of Redis has the refusal.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use scheduled_one_runtime::{Scheduler, Severity};
    ///
    /// let report = Scheduler::builder("memory://").namespace("billing").doctor().await;
    /// println!("{report}");
    /// assert_eq!(report.finding("embedded").unwrap().severity, Severity::Warning);
    /// # }
    /// ```
    pub async fn doctor(self) -> Report {
        if let Err(error) = self.check_settings() {
            let severe = Finding::new(Severity::Severe, "settings", error.to_string(), "");
            return Report::new("the scheduler", vec![severe]);
        }
        let (mut leases, mut units_of) = (Vec::new(), BTreeMap::<u32, Vec<String>>::new());
        for job in registered_jobs().chain(self.jobs) {
            let (lease, units) = job.lease_and_units();
            leases.push(lease.unwrap_or(self.lease));
            let bucket = Bucket::of_job(job.name(), self.buckets).index();
            units_of.entry(bucket).or_default().extend(units);
        }
        let shortest_lease = leases.into_iter().min().unwrap_or(self.lease);
        let buckets = Bucket::all(self.buckets);
        let clock = &self.clock;
        if let Some(store) = &self.store {
            let stores = buckets.map(|_| Arc::clone(store));
            return examine_all(stores, &units_of, shortest_lease, clock).await;
        }
        if let Some(name) = self.url.strip_prefix("memory://") {
            let stores = buckets.map(|bucket| -> Arc<dyn Store> {
                let namespace = bucket.tag(&self.namespace);
                Arc::new(MemoryStore::named(name, &namespace, Arc::clone(clock)))
            });
            return examine_all(stores, &units_of, shortest_lease, clock).await;
        }
        match RedisStore::unchecked(&self.url, &self.namespace, &self.connect).await {
            Ok(whole) => {
                let store = |bucket| -> Arc<dyn Store> { Arc::new(whole.in_bucket(bucket)) };
                examine_all(buckets.map(store), &units_of, shortest_lease, clock).await
            }
            Err(error) => RedisStore::report_of(error),
        }
    }
}
