//! Decodes the reply to a heartbeat.

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::{
    HeartbeatReply, JobList, JobsDigest, Labels, MAX_NODES, Member, Membership, Reply,
};
use scheduled_one_protocol::{StoreError, UnitName};

use crate::decode::Reader;

/// The reply without the overdue runs, and the names of their units. A name that no script stores was edited and
/// belongs to no unit of a node: it is left out.
pub(crate) fn heartbeat(
    reply: Value,
) -> Result<(Reply<HeartbeatReply>, Vec<UnitName>), StoreError> {
    let mut reader = Reader::new("heartbeat", reply)?;
    let head = reader.head()?;
    let version = reader.count()?;
    let members = members(&mut reader)?;
    let suspects = nodes(&mut reader)?;
    let busy = nodes(&mut reader)?;
    let full = nodes(&mut reader)?;
    let running = u64::try_from(reader.int()?).ok();
    let has_job_list = reader.int()? == 1;
    let wanted_list = reader.shown()?;
    let ready = reader.names()?;
    let unclaimed = reader.names()?;
    let mut overdue = Vec::new();
    while !reader.values.as_slice().is_empty() {
        overdue.push(reader.text()?);
    }
    let units = |names: Vec<String>| {
        let units = names.iter().filter_map(|name| UnitName::parse(name));
        units.collect()
    };
    let body = HeartbeatReply {
        membership: Membership { version, members },
        suspects,
        busy,
        full,
        running,
        has_job_list,
        wanted_list: (!wanted_list.is_empty()).then(|| JobList::from_text(&wanted_list)),
        ready: units(ready),
        unclaimed: units(unclaimed),
        overdue: Vec::new(),
    };
    Ok((Reply { head, body }, units(overdue)))
}

/// Identities of some of the living nodes. Sorted here: the order of texts in Redis is that of their scores.
fn nodes(reader: &mut Reader) -> Result<Vec<String>, StoreError> {
    let mut nodes = reader.names()?;
    nodes.sort_unstable();
    nodes.truncate(MAX_NODES);
    Ok(nodes)
}

/// The living nodes in the order of their identities; `None` if the caller knows them.
fn members(reader: &mut Reader) -> Result<Option<Vec<Member>>, StoreError> {
    let Ok(count) = u64::try_from(reader.int()?) else {
        return Ok(None);
    };
    let mut members = Vec::new();
    for _ in 0..count {
        let (node, text, offset) = (reader.shown()?, reader.shown()?, reader.shown()?);
        // A text that no script stores was edited: the node has no jobs that anybody knows.
        let (words, name) = text.split_once(' ').unwrap_or_default();
        let (digest, labels) = words.split_once(',').unwrap_or((words, ""));
        members.push(Member {
            node,
            name: name.to_owned(),
            jobs: JobsDigest::parse(digest).unwrap_or_default(),
            labels: Labels::new(labels.split(',')),
            clock_offset_ms: offset.parse().ok(),
        });
    }
    members.sort_unstable_by(|a, b| a.node.cmp(&b.node));
    members.truncate(MAX_NODES);
    Ok(Some(members))
}
