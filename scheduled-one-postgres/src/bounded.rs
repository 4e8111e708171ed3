//! One statement in a transaction of its own, with the limits of time of a step. A process of the server that waits for
//! a lock does not notice that its client has gone: without limits, each request that gave up would leave one behind.

use std::sync::atomic::Ordering;

use scheduled_one_protocol::StoreError;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::classify::{Failure, Stage, failure};
use crate::statements::BEGIN;
use crate::store::{ANSWER_TIMEOUT, PostgresStore, no_reply};

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

impl PostgresStore {
    /// One statement that only reads.
    pub(crate) async fn read(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let checkout = self.connection(deadline).await?;
        let reply = query(&checkout, statement, parameters);
        let reply = timeout_at(deadline, reply).await;
        match reply {
            Ok(Ok(rows)) => {
                checkout.give_back();
                Ok(rows)
            }
            Ok(Err(error)) => {
                let failure = failure(&error, Stage::Load);
                if let Failure::NoTables(_) = failure {
                    self.shared.is_prepared.store(false, Ordering::Release);
                }
                checkout.give_back();
                Err(failure.into_error())
            }
            Err(_) => {
                self.connections.leave(checkout);
                Err(no_reply("it was only asked to read"))
            }
        }
    }
}
