//! The doctor, for somebody who has no scheduler.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::{ALL_JOBS, DiagnosticContext, Finding, Report, Severity, UnitName};

use crate::connect::Connect;
use crate::control::Control;
use crate::jobs::JobSummary;
use crate::reader::Reader;
use crate::rights::Action;
use crate::store_url::{is_memory, is_missing_file, open_store};

/// The name of the check.
const DRIFT: &str = "schedules";
/// Most jobs that a finding names.
const MAX_NAMED: usize = 10;

/// The lease of a job that says nothing of its own, as the runtime has it.
const DEFAULT_LEASE: Duration = Duration::from_secs(5);

impl Connect {
    /// Diagnoses the store, in place of a connection: what the guarantees rest on there. What a scheduler would refuse
    /// is severe. It looks at all buckets of the namespace, and at the watermarks of the jobs that living nodes have,
    /// in their first shard.
    ///
    /// It takes about 6 s at most. On Redis it runs each script on keys of its own and deletes them, and reads
    /// settings, a right that a scheduler does not need.
    pub async fn doctor(self) -> Report {
        if is_memory(&self.url) || is_missing_file(&self.url) {
            let refused = self.open().await.err().map(|error| error.to_string());
            let severe = Finding::new(
                Severity::Severe,
                "settings",
                refused.unwrap_or_default(),
                "",
            );
            return Report::new("the store", vec![severe]);
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let opened = open_store(&self.url, &self.namespace, &clock, &self.options).await;
        let first = match opened {
            Ok(first) => first,
            Err(error) => return Report::new("the store", vec![error.finding]),
        };
        let Ok(control) = self.open().await else {
            let needs = needs(&clock, Vec::new());
            return first.diagnose(&needs).await;
        };
        control.doctor().await
    }
}

impl Control {
    /// Diagnoses the store, as [`Connect::doctor`] does, through the connection that there is. Who may not see all
    /// jobs gets a report that says so, and nothing else.
    pub async fn doctor(&self) -> Report {
        // It may name any job.
        if let Err(error) = self.check_right(Action::View, ALL_JOBS).await {
            let finding = Finding::new(Severity::Severe, "rights", error.to_string(), "");
            return Report::new("the store", vec![finding]);
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut reports = Vec::new();
        for store in self.readers() {
            let units = units(self, store).await;
            reports.push(store.diagnose(&needs(&clock, units)).await);
        }
        let mut report = Report::of_buckets(reports);
        for finding in self.schedule_findings().await {
            report.add(finding);
        }
        report
    }
}

impl Control {
    /// What the doctor finds of schedules: jobs of which nodes have different ones, and what operators want in place of
    /// one that the code has no more. If the store does not reply, nothing: other findings say so.
    pub async fn schedule_findings(&self) -> Vec<Finding> {
        let Ok(jobs) = self.jobs().await else {
            return Vec::new();
        };
        let drifting = jobs.iter().filter(|job| job.schedules.len() > 1);
        let versions: BTreeSet<&str> = drifting.clone().flat_map(versions).collect();
        let drifting: Vec<&str> = drifting.map(|job| job.job.as_str()).collect();
        let mut findings = vec![match drifting.is_empty() {
            true => Finding::ok(
                DRIFT,
                format!("{} jobs, of each all nodes have one schedule", jobs.len()),
            ),
            false => Finding::new(
                Severity::Warning,
                DRIFT,
                format!(
                    "nodes have different schedules of {}{}; of each, the one that was registered last decides, and the \
                     other nodes stand aside",
                    named(&drifting),
                    of_versions(versions)
                ),
                "nothing while a deployment is under way; else give all nodes the same release, the same `cron_env` and \
                 the same zone data",
            ),
        }];
        let void = jobs.iter().filter(|job| job.is_override_void);
        let void: Vec<&str> = void.map(|job| job.job.as_str()).collect();
        if !void.is_empty() {
            findings.push(Finding::new(
                Severity::Warning,
                "overrides",
                format!(
                    "the code of {} has another schedule now than the one that an operator replaced: the code decides",
                    named(&void)
                ),
                "`reschedule` if it is still wanted, else `reset`",
            ));
        }
        findings
    }
}

fn versions(job: &JobSummary) -> impl Iterator<Item = &str> {
    job.versions.iter().map(String::as_str)
}

/// Which versions of the program have what differs, if nodes say that.
fn of_versions(versions: BTreeSet<&str>) -> String {
    let versions: Vec<&str> = versions.into_iter().collect();
    match versions.is_empty() {
        true => String::new(),
        false => format!(" (versions {})", named(&versions)),
    }
}

/// Names of the first jobs, and how many more there are.
fn named(jobs: &[&str]) -> String {
    let first = jobs[..jobs.len().min(MAX_NAMED)].join(", ");
    match jobs.len().saturating_sub(MAX_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn needs(clock: &Arc<dyn Clock>, units: Vec<UnitName>) -> DiagnosticContext {
    DiagnosticContext {
        shortest_lease: DEFAULT_LEASE,
        units,
        clock: Arc::clone(clock),
    }
}

/// The jobs of a bucket; none if the store does not say.
async fn units(control: &Control, store: Reader<'_>) -> Vec<UnitName> {
    let nodes = control.nodes(store).await.unwrap_or_default();
    let mut jobs: Vec<String> = nodes
        .into_iter()
        .flat_map(|node| node.jobs.into_keys())
        .collect();
    jobs.sort();
    jobs.dedup();
    jobs.iter().map(|job| UnitName::new(job, 0)).collect()
}
