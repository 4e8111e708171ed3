//! Statements of a job, in the same database as its record.

use scheduled_one_testkit::contract::{Program, check_commit};

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
