//! Encodes heartbeats.

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{
    Caller, Heartbeat, JobsDigest, Load, MAX_BATCH, MAX_RUNNING, NODE_GONE_MS, Room, SUSPECT_MS,
    UNCLAIMED_MS,
};

use super::Draft;
use crate::keys::Keys;
use crate::prologue::LOAD_STEP;
use crate::script::{self, Request};

pub(crate) fn heartbeat<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    heartbeat: &'a Heartbeat,
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::HEARTBEAT, keys, caller, 0);
    draft
        .request
        .key(keys.nodes.clone())
        .key(keys.members.clone())
        .key(keys.lists.clone())
        .key(keys.due.clone())
        .key(keys.load.clone());
    let digest = |digest: JobsDigest| digest.to_string();
    let list = heartbeat
        .job_list
        .as_ref()
        .map_or("", |list| list.as_text());
    let words = heartbeat.labels.words();
    let labels: String = words.flat_map(|word| [",", word]).collect();
    draft
        .text(&caller.node)
        .text(match heartbeat.leaving {
            false => "alive",
            true => "leaving",
        })
        .int(NODE_GONE_MS)
        .int(MAX_BATCH as i64)
        .text(digest(heartbeat.jobs))
        .text(list)
        .count(heartbeat.known_version)
        .text(heartbeat.wanted_list.map_or_else(String::new, digest))
        .int(SUSPECT_MS)
        .int(UNCLAIMED_MS)
        .text(labels)
        .int(load_score(heartbeat.load))
        .flag(heartbeat.wants_load)
        .text(
            heartbeat
                .clock_offset_ms
                .map_or_else(String::new, |ms| ms.to_string()),
        );
    draft.done()
}

/// The load of a node as one number: nodes without room are those above a bound.
fn load_score(load: Load) -> i64 {
    let room = match load.room {
        Room::Free => 0,
        Room::Busy => 1,
        Room::Full => 2,
    };
    room * LOAD_STEP + i64::from(load.running.min(MAX_RUNNING))
}
