//! The texts of all statements, for one schema.

use scheduled_one_protocol::MAX_TRAIL;
use scheduled_one_protocol::fields::{CATALOG, CHECKPOINT, JOB_LIST, META, NODE, REQUEST, TRAIL};
use scheduled_one_protocol::message::KNOWN_REQUESTS;

use crate::beat::statement;
use crate::identity::Identity;
use crate::rows::{arrays, assignments, names};
use crate::{forget, ledger, locks, units};

macro_rules! limits {
    () => {
        "SET LOCAL lock_timeout = '1500ms'; \
         SET LOCAL statement_timeout = '1900ms'; \
         SET LOCAL idle_in_transaction_session_timeout = '2s'; \
         SELECT set_config('synchronous_commit', 'on', true) \
         WHERE current_setting('synchronous_commit') = 'off'"
    };
}

/// Begins a transaction. Its limits are settings of the transaction alone, so that a pooler can give the next one to
/// another client:
///
/// - A stranger who holds a lock, and a node that stands still in the middle of a transaction, do not stop the others
///   for long.
/// - What is acknowledged is on the disk: `synchronous_commit = off` is not for decisions. Other values stay.
/// - No statement is compiled: that takes longer than any of these runs, and where an operator has forbidden a kind of
///   plan, one that needs it counts as so expensive that it would be.
/// - Not `READ WRITE`: with `default_transaction_read_only` an operator stops all who write.
pub(crate) const BEGIN: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL jit = off; ",
    limits!()
);

/// Takes back what statements of a job have left in the session, and sets the limits again. Within the transaction:
/// behind a pooler, the next one is on another connection. It is `DISCARD ALL` without the plans, which are nobody's,
/// and without prepared statements: those of a pooler's other clients may be there.
pub(crate) const CLEAN: &str = concat!(
    "CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; ",
    limits!(),
    "; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP"
);

/// Ends a transaction in which statements of a job have failed, and takes back what that leaves of the session. In one
/// message, so that a pooler does not come in between.
pub(crate) const UNDO: &str = "ROLLBACK; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES";

/// Statements with the schema in them. The first parameter of each is the bucket's tag.
#[derive(Debug)]
pub(crate) struct Statements {
    /// The table of units, and that of ledgers, for statements that are made for their rows.
    pub(crate) unit: String,
    pub(crate) ledger: String,
    /// Makes the row of the bucket.
    pub(crate) make_meta: String,
    /// Waits for the turn of the step, and locks the row of the bucket.
    pub(crate) lock_meta: String,
    /// Locks and loads these units, by name.
    pub(crate) lock_units: String,
    pub(crate) nodes: String,
    pub(crate) job_lists: String,
    /// The clock, the identity, and the row of the bucket, for [`Identity::Timeline`] and [`Identity::Start`].
    frames: [String; 2],
    /// The heartbeat of an idle node, in the same way.
    beats: [String; 2],
    pub(crate) save_meta: String,
    pub(crate) insert_units: String,
    pub(crate) delete_nodes: String,
    pub(crate) save_nodes: String,
    pub(crate) delete_lists: String,
    pub(crate) save_lists: String,
    /// The whole catalog.
    pub(crate) catalog: String,
    /// The entries of these jobs.
    pub(crate) entries: String,
    pub(crate) save_catalog: String,
    /// The checkpoint of a unit.
    pub(crate) checkpoint: String,
    pub(crate) save_checkpoint: String,
    /// Remove what is stored of a job: two for the job, four for its units.
    pub(crate) forget: [String; 6],
    /// Deletes the oldest lines of a ledger.
    pub(crate) trim: String,
    /// Requests by lanes and ticks.
    pub(crate) requests: String,
    /// Ticks of requests by units and ids.
    pub(crate) known_requests: String,
    pub(crate) save_requests: String,
    pub(crate) delete_requests: String,
    pub(crate) save_known: String,
    /// Deletes the oldest ids beyond those that are kept.
    pub(crate) forget_known: String,
    /// A lock that is held by each step that enters something into the trail, until its end: entries become visible in
    /// the order of their numbers, so that a reader who goes on behind one misses none. Nodes are notified, if it is
    /// committed.
    pub(crate) order_trail: String,
    /// Appends entries of the trail.
    pub(crate) enter: String,
    /// Deletes the oldest entries beyond those that are kept.
    pub(crate) forget_trail: String,
    /// Entries before one, the newest first.
    pub(crate) trail: String,
    pub(crate) survey: String,
    pub(crate) lines: String,
    /// Which of these units have a row.
    pub(crate) names_of_units: String,
    /// Loads units without a lock.
    pub(crate) units: String,
}

