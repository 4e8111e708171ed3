//! What the doctor prints after the clock of PostgreSQL was ahead.

use std::sync::Arc;

use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_testkit::contract::{WayBack, check_way_back};

use super::Database;

impl WayBack for Database {
    /// The clock of a server cannot be moved here.
    fn go_ahead(&mut self) {}

    /// What a clock that was two hours ahead would have stored.
    fn come_back(&mut self) {
        let instants = [
            "decided_ms",
            "run_tick_ms",
            "run_granted_at_ms",
            "run_until_ms",
            "next_due_ms",
        ];
        let ahead = instants
            .map(|column| {
                format!("{column} = CASE {column} WHEN 0 THEN 0 ELSE {column} + 7200000 END")
            })
            .join(", ");
        self.sql(&format!(
            "UPDATE scheduled_one.unit SET {ahead}, token = token + 7200000000, run_token = run_token + 7200000000, \
             waiting = CASE WHEN waiting = '' THEN '' ELSE (decided_ms + 7200000) || substr(waiting, strpos(waiting, ':')) END"
        ));
        self.sql("UPDATE scheduled_one.request SET tick_ms = tick_ms + 7200000");
    }

    fn run(&mut self, command: &str) {
        self.sql(command);
    }
}

#[tokio::test]
async fn decisions_ahead_of_the_clock_are_taken_back() {
    let mut database = Database::new();
    let store = database.ready_store().await;
    let checked = check_way_back(&store, Arc::new(SystemClock), &mut database).await;
    assert_eq!(checked, Ok(()));
}
