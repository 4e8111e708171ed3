//! The locks that are no rows, in the order in which they are taken. Each has the number of this program, or one of the
//! next, and the bucket: of two buckets whose names have one hash, each waits for the other.

/// Held by each step that wants entries of the catalog, until its end: they come one after the other. The first lock of
/// all, so that none of them waits here while it holds up a change of directives.
pub(crate) const ORDER_ENTRIES: &str = "SELECT pg_advisory_xact_lock(1936679527, hashtext($1))";

/// Held by each step that decides by directives, until its end: one that changes them waits for it. An advisory lock,
/// not one of the bucket's row: a row that is locked is written, and claims would write it all the time.
pub(crate) const READ_DIRECTIVES: &str =
    "SELECT pg_advisory_xact_lock_shared(1936679525, hashtext($1))";

/// Held by each step that changes directives, until its end.
pub(crate) const CHANGE_DIRECTIVES: &str = "SELECT pg_advisory_xact_lock(1936679525, hashtext($1))";

/// The turn of a step that locks the row of the bucket: it waits for the heartbeats that are under way, and those that
/// come later wait for it. The lock of a row alone has no turns: heartbeats share it, and one that comes later goes
/// ahead of a step that waits, again and again. Held until the end, and taken before the row.
const WAIT_FOR_TURN: &str = "SELECT pg_advisory_xact_lock(1936679528, hashtext($1))";

/// The turn of the heartbeat of an idle node, which others share.
pub(crate) const WAIT_WITH_OTHERS: &str =
    "SELECT pg_advisory_xact_lock_shared(1936679528, hashtext($1))";

/// Waits for the turn of a step, and locks the row of the bucket.
pub(crate) fn bucket(meta: &str) -> String {
    format!(
        "WITH turn AS MATERIALIZED ({WAIT_FOR_TURN}) SELECT 1 FROM {meta} WHERE bucket = $1 \
         AND (SELECT count(*) FROM turn) > 0 FOR NO KEY UPDATE"
    )
}
