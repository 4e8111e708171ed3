//! The statements on the table of units. A step locks its units when it loads them, and finds their rows again by their
//! tuple identifiers.

use scheduled_one_protocol::fields::{Field, RECORD};
use scheduled_one_protocol::machine::damage::{
    MAX_AHEAD_MS, MAX_LEASE_MS, MAX_NONCE_BYTES, MAX_SEQ,
};
use scheduled_one_protocol::machine::{OVERDUE_PERCENT, Record};
use scheduled_one_protocol::message::{MAX_BATCH, UNCLAIMED_MS};

use crate::rows::{Column, Sources, arrays, names};

/// Units that wait or are unclaimed, at most: each heartbeat names others of them.
const MAX_IN_TURN: usize = 64 * MAX_BATCH;

/// For a transaction with statements on single units: they are found by the key, and then by their tuple identifiers,
/// one after the other. A server that knows little of the table, as before its first `ANALYZE`, would read all of it
/// instead.
pub(crate) const ONE_BY_ONE: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_nestloop = on";

/// Takes [`ONE_BY_ONE`] back, and that nothing is compiled, to what the server, the database, the role and `options`
/// say: the statements of a job are for the planner as it is configured.
pub(crate) const AS_CONFIGURED: &str = "SET LOCAL enable_hashjoin TO DEFAULT; \
     SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT; \
     SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL jit TO DEFAULT";

/// Column of [`lock`] and [`select`] with the tuple identifier of the row: behind the name and the fields.
pub(crate) const TID: usize = 1 + RECORD.len();

/// Locks and loads units, in the order of the names.
pub(crate) fn lock(unit: &str) -> String {
    let columns = names(RECORD, "");
    each(unit, &format!("name, {columns}, ctid"), "FOR NO KEY UPDATE")
}

/// Loads units without a lock.
pub(crate) fn select(unit: &str) -> String {
    let columns = names(RECORD, "");
    each(unit, &format!("name, {columns}, ctid"), "OFFSET 0")
}

/// Which of these units have a row.
pub(crate) fn select_names(unit: &str) -> String {
    each(unit, "name", "OFFSET 0")
}

/// Looks for one name after the other. With `name = ANY($2)` the plan would depend on what the server believes of the
/// table; the end of the inner statement keeps it from being joined in another order.
fn each(unit: &str, columns: &str, end: &str) -> String {
    format!(
        "SELECT t.* FROM unnest($2::text[]) AS v(name), LATERAL \
         (SELECT {columns} FROM {unit} AS u WHERE u.bucket = $1 AND u.name = v.name {end}) AS t"
    )
}

pub(crate) fn insert(unit: &str) -> String {
    format!(
        "INSERT INTO {unit} (bucket, name, {0}) SELECT $1, v.name, {1} \
         FROM unnest($2::text[], {2}) AS v(name, {0}) ORDER BY v.name",
        names(RECORD, ""),
        names(RECORD, "v."),
        arrays(RECORD, 2)
    )
}

/// Updates these fields of units whose rows are locked. The second parameter is their tuple identifiers. The first, the
/// bucket, is not used: a condition on it would be another way to the rows, and a wrong one for a server that believes
/// that there are few.
pub(crate) fn update(unit: &str, fields: &[&'static Field<Record>], columns: &[Column]) -> String {
    let sources = Sources::new(fields.iter().copied(), columns, 2);
    let assigned = fields.iter().zip(&sources.values);
    let assigned: Vec<String> = assigned
        .map(|(field, value)| format!("{} = {value}", field.name))
        .collect();
    format!(
        "UPDATE {unit} AS t SET {} FROM unnest($2::tid[]{}) AS v(tid{}) WHERE t.ctid = v.tid",
        assigned.join(", "),
        sources.arrays,
        sources.names
    )
}

/// Units in which something waits and can start, and overdue runs that are not damaged; at most a batch of each, as
/// [`Records::survey`](scheduled_one_protocol::Records::survey) has it.
///
/// No index serves this: it would be written with every grant and every end, and would keep the updates of the table
/// from being heap-only. One scan of ten thousand units takes some 8 ms, once a second and node.
pub(crate) fn survey(unit: &str) -> String {
    let columns = names(RECORD, "");
    // A second ahead: a step reads its clock later, and looks at what was found once more.
    let now_ms = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint + 1000";
    let overdue_at =
        format!("run_until_ms - run_lease_ms + run_lease_ms * {OVERDUE_PERCENT} / 100");
    let waits = "NOT running AND waiting <> ''";
    // The arithmetic is safe only within the bounds, and `CASE` keeps the order.
    let overdue = format!(
        "running AND \
         CASE WHEN run_lease_ms BETWEEN 0 AND {MAX_LEASE_MS} AND run_until_ms BETWEEN 0 AND {now_ms} + {MAX_AHEAD_MS} \
         AND run_seq BETWEEN 0 AND {MAX_SEQ} THEN {overdue_at} <= {now_ms} ELSE false END \
         AND octet_length(run_nonce) <= {MAX_NONCE_BYTES} AND run_nonce !~ '[^ -~]'"
    );
    let unclaimed = format!("next_due_ms <= {now_ms} - {UNCLAIMED_MS}");
    format!(
        "WITH found AS MATERIALIZED (SELECT name, {columns}, ({waits}) AS is_ready, ({overdue}) AS is_overdue, \
         ({unclaimed}) AS is_unclaimed FROM {unit} WHERE bucket = $1 AND ({waits} OR {overdue} OR {unclaimed})) \
         (SELECT name, {columns} FROM found WHERE is_ready ORDER BY name LIMIT {MAX_IN_TURN}) \
         UNION ALL \
         (SELECT name, {columns} FROM found WHERE is_overdue ORDER BY {overdue_at}, name LIMIT {MAX_BATCH}) \
         UNION ALL \
         (SELECT name, {columns} FROM found WHERE is_unclaimed ORDER BY next_due_ms, name LIMIT {MAX_IN_TURN})"
    )
}
