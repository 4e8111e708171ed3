//! The text of the statement that is the heartbeat of an idle node.

use scheduled_one_protocol::fields::{Field, META, NODE};
use scheduled_one_protocol::machine::LivingNode;
use scheduled_one_protocol::message::NODE_GONE_MS;

use crate::identity::Identity;
use crate::locks::WAIT_WITH_OTHERS;
use crate::rows::{names, parameter_type};

/// What the beginning of a step sets, for a statement that is a transaction of its own; the limit of the statement
/// itself cannot be set in it.
const LIMITS: &str = "set_config('lock_timeout', '1500ms', true), \
     set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
     ELSE current_setting('synchronous_commit') END, true)";

/// Parameters in front of those of the node: bucket, node, identity, and the end of the log.
const BEFORE_NODE: usize = 4;

/// What a heartbeat may change of its node without a further decision. Any other field of it is news for the others.
const NO_NEWS: [&str; 3] = ["running", "room", "offset_ms"];

/// What a heartbeat says of its node.
pub(crate) fn said() -> impl Iterator<Item = &'static Field<LivingNode>> {
    NODE.iter().filter(|field| field.name != "at_ms")
}

/// The statement: what the node has to attend to, first, because a scan takes long and nobody has to wait for it; then
/// it waits for its turn, and the row of the bucket is locked, as far as steps are concerned that want the nodes; and
/// then the clock is read. Statements in one statement see the same rows, those from before it, so the row of the node
/// is read as it was.
pub(crate) fn text(schema: &str, survey: &str, identity: Identity) -> String {
    let table = |name: &str| format!("\"{schema}\".{name}");
    let parameter = |index: usize, field: &str| format!("${}::{field}", BEFORE_NODE + 1 + index);
    let numbered = said()
        .zip(0..)
        .map(|(field, index)| (field.name, parameter(index, parameter_type(field.kind))));
    let (set, same): (Vec<_>, Vec<_>) = numbered.partition(|(name, _)| NO_NEWS.contains(name));
    let set: Vec<String> = set
        .iter()
        .map(|(name, value)| format!(", {name} = {value}"))
        .collect();
    let same: Vec<String> = same
        .iter()
        .map(|(name, value)| format!(" AND t.{name} = {value}"))
        .collect();
    let behind = said().count();
    let meta = META
        .iter()
        .zip(behind..)
        .map(|(field, index)| parameter(index, parameter_type(field.kind)));
    let meta: Vec<String> = meta.collect();
    format!(
        "WITH limits AS MATERIALIZED (SELECT {LIMITS}), \
         survey AS MATERIALIZED ({survey}), \
         turn AS MATERIALIZED ({WAIT_WITH_OTHERS} WHERE (SELECT count(*) FROM limits) > 0 \
         AND (SELECT count(*) FROM survey) >= 0), \
         bucket AS MATERIALIZED (SELECT {fields} FROM {meta_table} AS m WHERE m.bucket = $1 \
         AND (SELECT count(*) FROM turn) > 0 FOR SHARE), \
         clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us, \
         {identity_sql} AS identity, {flushed_sql} AS flushed, bucket.* FROM bucket), \
         nodes AS MATERIALIZED (SELECT node, {node_fields} FROM {node_table} WHERE bucket = $1), \
         beat AS (UPDATE {node_table} AS t SET at_ms = c.now_us / 1000{set} FROM clock AS c \
         WHERE t.bucket = $1 AND t.node = $2{same} \
         AND c.identity = $3 AND ($4::bigint IS NULL OR c.flushed >= $4) \
         AND ({of_clock}) = ({expected}) \
         AND NOT EXISTS (SELECT FROM nodes AS n WHERE n.at_ms NOT BETWEEN c.now_us / 1000 - {NODE_GONE_MS} \
         AND c.now_us / 1000 + {NODE_GONE_MS}) RETURNING t.node) \
         SELECT c.beats, c.now_us, c.identity, c.flushed, n.*, l.digest, s.* \
         FROM (SELECT (SELECT count(*) FROM beat) AS beats, * FROM clock) AS c \
         FULL JOIN nodes AS n ON false \
         FULL JOIN (SELECT digest FROM {list_table} WHERE bucket = $1) AS l ON false \
         FULL JOIN survey AS s ON false",
        fields = names(META, "m."),
        meta_table = table("meta"),
        identity_sql = identity.sql(),
        flushed_sql = identity.flushed_sql(),
        node_fields = names(NODE, ""),
        node_table = table("node"),
        list_table = table("job_list"),
        set = set.concat(),
        same = same.concat(),
        of_clock = names(META, "c."),
        expected = meta.join(", "),
    )
}
