//! Statements of a job, in the same database as its record.

use scheduled_one_protocol::Statement;
use scheduled_one_testkit::contract::{Program, check_blame, check_commit};

use super::Database;

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

/// What fails with a constraint that is checked late, or with a trigger, is the statement's.
#[tokio::test]
async fn a_deferred_constraint_fails_the_statement_and_not_the_commit() {
    let mut database = Database::new();
    let store = database.ready_store().await;
    database.sql(
        "CREATE TABLE effect (name TEXT PRIMARY KEY, \
         of TEXT REFERENCES effect DEFERRABLE INITIALLY DEFERRED)",
    );
    let orphan = Statement::new("INSERT INTO effect VALUES ($1, $2)")
        .bind("child")
        .bind("nobody");
    let checked = check_blame(&store, orphan).await;
    assert_eq!(checked, Ok(()));
    assert_eq!(database.names(), [""; 0]);
}
