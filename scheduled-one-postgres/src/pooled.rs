//! Whether a pooler in transaction mode is between a client and the server.

use tokio_postgres::{Client, Error};

/// How often it is looked: connections of others may be in between.
const LOOKS: usize = 3;

/// Whether a pooler gives two connections of a client one process of the server, or one connection two.
pub(crate) async fn is_shared(client: &Client, other: &Client) -> Result<bool, Error> {
    for _ in 0..LOOKS {
        // The first two are of one client without the other in between: a pooler that takes two connections in turn
        // gives each client one of them, if the clients take turns, too.
        let (first, second, of_other, third) = (
            process(client).await?,
            process(client).await?,
            process(other).await?,
            process(client).await?,
        );
        if first != second || second == of_other || second != third {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process of the server that serves a transaction.
pub(crate) async fn process(client: &Client) -> Result<i32, Error> {
    let row = client.query_typed_one("SELECT pg_backend_pid()", &[]);
    row.await?.try_get(0)
}
