//! Reads which jobs of the program no living node has.

use std::collections::BTreeSet;

use crate::metrics::labels::Op;
use crate::scheduler::program::Program;
use crate::store_client::StoreClient;
use scheduled_one_protocol::message::{
    Caller, ControlRequest, Heartbeat, JobsDigest, MAX_BATCH, UnitStatus,
};
use scheduled_one_protocol::{JobDescriptor, StoreError, UnitName};

use super::found::{Absent, Found};

/// Reads the catalog, then who lives, then the units of jobs that nobody has.
pub(super) async fn look(client: &StoreClient, program: &Program) -> Result<Found, StoreError> {
    let mut dropped = dropped(client, program).await?;
    if dropped.is_empty() {
        return Ok(Found::default());
    }
    // The registrations first: a node that registers later changes them.
    let mut units = Vec::new();
    for (job, shards) in &dropped {
        units.extend((0..*shards).map(|shard| UnitName::new(job, shard)));
    }
    let status = inspect(client, &units).await?;
    let living = jobs_of_living(client).await?;
    dropped.retain(|(job, _)| !living.contains(job));
    let mut found = Found::default();
    for (unit, status) in units.into_iter().zip(status) {
        let is_dropped = dropped.iter().any(|(job, _)| *job == unit.job());
        // A unit that nobody has registered is one of a job of each node, or of an older version.
        let Some(decides) = status.decides.filter(|_| is_dropped) else {
            continue;
        };
        if decides.gone_since_ms().is_some() {
            found.gone.insert(unit.job().to_owned());
            continue;
        }
        found.absent.push(Absent {
            unit,
            first_seen_ms: status.marks.first_seen_ms.unwrap_or(i64::MAX),
            decides,
        });
    }
    Ok(found)
}

/// Jobs of the catalog that are labelled as those of this program, and are none of its jobs; with their shards.
async fn dropped(
    client: &StoreClient,
    program: &Program,
) -> Result<Vec<(String, u32)>, StoreError> {
    let wants_catalog = ControlRequest {
        wants_catalog: true,
        ..ControlRequest::default()
    };
    let reply = client.request(Op::Control, |store, caller| {
        store.control(caller, &wants_catalog)
    });
    let catalog = reply.await?.body.catalog.unwrap_or_default();
    let mut dropped = Vec::new();
    for (job, entry) in catalog {
        if program.jobs.contains(&job) {
            continue;
        }
        let said = JobDescriptor::from_text(&entry.text);
        if said.get("application") == program.application.as_deref() {
            let shards = said.get("shards").and_then(|shards| shards.parse().ok());
            dropped.push((job, shards.unwrap_or(1)));
        }
    }
    Ok(dropped)
}

async fn inspect(client: &StoreClient, units: &[UnitName]) -> Result<Vec<UnitStatus>, StoreError> {
    let mut all = Vec::with_capacity(units.len());
    for batch in units.chunks(MAX_BATCH) {
        let reply = client.request(Op::Inspect, |store, caller| store.inspect(caller, batch));
        all.extend(reply.await?.body);
    }
    Ok(all)
}

/// The names of the jobs that living nodes have. Fails if the list of a node is not known.
async fn jobs_of_living(client: &StoreClient) -> Result<BTreeSet<String>, StoreError> {
    // A heartbeat of a caller that leaves, and was never there, changes nothing.
    let caller = Caller {
        node: format!("{}-look", client.caller.node),
        ..client.caller.clone()
    };
    let beat = async |wanted_list: Option<JobsDigest>| {
        let heartbeat = Heartbeat {
            wanted_list,
            ..Heartbeat::leaving()
        };
        let reply = client.request(Op::Heartbeat, |store, _| {
            store.heartbeat(&caller, heartbeat)
        });
        reply.await
    };
    let members = beat(None)
        .await?
        .body
        .membership
        .members
        .unwrap_or_default();
    let digests: BTreeSet<JobsDigest> = members.iter().map(|member| member.jobs).collect();
    let mut jobs = BTreeSet::new();
    for digest in digests {
        let Some(list) = beat(Some(digest)).await?.body.wanted_list else {
            let unknown = "the jobs of a living node are not known yet";
            return Err(StoreError::Unavailable(unknown.to_owned()));
        };
        let names = list.names().filter(|entry| !entry.contains('*'));
        let name = |entry: &str| entry.split('=').next().unwrap_or(entry).to_owned();
        jobs.extend(names.map(name));
    }
    Ok(jobs)
}
