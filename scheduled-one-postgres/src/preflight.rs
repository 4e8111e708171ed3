//! Examines a server before the first job depends on it. A start makes the tables. Errors name the fault and the
//! remedy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use scheduled_one_protocol::{Finding, Severity};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Client, Error};

use crate::address::Address;
use crate::classify::connect_error;
use crate::connect_error::ConnectError;
use crate::connections::Connections;
use crate::limited::{self, Role};
use crate::schema::Lacking;
use crate::shared::Shared;
use crate::{doctor, schema};

/// Longest time of the whole examination.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The oldest version, as `server_version_num` has it.
const OLDEST: i32 = 130_000;

/// Encodings of a database that keep every text: `SQL_ASCII` keeps the bytes that it is given. With another one, a text
/// that it cannot encode would be refused again and again, together with all outcomes that are reported with it.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];

/// Facts about a server that every user may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) version: String,
    pub(crate) version_number: i32,
    /// How the database encodes texts.
    pub(crate) encoding: String,
    pub(crate) is_standby: bool,
    pub(crate) is_read_only: bool,
    pub(crate) user: String,
    pub(crate) fsync: String,
    pub(crate) synchronous_commit: String,
    pub(crate) synchronous_standbys: String,
    /// Servers that follow, or take a backup.
    pub(crate) standbys: i64,
    pub(crate) wal_sender_timeout_ms: i64,
    pub(crate) max_connections: i64,
    pub(crate) connections: i64,
    /// The password file, if others may read it.
    pub(crate) exposed_file: Option<PathBuf>,
    /// What the tables lack. With anything, rights on them are unknown.
    pub(crate) lacking: Lacking,
    /// Whose rights the user has.
    pub(crate) role: Role,
    /// The rights of a scheduler that it lacks.
    pub(crate) missing: Vec<String>,
}

impl Facts {
    /// The error of a scheduler whose user lacks rights.
    fn refuse_without_rights(&self, address: &Address) -> Result<(), ConnectError> {
        match self.missing.is_empty() {
            true => Ok(()),
            false => Err(schema::missing_error(address, &self.missing)),
        }
    }
}

/// Examines all that would make jobs fail later. Returns the warnings.
pub(crate) async fn check(
    connections: &Connections,
    shared: &Shared,
) -> Result<Vec<Finding>, ConnectError> {
    let facts = examine(connections, shared, Tables::Make).await?;
    facts.refuse_without_rights(&shared.address)?;
    let findings = doctor::of_facts(&facts);
    let warnings = findings
        .into_iter()
        .filter(|finding| finding.severity >= Severity::Warning);
    Ok(warnings.collect())
}

/// What an examination does with tables that are missing, or lack something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// It makes them: a scheduler starts.
    Make,
    /// It says so, and changes nothing.
    Look,
}

/// The examination at start, which the doctor makes, too. Missing rights are facts. Takes 3 s at most.
pub(crate) async fn examine(
    connections: &Connections,
    shared: &Shared,
    tables: Tables,
) -> Result<Facts, ConnectError> {
    let address = &shared.address;
    let exposed = check_password_file(address).await?;
    let deadline = Instant::now() + TIME_LIMIT;
    let late = |_| ConnectError::Unreachable {
        place: address.to_string(),
        why: format!("its replies took more than {TIME_LIMIT:?}"),
    };
    let client = connections.get(deadline).await?;
    let examining = async {
        let failed = |error: Error| connect_error(&error, address);
        let mut facts = facts(&client).await.map_err(failed)?;
        refuse(&facts, address)?;
        facts.exposed_file = exposed;
        match tables {
            Tables::Make => schema::prepare(&client, address).await?,
            Tables::Look => facts.lacking = schema::lacking(&client, address).await?,
        }
        if facts.lacking.statements.is_empty() {
            let role = limited::role(&client, &address.schema).await;
            (facts.role, facts.missing) = role.map_err(failed)?;
        }
        Ok(facts)
    };
    let facts = timeout_at(deadline, examining).await.map_err(late)??;
    client.give_back();
    Ok(facts)
}

/// Reads the password file; returns its path if others may read it. On a thread for blocking calls, because the disk of
/// the file may hang.
async fn check_password_file(address: &Address) -> Result<Option<PathBuf>, ConnectError> {
    let address = address.clone();
    let read = move || {
        let exposed = address.password.exposed().map(Path::to_owned);
        address.passwords().map(|_| exposed)
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.unwrap_or_else(|error| Err(error.to_string()));
    read.map_err(|why| ConnectError::BadFile {
        parameter: "passfile",
        why,
    })
}

async fn facts(client: &Client) -> Result<Facts, Error> {
    let select = "SELECT current_setting('server_version'), current_setting('server_version_num')::int, \
                  pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', current_user::text, \
                  current_setting('fsync'), current_setting('synchronous_commit'), \
                  current_setting('synchronous_standby_names'), current_setting('max_connections')::bigint, \
                  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' OR backend_type IS NULL), \
                  (SELECT count(*) FROM pg_stat_replication), \
                  (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_sender_timeout'), \
                  current_setting('server_encoding')";
    let row = client.query_typed_one(select, &[]).await?;
    Ok(Facts {
        version: row.try_get(0)?,
        version_number: row.try_get(1)?,
        is_standby: row.try_get(2)?,
        is_read_only: row.try_get(3)?,
        user: row.try_get(4)?,
        fsync: row.try_get(5)?,
        synchronous_commit: row.try_get(6)?,
        synchronous_standbys: row.try_get(7)?,
        max_connections: row.try_get(8)?,
        connections: row.try_get(9)?,
        standbys: row.try_get(10)?,
        wal_sender_timeout_ms: row.try_get(11)?,
        encoding: row.try_get(12)?,
        ..Facts::default()
    })
}

fn refuse(facts: &Facts, address: &Address) -> Result<(), ConnectError> {
    let place = address.to_string();
    if facts.version_number < OLDEST {
        let version = facts.version.clone();
        return Err(ConnectError::TooOld { place, version });
    }
    if !ENCODINGS.contains(&facts.encoding.as_str()) {
        let why = format!(
            "its database encodes texts as {}, which lacks characters that jobs may write; make another one for the \
             scheduler, with all of them: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'",
            facts.encoding
        );
        return Err(ConnectError::Refused { place, why });
    }
    if facts.is_standby || facts.is_read_only {
        let why = match facts.is_standby {
            true => "it is a standby",
            false => "default_transaction_read_only is on",
        };
        let why = why.to_owned();
        return Err(ConnectError::ReadOnly { place, why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_and_a_standby_are_refused() {
        let address = Address::new("postgres://ann@db/app", &|_| None).unwrap();
        let facts = Facts {
            version: "12.9".to_owned(),
            version_number: 120_009,
            ..Facts::default()
        };
        let error = refuse(&facts, &address).unwrap_err().to_string();
        assert!(error.contains("version 12.9; 13 or newer"), "{error}");
        let facts = Facts {
            version_number: OLDEST,
            encoding: "UTF8".to_owned(),
            ..Facts::default()
        };
        assert_eq!(refuse(&facts, &address), Ok(()));
        let facts = Facts {
            is_standby: true,
            ..facts
        };
        let error = refuse(&facts, &address).unwrap_err().to_string();
        assert!(
            error.contains("db:5432/app takes no writes (it is a standby)"),
            "{error}"
        );
    }
}
