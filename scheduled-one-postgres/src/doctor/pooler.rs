//! Whether a pooler is between a node and the server.

use scheduled_one_protocol::{Finding, Severity};
use tokio_postgres::Client;

use crate::classify::describe;
use crate::connections::Connections;
use crate::listening::{Listened, listen};
use crate::pooled::is_shared;
use tokio::time::{Instant, timeout};

const CHECK: &str = "pooler";

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

/// Whether what operators ask for reaches nodes at once.
pub(super) async fn listening(connections: &Connections, channel: &str) -> Finding {
    const CHECK: &str = "listening";
    let later = |why: &str| {
        let found = format!(
            "{why}, so nodes find what somebody asks for with their next heartbeat, within a second"
        );
        Finding::new(Severity::Info, CHECK, found, "")
    };
    let listened = timeout(super::TIME_LIMIT, listen(connections, channel, |_| ()));
    let Ok(listened) = listened.await else {
        return super::not_examined(CHECK, "no reply came in time");
    };
    match listened {
        Ok(Listened::Listens(_)) => {
            Finding::ok(CHECK, "what somebody asks for reaches nodes at once")
        }
        Ok(Listened::Pooled) => later("nobody can LISTEN through a pooler in transaction mode"),
        Ok(Listened::Silent) => later("a notification did not come back"),
        Err(error) => super::not_examined(CHECK, &error.to_string()),
    }
}
