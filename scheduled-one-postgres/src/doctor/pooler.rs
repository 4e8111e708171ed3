//! Whether a pooler is between a node and the server.

use scheduled_one_protocol::Finding;
use tokio_postgres::{Client, Error};

use crate::classify::describe;
use crate::connections::Connections;
use tokio::time::Instant;

const CHECK: &str = "pooler";

/// How often it is looked: connections of others may be in between.
const LOOKS: usize = 3;

/// A pooler in transaction mode gives two connections of a client the same process of the server, one after the other,
/// or one connection two processes. A pooler in session mode is not seen, and changes nothing.
pub(super) async fn pooler(
    client: &Client,
    connections: &Connections,
    deadline: Instant,
) -> Finding {
    let other = match connections.get(deadline).await {
        Ok(other) => other,
        Err(error) => return error.finding(),
    };
    let shared = is_shared(client, &other).await;
    other.give_back();
    match shared {
        Ok(false) => Finding::ok(
            CHECK,
            "none, or one that keeps a connection for each client",
        ),
        Ok(true) => Finding::ok(
            CHECK,
            "one in transaction mode is in between: no statement and no setting outlives a transaction here, so it may \
             be. A node waits when all connections of the pooler are in use",
        ),
        Err(error) => super::not_examined(CHECK, &describe(&error)),
    }
}

async fn is_shared(client: &Client, other: &Client) -> Result<bool, Error> {
    for _ in 0..LOOKS {
        let (one, two, again) = (
            process(client).await?,
            process(other).await?,
            process(client).await?,
        );
        if one == two || one != again {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process of the server that serves a transaction.
async fn process(client: &Client) -> Result<i32, Error> {
    let row = client.query_typed_one("SELECT pg_backend_pid()", &[]);
    row.await?.try_get(0)
}
