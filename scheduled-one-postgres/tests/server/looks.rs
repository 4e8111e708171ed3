//! The doctor and `Control` make no tables, and change none.

use scheduled_one_postgres::{ConnectError, PostgresStore, schema};
use scheduled_one_protocol::{Finding, Severity, Store};

use super::doctor::needs;
use super::{Database, SERVER, caller, unavailable};

const SCHEMAS: &str = "SELECT count(*) FROM pg_namespace WHERE nspname = 'scheduled_one'";
const COLUMNS: &str = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'scheduled_one' \
                       AND column_name IN ('run_seq', 'buckets')";

async fn refused(store: &PostgresStore) -> ConnectError {
    let error = Store::preflight_for_control(store).await.unwrap_err();
    assert_eq!(error.finding.check, "tables");
    *error.cause.downcast().unwrap()
}

/// What the doctor finds of the tables; the rest of its findings are there, too.
async fn tables(store: &PostgresStore) -> Finding {
    let report = Store::diagnose(store, &needs()).await;
    for check in ["server", "clock", "round_trip", "bloat", "pooler"] {
        assert!(report.finding(check).is_some(), "{check}: {report}");
    }
    for check in ["rights", "identity", "marks"] {
        assert!(report.finding(check).is_none(), "{check}: {report}");
    }
    let tables = report.finding("tables").cloned();
    tables.unwrap_or_else(|| panic!("no tables: {report}"))
}

/// A user who may log in, and nothing else.
fn user_of(database: &Database) -> (String, PostgresStore) {
    let user = format!("looks_{}", database.name);
    SERVER.sql(&format!("CREATE ROLE {user} LOGIN")).unwrap();
    let store = PostgresStore::new(&database.url_of(&user), "test").unwrap();
    (user, store)
}

#[tokio::test]
async fn an_empty_database_stays_empty() {
    let database = Database::new();
    let error = refused(&database.store()).await;
    let text = error.to_string();
    assert!(matches!(error, ConnectError::NoTablesYet { .. }), "{text}");
    assert!(text.contains(&database.name), "{text}");

    let found = tables(&database.store()).await;
    assert_eq!(found.severity, Severity::Info, "{found:?}");
    assert!(found.found.contains("user postgres may"), "{found:?}");
    // A user who may not is given the statements, and is right as soon as he may.
    let (user, store) = user_of(&database);
    let found = tables(&store).await;
    assert_eq!(found.severity, Severity::Severe, "{found:?}");
    assert!(found.found.contains("CREATE SCHEMA"), "{found:?}");
    let name = &database.name;
    database.sql(&format!("GRANT CREATE ON DATABASE {name} TO {user}"));
    assert_eq!(tables(&store).await.severity, Severity::Info);
    assert_eq!(database.sql(SCHEMAS), "0");
    Store::preflight(&store).await.unwrap();
}

#[tokio::test]
async fn older_tables_stay_as_they_are() {
    let database = Database::new();
    let (user, store) = user_of(&database);
    database.sql(&schema("scheduled_one", Some(&user)));
    database.sql(
        "ALTER TABLE scheduled_one.unit DROP COLUMN run_seq; ALTER TABLE scheduled_one.meta DROP COLUMN buckets",
    );
    let error = refused(&store).await;
    assert!(matches!(error, ConnectError::OlderTables { .. }), "{error}");

    // Who owns them may complete them, and nobody else.
    let found = tables(&database.store()).await;
    assert_eq!(found.severity, Severity::Info, "{found:?}");
    assert!(found.found.contains("older version"), "{found:?}");
    let found = tables(&store).await;
    assert_eq!(found.severity, Severity::Severe, "{found:?}");
    assert!(found.found.contains("ADD COLUMN run_seq"), "{found:?}");
    // A table more is made by who may do that in the schema.
    database.sql(&format!(
        "DROP TABLE scheduled_one.trail; ALTER TABLE scheduled_one.unit OWNER TO {user}; \
         ALTER TABLE scheduled_one.meta OWNER TO {user}"
    ));
    assert_eq!(tables(&store).await.severity, Severity::Severe);
    database.sql(&format!("GRANT CREATE ON SCHEMA scheduled_one TO {user}"));
    assert_eq!(tables(&store).await.severity, Severity::Info);
    assert_eq!(database.sql(COLUMNS), "0");
    Store::preflight(&store).await.unwrap();
    assert_eq!(database.sql(COLUMNS), "2");
}

#[tokio::test]
async fn tables_that_are_dropped_are_not_made_by_who_looks() {
    let database = Database::new();
    let node = database.ready_store().await;
    let store = database.store();
    Store::preflight_for_control(&store).await.unwrap();
    store.inspect(&caller(), &[]).await.unwrap();
    database.sql("DROP SCHEMA scheduled_one CASCADE");
    let text = unavailable(store.inspect(&caller(), &[]).await);
    assert!(text.contains("a scheduler makes them"), "{text}");
    assert_eq!(database.sql(SCHEMAS), "0");
    node.inspect(&caller(), &[]).await.unwrap();
    store.inspect(&caller(), &[]).await.unwrap();
}
