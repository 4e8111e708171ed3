//! Users with fewer rights than a scheduler: the *operator* changes what is wanted of jobs, the *viewer* looks.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout_at};

use crate::ANSWER_TIMEOUT;
use crate::classify::connect_error;
use crate::connect_error::ConnectError;
use crate::preflight;
use crate::schema::{grant_rights, missing_of};
use crate::store::PostgresStore;
use crate::tables::RIGHTS;

/// What an operator needs to do with each table: it writes no line of a ledger and describes no job.
const OPERATOR: [(&str, &str); 11] = [
    ("layout", "SELECT"),
    ("meta", "SELECT, UPDATE"),
    ("unit", "SELECT, INSERT, UPDATE"),
    ("node", "SELECT, UPDATE, DELETE"),
    ("job_list", "SELECT, UPDATE, DELETE"),
    ("job", "SELECT"),
    ("ledger", "SELECT"),
    ("request", "SELECT, INSERT, UPDATE"),
    ("asked", "SELECT, INSERT, UPDATE, DELETE"),
    ("trail", "SELECT, INSERT, DELETE"),
    ("checkpoint", "SELECT"),
];

/// A viewer reads each table.
fn viewer() -> [(&'static str, &'static str); 11] {
    RIGHTS.map(|(table, _)| (table, "SELECT"))
}

/// The statements that grant a user what looking needs: listing, describing, auditing, the trail. It changes nothing.
#[must_use]
pub fn grant_viewer(schema: &str, user: &str) -> String {
    grant_rights(schema, user, &viewer())
}

/// The statements that grant a user what an operator needs: to pause, resume, ask for runs, cancel and backfill. It
/// runs no jobs and writes no line of a ledger.
#[must_use]
pub fn grant_operator(schema: &str, user: &str) -> String {
    grant_rights(schema, user, &OPERATOR)
}

impl PostgresStore {
    /// Examines the server as a start does; a user who lacks rights of a scheduler may have those of an operator or
    /// of a viewer.
    pub(crate) async fn check_for_control(&self) -> Result<(), ConnectError> {
        let refused = match preflight::check(&self.connections, &self.shared).await {
            Ok(_) => return Ok(()),
            Err(refused @ ConnectError::MissingRights { .. }) => refused,
            Err(error) => return Err(error),
        };
        let address = &self.shared.address;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let client = self.connections.get(deadline).await?;
        for (rights, reads) in [(OPERATOR, false), (viewer(), true)] {
            let missing = missing_of(&client, &address.schema, &rights);
            let missing = match timeout_at(deadline, missing).await {
                Ok(missing) => missing.map_err(|error| connect_error(&error, address))?,
                Err(_) => return Err(refused),
            };
            if missing.is_empty() {
                self.shared.reads.store(reads, Ordering::Relaxed);
                self.shared.is_limited.store(true, Ordering::Relaxed);
                client.give_back();
                return Ok(());
            }
        }
        Err(refused)
    }
}
