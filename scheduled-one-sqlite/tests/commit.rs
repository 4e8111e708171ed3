//! Statements of a job, in the same file as its record.

use std::sync::Arc;

use rusqlite::Connection;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::{Statement, Store};
use scheduled_one_sqlite::SqliteStore;
use scheduled_one_testkit::contract::{Program, check_blame, check_commit};

struct File(Connection);

impl Program for File {
    fn place(&self) -> &'static str {
        "?1"
    }

    fn names(&mut self) -> Vec<String> {
        let mut names = self.0.prepare("SELECT name FROM effect ORDER BY name");
        let rows = names
            .as_mut()
            .expect("a table")
            .query_map([], |row| row.get(0));
        rows.expect("rows")
            .map(|name| name.expect("a name"))
            .collect()
    }
}

/// A store in a folder, and the program's connection to its file, with a table made like this.
async fn with_table(table: &str) -> (tempfile::TempDir, SqliteStore, File) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let url = format!("sqlite://{}", path.display());
    let store = SqliteStore::new(&url, "test", Arc::new(SystemClock)).expect("a URL");
    Store::preflight(&store).await.expect("a file");
    let program = Connection::open(&path).expect("the file");
    program.execute_batch(table).expect("a table");
    (folder, store, File(program))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_committed_with_the_outcome_or_not_at_all() {
    let table = "CREATE TABLE effect (name TEXT PRIMARY KEY)";
    let (_folder, store, mut program) = with_table(table).await;
    let checked = check_commit(&store, &mut program).await;
    assert_eq!(checked, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_constraint_fails_the_statement_and_not_the_commit() {
    let table = "CREATE TABLE effect (name TEXT PRIMARY KEY, \
                 of TEXT REFERENCES effect DEFERRABLE INITIALLY DEFERRED)";
    let (_folder, store, mut program) = with_table(table).await;
    let orphan = Statement::new("INSERT INTO effect VALUES (?1, ?2)")
        .bind("child")
        .bind("nobody");
    let checked = check_blame(&store, orphan).await;
    assert_eq!(checked, Ok(()));
    assert_eq!(program.names(), [""; 0]);
}
