//! A look at the store without starting anything.

use std::sync::Arc;

use super::SchedulerBuilder;
use crate::doctor::{Finding, Report, Severity};
use crate::registry::registered_jobs;
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;
use crate::store::{JobNeeds, Store};

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
        let jobs = registered_jobs().chain(self.jobs);
        let (leases, units): (Vec<_>, Vec<_>) = jobs.map(|job| job.lease_and_units()).unzip();
        let leases = leases.into_iter().map(|lease| lease.unwrap_or(self.lease));
        let needs = JobNeeds {
            shortest_lease: leases.min().unwrap_or(self.lease),
            units: units.into_iter().flatten().collect(),
            clock: Arc::clone(&self.clock),
        };
        if let Some(store) = &self.store {
            return store.examine(&needs).await;
        }
        if let Some(name) = self.url.strip_prefix("memory://") {
            let store = MemoryStore::named(name, &self.namespace, self.clock);
            return store.examine(&needs).await;
        }
        match RedisStore::at(&self.url, &self.namespace, &self.connect).await {
            Ok(store) => store.examine(&needs).await,
            Err(error) => RedisStore::report_of(error),
        }
    }
}
