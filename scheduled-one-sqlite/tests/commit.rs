//! Statements of a job, in the same file as its record.

use std::sync::Arc;

use rusqlite::Connection;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_sqlite::SqliteStore;
use scheduled_one_testkit::contract::{Program, check_commit};

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

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_committed_with_the_outcome_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let url = format!("sqlite://{}", path.display());
    let store = SqliteStore::new(&url, "test", Arc::new(SystemClock)).expect("a URL");
    scheduled_one_protocol::Store::preflight(&store)
        .await
        .expect("a file");
    let program = Connection::open(&path).expect("the file");
    program
        .execute_batch("CREATE TABLE effect (name TEXT PRIMARY KEY)")
        .expect("a table");
    let checked = check_commit(&store, &mut File(program)).await;
    assert_eq!(checked, Ok(()));
}
