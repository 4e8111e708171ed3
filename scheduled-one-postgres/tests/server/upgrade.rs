//! Tables that are read, or locked, for long while somebody wants to change them or reads them.

use std::time::Duration;

use scheduled_one_postgres::ConnectError;
use scheduled_one_protocol::Store;
use test_support::{wait_until, wait_until_async};

use super::{Database, serving, unavailable};
use crate::stranger::Stranger;

const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_added_while_a_dump_runs_stops_nobody() {
    let database = Database::new();
    serving(&database.ready_store().await).await;
    database.sql("ALTER TABLE scheduled_one.unit DROP COLUMN run_seq");
    let dump = Stranger::new(&database, "SELECT count(*) FROM scheduled_one.unit");

    let error = Store::preflight(&database.store()).await.unwrap_err();
    let text = error.to_string();
    let error = error.cause.downcast::<ConnectError>().unwrap();
    assert!(matches!(*error, ConnectError::NotNow { .. }), "{error}");
    assert!(
        text.contains("such as a dump") && text.contains("55P03"),
        "{text}"
    );
    // The start has given up, and no process of the server waits for the table for it.
    wait_until("nobody waits for the table", BOUND, || {
        database.waiting() == 0
    });
    database.sql("SET lock_timeout = '5s'; SELECT count(*) FROM scheduled_one.unit");

    dump.end();
    wait_until_async("the column is added", BOUND, async || {
        Store::preflight(&database.store()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_gave_up_leave_nobody_behind_who_waits() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    let locks = ["ledger", "unit", "trail", "layout"]
        .map(|table| Stranger::new(&database, &format!("LOCK TABLE scheduled_one.{table}")));
    unavailable(store.ledger("a", 9).await);
    unavailable(store.trail(None, 9).await);
    Store::preflight(&database.store()).await.unwrap_err();
    wait_until("nobody waits for a table", BOUND, || {
        database.waiting() == 0
    });
    for lock in locks {
        lock.end();
    }
    store.ledger("a", 9).await.unwrap();
}
