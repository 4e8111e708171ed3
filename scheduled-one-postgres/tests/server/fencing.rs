//! The statements of the documentation that check a token, and that mark a tick as done.

use std::time::Duration;

use test_support::wait_until;

use super::{Database, SERVER};

const BOUND: Duration = Duration::from_secs(30);
const DOCUMENTED: &str = include_str!("../../docs/postgres.md");

const TOKEN: &str =
    "UPDATE account SET balance = balance + 1, last_token = $1 WHERE id = 7 AND last_token < $1;";
const MARK: &str = "INSERT INTO done (job, tick) VALUES ($1, $2) ON CONFLICT DO NOTHING;";
const EFFECT: &str = "UPDATE account SET balance = balance + 1 WHERE id = 7;";

fn database() -> Database {
    let database = Database::new();
    database.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY, balance bigint, last_token bigint); \
         INSERT INTO account VALUES (7, 0, 0); \
         CREATE TABLE done (job text, tick timestamptz, PRIMARY KEY (job, tick))",
    );
    database
}

#[test]
fn a_run_that_was_replaced_changes_no_row() {
    assert!(DOCUMENTED.contains(TOKEN));
    let database = database();
    for (token, balance) in [(11, "1"), (12, "2"), (11, "2"), (12, "2"), (13, "3")] {
        database.sql(&TOKEN.replace("$1", &token.to_string()));
        let select = "SELECT balance FROM account";
        assert_eq!(database.sql(select), balance, "token {token}");
    }
}

#[test]
fn two_attempts_at_a_tick_have_one_effect() {
    assert!(DOCUMENTED.contains(MARK) && DOCUMENTED.contains(EFFECT));
    let database = database();
    let mark = MARK
        .replace("$1", "'interest'")
        .replace("$2", "'2026-01-01T00:00:00Z'");
    let marked = format!("WITH mark AS ({} RETURNING 1)", mark.trim_end_matches(';'));
    let effect = EFFECT.trim_end_matches(';');
    // As a program does it, in one statement: the effect only if the row is new.
    let attempt = format!("{marked} {effect} AND EXISTS (SELECT FROM mark)");
    let first = format!("BEGIN; {attempt}; SELECT pg_sleep(1); COMMIT");
    let name = database.name.clone();
    let first = std::thread::spawn(move || SERVER.sql_in(&name, &first).unwrap());
    let sleeping = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    wait_until("the first attempt has its row", BOUND, || {
        database.sql(&sleeping) == "1"
    });
    // Waits for the first, and finds that it has committed.
    database.sql(&attempt);
    assert_eq!(database.sql("SELECT balance FROM account"), "1");
    first.join().unwrap();
    database.sql(&attempt);
    assert_eq!(database.sql("SELECT balance FROM account"), "1");
}
