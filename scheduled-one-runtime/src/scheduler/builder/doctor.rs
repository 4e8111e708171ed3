//! A look at the store without starting anything.

use std::collections::BTreeMap;

use super::super::buckets::examine_all;
use super::SchedulerBuilder;
use crate::registry::registered_jobs;
use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::{Bucket, Finding, Report, Severity};

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
        let (mut leases, mut units_of) = (Vec::new(), BTreeMap::<u32, Vec<UnitName>>::new());
        for job in registered_jobs().chain(self.jobs) {
            let (lease, units) = job.lease_and_units();
            leases.push(lease.unwrap_or(self.lease));
            let bucket = Bucket::of_job(job.name(), self.buckets).index();
            units_of.entry(bucket).or_default().extend(units);
        }
        let shortest_lease = leases.into_iter().min().unwrap_or(self.lease);
        let clock = &self.clock;
        match self.store.open(&self.namespace, clock).await {
            Ok(first) => {
                let stores = Bucket::all(self.buckets).map(|bucket| first.open(bucket));
                examine_all(stores, &units_of, shortest_lease, clock).await
            }
            Err(error) => Report::new("the store", vec![error.finding]),
        }
    }
}
