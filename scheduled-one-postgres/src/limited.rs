//! Whose rights a user has: those of a scheduler, or fewer. The *operator* changes what is wanted of jobs, the *viewer*
//! looks.

use tokio_postgres::{Client, Error};

use crate::schema::{grant_rights, missing_of};
use crate::tables::RIGHTS;

/// What an operator needs to do with each table: it writes no line of a ledger and describes no job.
const OPERATOR: [(&str, &str); 11] = [
    ("layout", "SELECT"),
    ("meta", "SELECT, INSERT, UPDATE"),
    ("unit", "SELECT, INSERT, UPDATE"),
    ("node", "SELECT, DELETE"),
    ("job_list", "SELECT, DELETE"),
    ("job", "SELECT"),
    ("ledger", "SELECT"),
    ("request", "SELECT, INSERT, UPDATE"),
    ("asked", "SELECT, INSERT, UPDATE, DELETE"),
    ("trail", "SELECT, INSERT, DELETE"),
    ("checkpoint", "SELECT"),
];

/// A viewer reads the tables, but not what runs were asked for with.
fn viewer() -> Vec<(&'static str, &'static str)> {
    let tables = RIGHTS.iter().filter(|(table, _)| *table != "request");
    tables.map(|(table, _)| (*table, "SELECT")).collect()
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

/// Whose rights a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    Scheduler,
    Operator,
    Viewer,
    #[default]
    None,
}

/// The most that a user may be, and the rights of a scheduler that it lacks.
pub(crate) async fn role(client: &Client, schema: &str) -> Result<(Role, Vec<String>), Error> {
    let missing = missing_of(client, schema, &RIGHTS).await?;
    if missing.is_empty() {
        return Ok((Role::Scheduler, missing));
    }
    for (role, rights) in [
        (Role::Operator, OPERATOR.to_vec()),
        (Role::Viewer, viewer()),
    ] {
        if missing_of(client, schema, &rights).await?.is_empty() {
            return Ok((role, missing));
        }
    }
    Ok((Role::None, missing))
}
