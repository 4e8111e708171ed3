//! Statements of a job, in the same file as its record.

use std::sync::Arc;

use rusqlite::Connection;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::{Statement, Store};
use scheduled_one_sqlite::SqliteStore;
use scheduled_one_testkit::contract::{Program, check_blame, check_commit, check_each};

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

/// What fails is the statement, and what is the store's is not touched.
#[tokio::test(flavor = "multi_thread")]
async fn bad_statements_are_blamed_and_change_nothing() {
    let table = "CREATE TABLE effect (name TEXT PRIMARY KEY, \
                 of TEXT REFERENCES effect DEFERRABLE INITIALLY DEFERRED)";
    let (_folder, store, mut program) = with_table(table).await;
    let orphan = Statement::new("INSERT INTO effect VALUES (?1, ?2)");
    let bad = [
        orphan.bind("an orphan").bind("nobody"),
        Statement::new("CREATE TEMP TABLE ledger AS SELECT 1 AS a"),
        Statement::new("CREATE TRIGGER wrong AFTER INSERT ON ledger BEGIN SELECT 1; END"),
        Statement::new("DELETE FROM ledger"),
        Statement::new("UPDATE Unit SET running = 0"),
        Statement::new("DROP TABLE node"),
        Statement::new("PRAGMA synchronous = OFF"),
        Statement::new("SELECT length(hex(zeroblob(400000000)))"),
        Statement::new("CREATE TABLE IF NOT EXISTS effect (name TEXT)").rows(1),
    ];
    let checked = check_blame(&store, &bad).await;
    assert_eq!(checked, Ok(()));
    assert_eq!(program.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_for_full_text_search_is_written() {
    let (_folder, store, _program) = with_table("CREATE VIRTUAL TABLE note USING fts5(text)").await;
    let insert = Statement::new("INSERT INTO note VALUES (?1)").bind("paid");
    let checked = check_each(&store, &[insert]).await;
    assert_eq!(checked, Ok(()));
}
