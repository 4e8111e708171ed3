//! The doctor: looks at the stores of a scheduler, and starts nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::join_all::join_all;
use crate::scheduler::Scheduler;
use crate::scheduler::builder::SchedulerBuilder;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{
    BoxFuture, Bucket, DiagnosticContext, Finding, Report, Severity, Store, UnitName,
};
use scheduled_one_schedule::ZoneData;

/// Diagnoses the store of a URL, in the namespace `default` of one bucket: what
/// the guarantees rest on there. Short for `Scheduler::builder(url).doctor()`, see
/// [`SchedulerBuilder::doctor`](crate::SchedulerBuilder::doctor).
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = scheduled_one_runtime::doctor("redis://127.0.0.1/").await;
/// println!("{report}");
/// for finding in report.warnings() {
///     println!("{}: {}", finding.check, finding.remedy);
/// }
/// assert!(report.is_usable());
/// # }
/// ```
pub async fn doctor(url: impl Into<String>) -> Report {
    Scheduler::builder(url).doctor().await
}

impl SchedulerBuilder {
    /// Diagnoses the store, for the jobs of this program: what the guarantees rest
    /// on. The report has the server and its settings, whether it evicts,
    /// persists and replicates, rights, clocks, and watermarks that a wrong clock
    /// left. A finding that [`start`](Self::start) refuses is severe; a finding
    /// that it logs is a warning.
    ///
    /// Starts nothing, and takes about 6 s at most. On Redis it runs each script on
    /// keys of its own, `so:{namespace}:probe:…`, and deletes them; it writes
    /// nothing else. It also reads
    /// settings (`CONFIG GET`), a right that a scheduler does not need: where
    /// the right is missing, the report says what could not be seen, and the
    /// `ACL LOG` of Redis has the refusal.
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
        let (checked, zones) = (self.check_settings(), self.zones());
        let jobs = match checked.and_then(|()| self.jobs.all()) {
            Ok(jobs) => jobs,
            Err(error) => {
                let severe = Finding::new(Severity::Severe, "settings", error.to_string(), "");
                return Report::new("the scheduler", vec![severe]);
            }
        };
        let (mut leases, mut units_of) = (Vec::new(), BTreeMap::<u32, Vec<UnitName>>::new());
        for job in jobs {
            let (lease, units) = job.lease_and_units();
            leases.push(lease.unwrap_or(self.lease));
            let bucket = Bucket::of_job(job.name(), self.buckets).index();
            units_of.entry(bucket).or_default().extend(units);
        }
        let shortest_lease = leases.into_iter().min().unwrap_or(self.lease);
        let clock = &self.clock;
        let mut report = match self.store.open(&self.namespace, clock).await {
            Ok(first) => {
                let stores = Bucket::all(self.buckets).map(|bucket| first.open(bucket));
                diagnose_all(stores, &units_of, shortest_lease, clock).await
            }
            Err(error) => Report::new("the store", vec![error.finding]),
        };
        report.add(zone_data(zones));
        report
    }
}

impl Scheduler {
    /// Diagnoses the store again, as at start and more closely: see
    /// [`SchedulerBuilder::doctor`]. Changes nothing of the namespace.
    ///
    /// ```
    /// # use scheduled_one_runtime::{Error, Job, Scheduler};
    /// # async fn demo(job: Job) -> Result<(), Error> {
    /// let scheduler = Scheduler::builder("memory://").job(job).start().await?;
    /// let report = scheduler.doctor().await;
    /// assert!(report.is_usable(), "{report}");
    /// # Ok(()) }
    /// ```
    pub async fn doctor(&self) -> Report {
        let mut units_of: BTreeMap<u32, Vec<UnitName>> = BTreeMap::new();
        for job in &self.jobs {
            let bucket = self.bucket(&job.name).index();
            units_of.entry(bucket).or_default().extend(job.units());
        }
        let stores = self.stores.iter().cloned();
        let mut report = diagnose_all(stores, &units_of, self.shortest_lease, &self.clock).await;
        report.add(zone_data(Ok(self.zone_data.clone())));
        if let Ok(control) = self.control() {
            for finding in control.schedule_findings().await {
                report.add(finding);
            }
        }
        report
    }
}

/// Which rules of time zones schedules are read with.
fn zone_data(zones: Result<ZoneData, Error>) -> Finding {
    const CHECK: &str = "zone data";
    match zones {
        Ok(data) => Finding::new(Severity::Info, CHECK, data.to_string(), ""),
        Err(error) => Finding::new(Severity::Severe, CHECK, error.to_string(), ""),
    }
}

/// Diagnoses the stores of all buckets, in their order. A finding that several buckets share is reported once.
async fn diagnose_all(
    stores: impl IntoIterator<Item = Arc<dyn Store>>,
    units_of: &BTreeMap<u32, Vec<UnitName>>,
    shortest_lease: Duration,
    clock: &Arc<dyn Clock>,
) -> Report {
    let stores = stores.into_iter().zip(0..);
    let diagnoses = stores.map(|(store, index)| {
        let needs = DiagnosticContext {
            shortest_lease,
            units: units_of.get(&index).cloned().unwrap_or_default(),
            clock: Arc::clone(clock),
        };
        Box::pin(async move { store.diagnose(&needs).await }) as BoxFuture<'_, _>
    });
    Report::of_buckets(join_all(diagnoses).await)
}
