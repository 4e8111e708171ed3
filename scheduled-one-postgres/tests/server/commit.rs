//! Statements of a job, in the same database as its record.

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::Statement;
use scheduled_one_testkit::contract::{Program, check_blame, check_commit, check_each};

use super::{Database, make_tables};

impl Program for Database {
    fn place(&self) -> &'static str {
        "$1"
    }

    fn names(&mut self) -> Vec<String> {
        let names = self.sql("SELECT name FROM effect ORDER BY name");
        names.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn statements_are_committed_with_the_outcome_or_not_at_all() {
    let mut database = Database::new();
    let store = database.ready_store().await;
    database.sql("CREATE TABLE effect (name TEXT PRIMARY KEY)");
    let checked = check_commit(&store, &mut database).await;
    assert_eq!(checked, Ok(()));
}

/// What fails is the statement, whatever code its error has, and also if it fails late.
#[tokio::test]
async fn errors_of_a_statement_are_not_taken_for_those_of_the_server() {
    let mut database = Database::new();
    let store = database.ready_store().await;
    database.sql(
        "CREATE TABLE effect (name TEXT PRIMARY KEY, \
         of TEXT REFERENCES effect DEFERRABLE INITIALLY DEFERRED); \
         CREATE FUNCTION raise(code TEXT) RETURNS VOID LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = code; END $$",
    );
    let insert = "INSERT INTO effect VALUES ($1, $2)";
    let raise = [
        "40001", "53400", "57P03", "58000", "XX000", "08006", "42P01",
    ]
    .map(|code| Statement::new("SELECT raise($1)").bind(code));
    let mut bad = raise.to_vec();
    bad.extend([
        Statement::new(insert).bind("an orphan").bind("nobody"),
        Statement::new(insert).bind("a value is missing"),
        Statement::new("SELECT $1::int").bind("no number"),
        Statement::new("SELECT pg_sleep(60)"),
        Statement::new("SELECT pg_read_file('nowhere')"),
    ]);
    let checked = check_blame(&store, &bad).await;
    assert_eq!(checked, Ok(()));
    assert_eq!(database.names(), [""; 0]);
}

/// The next request has a session without what the statements have left there.
#[tokio::test]
async fn statements_leave_nothing_in_the_session() {
    let database = Database::new();
    let store = database.ready_store().await;
    database.sql("CREATE TABLE effect (name TEXT PRIMARY KEY); CREATE ROLE nobody_of_effects");
    let leave = [
        Statement::new("SELECT set_config('role', 'nobody_of_effects', false)"),
        Statement::new("SELECT set_config('search_path', 'nowhere', false)"),
        Statement::new("SELECT pg_advisory_lock(7)"),
    ];
    let checked = check_each(&store, &leave).await;
    database.sql("DROP ROLE nobody_of_effects");
    assert_eq!(checked, Ok(()));
    let free = database.sql("SELECT pg_try_advisory_lock(7)");
    assert_eq!(free, "t");
    let checked = check_each(&store, &[]).await;
    assert_eq!(checked, Ok(()));
}

/// The store plans its own statements in its own way; those of a job are planned as the operator has configured it.
#[tokio::test]
async fn statements_are_planned_as_the_role_and_the_database_say() {
    let database = Database::new();
    let name = &database.name;
    let settings = "hashjoin mergejoin seqscan nestloop".split(' ');
    let settings = settings.map(|kind| format!("current_setting('enable_{kind}')"));
    let settings = settings.collect::<Vec<_>>().join(", ") + ", current_setting('jit')";
    database.sql(&format!(
        "CREATE TABLE seen (hash TEXT, merge TEXT, seq TEXT, nest TEXT, jit TEXT); \
         ALTER DATABASE {name} SET enable_mergejoin = off; \
         CREATE ROLE planner_{name} SUPERUSER LOGIN; ALTER ROLE planner_{name} SET jit = on; \
         ALTER ROLE planner_{name} SET enable_nestloop = off"
    ));
    let url = database.url_of(&format!("planner_{name}")) + "?options=-c%20enable_seqscan=off";
    let store = PostgresStore::new(&url, "test").unwrap();
    make_tables(&store).await;
    let insert = Statement::new(format!("INSERT INTO seen SELECT {settings}"));
    assert_eq!(check_each(&store, &[insert]).await, Ok(()));
    assert_eq!(database.sql("SELECT * FROM seen"), "on|off|off|off|on");
}
