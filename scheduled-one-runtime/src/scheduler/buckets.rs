//! The stores of a namespace, by bucket: opened, looked at, met.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::member::{Candidate, Common, all};
use crate::error::Error;
use crate::event;
use crate::rules::CompiledJob;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{BoxFuture, JobNeeds, PreflightError, Store};
use scheduled_one_protocol::{Finding, Report};

/// Jobs by the index of their bucket.
pub(super) type JobsOf = BTreeMap<u32, Vec<Arc<CompiledJob>>>;

/// The buckets in which this node has jobs, and the first, with their jobs.
pub(super) fn by_bucket(jobs: &[Arc<CompiledJob>], buckets: u32) -> JobsOf {
    let mut jobs_of = JobsOf::from([(0, Vec::new())]);
    for job in jobs {
        let bucket = Bucket::of_job(&job.name, buckets);
        let of_bucket = jobs_of.entry(bucket.index()).or_default();
        of_bucket.push(Arc::clone(job));
    }
    jobs_of
}

/// Checks the stores of the buckets that this node needs, before the first request.
pub(super) async fn preflight_all(
    stores: &[Arc<dyn Store>],
    needed: &JobsOf,
) -> Result<(), PreflightError> {
    let needed = needed.keys().map(|index| &stores[*index as usize]);
    let checks = needed.map(|store| store.preflight());
    let found: Result<Vec<_>, _> = all(checks).await.into_iter().collect();
    warn_of(&found?);
    Ok(())
}

/// Says each thing once, though several buckets may have it.
fn warn_of(found: &[Vec<Finding>]) {
    let mut said = Vec::new();
    for finding in found.iter().flatten() {
        if !said.contains(&finding) {
            event::doubtful(finding);
            said.push(finding);
        }
    }
}

/// Looks closely at the stores of all buckets, in their order. What is the same
/// in the others as in the first is told once.
pub(super) async fn examine_all(
    stores: impl IntoIterator<Item = Arc<dyn Store>>,
    units_of: &BTreeMap<u32, Vec<UnitName>>,
    shortest_lease: Duration,
    clock: &Arc<dyn Clock>,
) -> Report {
    let stores = stores.into_iter().zip(0..);
    let looks = stores.map(|(store, index)| {
        let needs = JobNeeds {
            shortest_lease,
            units: units_of.get(&index).cloned().unwrap_or_default(),
            clock: Arc::clone(clock),
        };
        Box::pin(async move { store.diagnose(&needs).await }) as BoxFuture<'_, _>
    });
    Report::of_buckets(all(looks).await)
}

/// Meets the stores. The first bucket says how many there are, so nothing is
/// written into the others before it has agreed.
pub(super) async fn meet_all(
    common: &Common,
    stores: &[Arc<dyn Store>],
    jobs_of: JobsOf,
) -> Result<Vec<Candidate>, Error> {
    let buckets = Bucket::all(stores.len() as u32).zip(stores);
    let candidate = |(bucket, store): (Bucket, &Arc<dyn Store>)| {
        let jobs = jobs_of.get(&bucket.index())?;
        let store = Arc::clone(store);
        Some(Candidate::new(common, bucket, store, jobs.clone()))
    };
    let candidates: Vec<Candidate> = buckets.filter_map(candidate).collect();
    if let Some((first, others)) = candidates.split_first() {
        first.meet().await?;
        let others = others.iter();
        let meetings = others.map(|other| Box::pin(other.meet()) as BoxFuture<'_, _>);
        all(meetings).await.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(candidates)
}
