//! The documented rights suffice, and each is needed.

use scheduled_one_postgres::{ConnectError, PostgresStore, schema};
use scheduled_one_protocol::message::{Checkpoint, CheckpointRequest, Heartbeat, Register};
use scheduled_one_protocol::{
    FencingToken, LedgerRecord, SkipReason, Store, StoreError, TickMs, UnitName,
};

use super::{Database, SERVER, caller, in_time, registration};

/// Everything that a node does with the tables.
async fn everything(store: &PostgresStore) -> Result<(), StoreError> {
    let caller = caller();
    store.heartbeat(&caller, Heartbeat::alive()).await?;
    store.heartbeat(&caller, Heartbeat::leaving()).await?;
    store.register(&caller, &[registration("a")]).await?;
    let earlier = Register {
        first_seen_ms: 0,
        ..registration("a")
    };
    store.register(&caller, &[earlier]).await?;
    let unit = UnitName::from("a");
    let line = LedgerRecord::skipped(&unit, TickMs(1), SkipReason::Overlap, "node", 1);
    store.record(&caller, &[line]).await?;
    for token in [1, 2] {
        let write = Checkpoint {
            token: FencingToken(token),
            text: "left".to_owned(),
        };
        let unit = unit.clone();
        let request = CheckpointRequest {
            unit,
            write: Some(write),
        };
        store.checkpoint(&caller, &request).await?;
    }
    store.ledger("a", 9).await.map(drop)
}

/// A database with tables, and a user who has the documented rights.
struct World {
    database: Database,
    user: String,
}

impl World {
    fn new() -> Self {
        let database = Database::new();
        let user = format!("jobs_{}", database.name);
        SERVER.sql(&format!("CREATE ROLE {user} LOGIN")).unwrap();
        database.sql(&schema("scheduled_one", Some(&user)));
        World { database, user }
    }

    fn store(&self) -> PostgresStore {
        PostgresStore::new(&self.database.url_of(&self.user), "test").unwrap()
    }
}

#[tokio::test]
async fn the_documented_rights_suffice() {
    let world = World::new();
    let store = world.store();
    Store::preflight(&store).await.unwrap();
    in_time(async || everything(&store).await).await.unwrap();
    let documented = include_str!("../../docs/postgres.md");
    for grant in schema("scheduled_one", Some("jobs"))
        .lines()
        .filter(|line| line.starts_with("GRANT"))
    {
        assert!(
            documented.contains(grant),
            "docs/postgres.md lacks: {grant}"
        );
    }
}

/// Each right, and whether a request fails without it.
#[rustfmt::skip] // a right is a line
const RIGHTS: [(&str, &str, bool); 21] = [
    ("USAGE", "SCHEMA scheduled_one", true),
    ("SELECT", "scheduled_one.layout", false),
    ("SELECT", "scheduled_one.meta", true),
    ("INSERT", "scheduled_one.meta", true),
    ("UPDATE", "scheduled_one.meta", true),
    ("SELECT", "scheduled_one.unit", true),
    ("INSERT", "scheduled_one.unit", true),
    ("UPDATE", "scheduled_one.unit", true),
    ("SELECT", "scheduled_one.node", true),
    ("INSERT", "scheduled_one.node", true),
    ("UPDATE", "scheduled_one.node", true),
    ("DELETE", "scheduled_one.node", true),
    // Nodes run their jobs without the catalog.
    ("SELECT", "scheduled_one.job", false),
    ("INSERT", "scheduled_one.job", false),
    ("UPDATE", "scheduled_one.job", false),
    ("SELECT", "scheduled_one.checkpoint", true),
    ("INSERT", "scheduled_one.checkpoint", true),
    ("UPDATE", "scheduled_one.checkpoint", true),
    ("SELECT", "scheduled_one.ledger", true),
    ("INSERT", "scheduled_one.ledger", true),
    // Without it ledgers grow, in the background.
    ("DELETE", "scheduled_one.ledger", false),
];

#[tokio::test]
async fn each_right_is_needed_and_a_missing_one_is_named() {
    let world = World::new();
    for (right, object, fails_a_request) in RIGHTS {
        let missing = match right {
            "USAGE" => "USAGE on the schema scheduled_one".to_owned(),
            _ => format!("{right} on {object}"),
        };
        // The tables were seen already: the right is lost while the node runs.
        let running = world.store();
        Store::preflight(&running).await.unwrap();
        let user = &world.user;
        world
            .database
            .sql(&format!("REVOKE {right} ON {object} FROM {user}"));
        world
            .database
            .sql("TRUNCATE scheduled_one.meta, scheduled_one.unit, scheduled_one.node, scheduled_one.job_list, scheduled_one.job, scheduled_one.checkpoint");

        let error = Store::preflight(&world.store()).await.unwrap_err();
        assert_eq!(error.finding.check, "rights", "{right} {object}: {error}");
        let text = error.to_string();
        assert!(
            text.contains(&missing) && text.contains("GRANT USAGE"),
            "{text}"
        );
        let error = error.cause.downcast::<ConnectError>().unwrap();
        assert!(matches!(*error, ConnectError::MissingRights { .. }));
        if fails_a_request {
            let error = in_time(async || everything(&running).await)
                .await
                .unwrap_err();
            let StoreError::Unavailable(text) = error else {
                panic!("{error:?}");
            };
            assert!(
                text.contains("42501") || text.contains("missing: "),
                "{right} {object}: {text}"
            );
        }
        world
            .database
            .sql(&format!("GRANT {right} ON {object} TO {user}"));
    }
    in_time(async || everything(&world.store()).await)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_who_may_make_no_tables_is_given_the_statements() {
    let database = Database::new();
    let user = format!("poor_{}", database.name);
    SERVER.sql(&format!("CREATE ROLE {user} LOGIN")).unwrap();
    let store = PostgresStore::new(&database.url_of(&user), "test").unwrap();
    let error = Store::preflight(&store).await.unwrap_err();
    assert_eq!(error.finding.check, "tables");
    let error = error.cause.downcast::<ConnectError>().unwrap();
    let ConnectError::NoTables { sql, .. } = *error else {
        panic!("{error}");
    };
    database.sql(&sql);
    Store::preflight(&store).await.unwrap();
    in_time(async || everything(&store).await).await.unwrap();
}
