//! Encodes heartbeats.

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{
    Caller, Heartbeat, JobsDigest, MAX_BATCH, NODE_GONE_MS, SUSPECT_MS, UNCLAIMED_MS,
};

use super::Draft;
use crate::keys::Keys;
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
        .key(keys.due.clone());
    let digest = |digest: JobsDigest| digest.to_string();
    let list = heartbeat
        .job_list
        .as_ref()
        .map_or("", |list| list.as_text());
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
        .int(UNCLAIMED_MS);
    draft.done()
}
