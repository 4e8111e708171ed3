//! One statement in a transaction of its own, with the limits of time of a step. A process of the server that waits for
//! a lock does not notice that its client has gone: without limits, each request that gave up would leave one behind.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::statements::BEGIN;

/// The rows of a statement. No round trip more than without a transaction.
pub(crate) async fn query(
    client: &Client,
    statement: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    // In this order: each is sent when it is polled for the first time.
    let (begun, rows, committed) = tokio::join!(
        biased;
        client.batch_execute(BEGIN),
        client.query_typed(statement, parameters),
        client.batch_execute("COMMIT"),
    );
    begun?;
    let rows = rows?;
    committed?;
    Ok(rows)
}