impl Statements {
    pub(crate) fn new(schema: &str, channel: &str) -> Self {
        let table = |name: &str| format!("\"{schema}\".{name}");
        let [meta, unit, ledger] = ["meta", "unit", "ledger"].map(table);
        let [catalog, entries, save_catalog] = of_catalog(&table("job"));
        let [checkpoint, save_checkpoint] = of_checkpoints(&table("checkpoint"));
        let [
            nodes,
            job_lists,
            delete_nodes,
            save_nodes,
            delete_lists,
            save_lists,
        ] = of_nodes(&table("node"), &table("job_list"));
        let [
            requests,
            known_requests,
            save_requests,
            delete_requests,
            save_known,
            forget_known,
        ] = of_requests(&table("request"), &table("asked"));
        let [enter, forget_trail, trail] = of_trail(&table("trail"));
        let survey = units::survey(&unit);
        let of_server = [Identity::Timeline, Identity::Start];
        Statements {
            make_meta: format!("INSERT INTO {meta} (bucket) VALUES ($1) ON CONFLICT DO NOTHING"),
            lock_meta: locks::bucket(&meta),
            lock_units: units::lock(&unit),
            nodes,
            job_lists,
            frames: of_server.map(|identity| frame(&meta, identity)),
            beats: of_server.map(|identity| statement::text(schema, &survey, identity)),
            save_meta: format!(
                "UPDATE {meta} AS t SET {} FROM unnest({}) AS v({}) WHERE t.bucket = $1",
                assignments(META),
                arrays(META, 1),
                names(META, "")
            ),
            insert_units: units::insert(&unit),
            delete_nodes,
            save_nodes,
            delete_lists,
            save_lists,
            catalog,
            entries,
            save_catalog,
            checkpoint,
            save_checkpoint,
            forget: forget::statements(table),
            trim: ledger::trim(&ledger),
            requests,
            known_requests,
            save_requests,
            delete_requests,
            save_known,
            forget_known,
            order_trail: format!(
                "SELECT pg_advisory_xact_lock(1936679526, hashtext($1)), pg_notify('{channel}', $1)"
            ),
            enter,
            forget_trail,
            trail,
            survey,
            lines: ledger::select(&ledger),
            names_of_units: units::select_names(&unit),
            units: units::select(&unit),
            unit,
            ledger,
        }
    }

    pub(crate) fn frame(&self, identity: Identity) -> &str {
        &self.frames[place(identity)]
    }

    /// See [`beat`].
    pub(crate) fn beat(&self, identity: Identity) -> &str {
        &self.beats[place(identity)]
    }
}

/// Where the texts for a way to find the identity are.
fn place(identity: Identity) -> usize {
    match identity {
        Identity::Timeline => 0,
        Identity::Start => 1,
    }
}

/// The statements on living nodes and lists of jobs: load, load, delete, save, delete, save.
fn of_nodes(node: &str, job_list: &str) -> [String; 6] {
    [
        format!(
            "SELECT node, {} FROM {node} WHERE bucket = $1",
            names(NODE, "")
        ),
        format!(
            "SELECT {} FROM {job_list} WHERE bucket = $1",
            names(JOB_LIST, "")
        ),
        format!("DELETE FROM {node} WHERE bucket = $1 AND node = ANY($2)"),
        format!(
            "INSERT INTO {node} AS t (bucket, node, {0}) SELECT $1, v.node, {1} \
                 FROM unnest($2::text[], {2}) AS v(node, {0}) ORDER BY v.node \
                 ON CONFLICT (bucket, node) DO UPDATE SET ({0}) = ROW({3})",
            names(NODE, ""),
            names(NODE, "v."),
            arrays(NODE, 2),
            names(NODE, "EXCLUDED.")
        ),
        format!("DELETE FROM {job_list} WHERE bucket = $1 AND digest = ANY($2)"),
        format!(
            "INSERT INTO {job_list} (bucket, {0}) SELECT $1, {1} FROM unnest({2}) AS v({0}) ORDER BY v.digest \
                 ON CONFLICT (bucket, digest) DO UPDATE SET names = EXCLUDED.names",
            names(JOB_LIST, ""),
            names(JOB_LIST, "v."),
            arrays(JOB_LIST, 1)
        ),
    ]
}

/// The statements on the trail: append, delete the oldest, load.
fn of_trail(trail: &str) -> [String; 3] {
    [
        format!(
            "INSERT INTO {trail} (bucket, {0}) SELECT $1, {1} FROM unnest({2}) WITH ORDINALITY AS v({0}, place) \
             ORDER BY v.place",
            names(TRAIL, ""),
            names(TRAIL, "v."),
            arrays(TRAIL, 1)
        ),
        format!(
            "DELETE FROM {trail} WHERE bucket = $1 AND entry <= (SELECT entry FROM {trail} \
             WHERE bucket = $1 ORDER BY entry DESC OFFSET {MAX_TRAIL} LIMIT 1)"
        ),
        format!(
            "SELECT entry, {} FROM {trail} WHERE bucket = $1 AND entry < $2 ORDER BY entry DESC LIMIT $3",
            names(TRAIL, "")
        ),
    ]
}

