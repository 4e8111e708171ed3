//! Reads which jobs of the program no living node has.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::labels::Op;
use crate::request_each::Repeat;
use crate::scheduler::program::Program;
use crate::store_client::StoreClient;
use scheduled_one_protocol::message::{
    Caller, ControlRequest, Heartbeat, JobsDigest, MAX_BATCH, UnitStatus,
};
use scheduled_one_protocol::{JobDescriptor, StoreError, UnitName};

use super::found::{Absent, Found};

/// As many as a job has at most, whatever the catalog says: its text may have been edited.
const MAX_SHARDS: u32 = 1_024;

/// Reads the catalog, then the units of jobs that the program dropped and these units that its jobs left, then who
/// lives.
pub(super) async fn look(
    client: &StoreClient,
    program: &Program,
    left: Vec<UnitName>,
) -> Result<Found, StoreError> {
    let dropped = dropped(client, program).await?;
    if dropped.is_empty() && left.is_empty() {
        return Ok(Found::default());
    }
    // The registrations first: a node that registers later changes them.
    let mut units = left;
    for (job, dropped) in &dropped {
        units.extend((0..dropped.shards).map(|shard| UnitName::new(job, shard)));
    }
    let status = inspect(client, &units).await?;
    let living = shards_of_living(client).await?;
    let mut found = Found::default();
    for (unit, status) in units.into_iter().zip(status) {
        let (shards, dropped) = (living.get(unit.job()), dropped.get(unit.job()));
        let is_had = match (shards, dropped) {
            (None, _) => false,
            (Some(_), Some(_)) => true,
            (Some(shards), None) => unit.shard() < *shards,
        };
        // A unit that nobody has registered is one of a job of each node, or of an older version. One whose record is
        // damaged stays as it is.
        let Some(decides) = status.as_ref().and_then(|status| status.decides.clone()) else {
            continue;
        };
        if is_had {
            continue;
        }
        if decides.gone_since_ms().is_some() {
            match dropped {
                Some(_) => found.gone.insert(unit.job().to_owned()),
                None => found.left_gone.insert(unit),
            };
            continue;
        }
        found.absent.push(Absent {
            unit,
            application: dropped.map(|dropped| dropped.application.clone()),
            first_seen_ms: status
                .and_then(|status| status.marks.first_seen_ms)
                .unwrap_or(i64::MAX),
            decides,
        });
    }
    Ok(found)
}

/// What the catalog has of a job that the program has dropped.
struct Dropped {
    application: String,
    shards: u32,
}

/// Jobs of the catalog that are labelled as those of this program, and are none of its jobs.
async fn dropped(
    client: &StoreClient,
    program: &Program,
) -> Result<BTreeMap<String, Dropped>, StoreError> {
    let wants_catalog = ControlRequest {
        wants_catalog: true,
        ..ControlRequest::default()
    };
    let reply = client.request(Op::Control, |store, caller| {
        store.control(caller, &wants_catalog)
    });
    let catalog = reply.await?.body.catalog.unwrap_or_default();
    let mut dropped = BTreeMap::new();
    for (job, entry) in catalog {
        if program.jobs.contains(&job) {
            continue;
        }
        let said = JobDescriptor::from_text(&entry.text);
        let label = said.get("application");
        if let Some(application) = label.filter(|label| program.has_label(label)) {
            let (application, shards) = (application.to_owned(), shards_of(&said));
            dropped.insert(
                job,
                Dropped {
                    application,
                    shards,
                },
            );
        }
    }
    Ok(dropped)
}

/// How many shards the catalog says that a job has.
fn shards_of(said: &JobDescriptor) -> u32 {
    let shards = said.get("shards").and_then(|shards| shards.parse().ok());
    shards.unwrap_or(1).min(MAX_SHARDS)
}

/// The units as the store has them; `None` if it refuses one, because of what its record has.
async fn inspect(
    client: &StoreClient,
    units: &[UnitName],
) -> Result<Vec<Option<UnitStatus>>, StoreError> {
    let mut all = Vec::with_capacity(units.len());
    for batch in units.chunks(MAX_BATCH) {
        let replies =
            client.request_each(Op::Inspect, batch, Repeat::Never, |store, caller, batch| {
                store.inspect(caller, batch)
            });
        for reply in replies.await {
            all.push(match reply {
                Ok(replied) => Some(replied.body),
                Err(StoreError::Refused(_)) => None,
                Err(error) => return Err(error),
            });
        }
    }
    Ok(all)
}

/// The jobs that living nodes have, each with the most shards that one of them has. Fails if the list of a node is not
/// known.
async fn shards_of_living(client: &StoreClient) -> Result<BTreeMap<String, u32>, StoreError> {
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
    let mut jobs: BTreeMap<String, u32> = BTreeMap::new();
    for digest in digests {
        let Some(list) = beat(Some(digest)).await?.body.wanted_list else {
            let unknown = "the jobs of a living node are not known yet";
            return Err(StoreError::Unavailable(unknown.to_owned()));
        };
        let names = list.names().filter(|entry| !entry.contains('*'));
        let name = |entry: &str| entry.split('=').next().unwrap_or(entry).to_owned();
        for (job, shards) in names.map(|entry| (name(entry), 1)).chain(list.shards()) {
            let most = jobs.entry(job).or_default();
            *most = shards.max(*most);
        }
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_number_of_shards_is_no_reason_to_read_without_limit() {
        let shards_of = |text: &str| {
            let mut said = JobDescriptor::default();
            said.say("shards", text);
            shards_of(&said)
        };
        assert_eq!(shards_of("3"), 3);
        assert_eq!(shards_of("4000000000"), MAX_SHARDS);
        assert_eq!(shards_of("many"), 1);
        assert_eq!(super::shards_of(&JobDescriptor::default()), 1);
    }
}