/// The statements on the catalog: load all, load some, save.
fn of_catalog(job: &str) -> [String; 3] {
    let select = format!(
        "SELECT name, {} FROM {job} WHERE bucket = $1",
        names(CATALOG, "")
    );
    let some = format!("{select} AND name = ANY($2)");
    let save = format!(
        "INSERT INTO {job} AS t (bucket, name, {0}) SELECT $1, v.name, {1} \
         FROM unnest($2::text[], {2}) AS v(name, {0}) ORDER BY v.name \
         ON CONFLICT (bucket, name) DO UPDATE SET ({0}) = ROW({3})",
        names(CATALOG, ""),
        names(CATALOG, "v."),
        arrays(CATALOG, 2),
        names(CATALOG, "EXCLUDED.")
    );
    [select, some, save]
}

/// The statements on checkpoints: load one, save.
fn of_checkpoints(checkpoint: &str) -> [String; 2] {
    let select = format!(
        "SELECT {} FROM {checkpoint} WHERE bucket = $1 AND unit = ANY($2)",
        names(CHECKPOINT, "")
    );
    let save = format!(
        "INSERT INTO {checkpoint} AS t (bucket, unit, {0}) SELECT $1, v.unit, {1} \
         FROM unnest($2::text[], {2}) AS v(unit, {0}) \
         ON CONFLICT (bucket, unit) DO UPDATE SET ({0}) = ROW({3})",
        names(CHECKPOINT, ""),
        names(CHECKPOINT, "v."),
        arrays(CHECKPOINT, 2),
        names(CHECKPOINT, "EXCLUDED.")
    );
    [select, save]
}

/// The statements on requests for runs: load, load known ids, save, delete, save known ids, delete the oldest of them.
fn of_requests(request: &str, asked: &str) -> [String; 6] {
    [
        format!(
            "SELECT lane, tick_ms, {} FROM {request} WHERE bucket = $1 \
             AND (lane, tick_ms) IN (SELECT * FROM unnest($2::text[], $3::bigint[]))",
            names(REQUEST, "")
        ),
        format!(
            "SELECT unit, id, tick_ms FROM {asked} WHERE bucket = $1 \
             AND (unit, id) IN (SELECT * FROM unnest($2::text[], $3::text[]))"
        ),
        format!(
            "INSERT INTO {request} AS t (bucket, lane, tick_ms, {0}) SELECT $1, v.lane, v.tick_ms, {1} \
             FROM unnest($2::text[], $3::bigint[], {2}) AS v(lane, tick_ms, {0}) \
             ON CONFLICT (bucket, lane, tick_ms) DO UPDATE SET ({0}) = ROW({3})",
            names(REQUEST, ""),
            names(REQUEST, "v."),
            arrays(REQUEST, 3),
            names(REQUEST, "EXCLUDED.")
        ),
        format!(
            "DELETE FROM {request} WHERE bucket = $1 \
             AND (lane, tick_ms) IN (SELECT * FROM unnest($2::text[], $3::bigint[]))"
        ),
        format!(
            "INSERT INTO {asked} AS t (bucket, unit, id, tick_ms) SELECT DISTINCT ON (v.unit, v.id) $1, v.unit, \
             v.id, v.tick_ms FROM unnest($2::text[], $3::text[], $4::bigint[]) \
             WITH ORDINALITY AS v(unit, id, tick_ms, place) \
             ORDER BY v.unit, v.id, v.place DESC ON CONFLICT (bucket, unit, id) DO UPDATE SET tick_ms = EXCLUDED.tick_ms"
        ),
        format!(
            "DELETE FROM {asked} WHERE bucket = $1 AND tick_ms < (SELECT tick_ms FROM {asked} \
             WHERE bucket = $1 ORDER BY tick_ms DESC OFFSET {KNOWN_REQUESTS} LIMIT 1)"
        ),
    ]
}

/// The clock of the server, its identity, the row of the bucket, if there is one, and the end of the log.
fn frame(meta: &str, identity: Identity) -> String {
    format!(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, {}, m.bucket, {}, {} \
         FROM (SELECT 1) AS one LEFT JOIN {meta} AS m ON m.bucket = $1",
        identity.sql(),
        names(META, "m."),
        identity.flushed_sql()
    )
}
