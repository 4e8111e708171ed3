//! The tables: found, made, and the rights on them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::address::{Address, is_schema};
use crate::classify::{connect_error, describe};
use crate::connect_error::ConnectError;
use crate::statements::BEGIN;
use crate::tables::{self, RIGHTS, Table, VERSION};

/// The advisory lock under which tables are made, in every database: `schedule`, as a number.
const LOCK: i64 = 0x7363_6865_6475_6c65;

/// How often tables are made, if transactions of nodes are in the way.
const ATTEMPTS: u32 = 5;

/// How often a table is locked that others read for long. Requests wait behind each attempt, and go on before the next.
const LOCK_ATTEMPTS: u32 = 3;

/// The time between two of these attempts.
const BETWEEN: Duration = Duration::from_millis(100);

/// Makes the tables, or adds the columns that they lack. Nodes that start at the same time do this one after the other.
///
/// # Errors
///
/// The tables are of a newer version, or the user may not make them: then the error has the statements.
pub(crate) async fn prepare(client: &Client, address: &Address) -> Result<(), ConnectError> {
    let missing = lacking(client, address).await?.statements;
    if missing.is_empty() {
        return Ok(());
    }
    let mut attempt = 1;
    loop {
        let error = match make(client, &address.schema).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // A failed transaction stays open until it is ended.
        let _ = client.batch_execute("ROLLBACK").await;
        let code = error.code().map_or("", |code| code.code());
        let is_deadlock = code.starts_with("40");
        let is_locked = code == "55P03";
        if is_denied(&error) {
            return Err(no_tables(address, &missing, describe(&error)));
        }
        if is_locked && attempt >= LOCK_ATTEMPTS {
            return Err(ConnectError::NotNow {
                place: address.to_string(),
                why: format!(
                    "the tables in schema {} lack what this version needs, and a transaction that is open for long, \
                     such as a dump, keeps them from being changed ({})",
                    address.schema,
                    describe(&error)
                ),
            });
        }
        if !(is_deadlock || is_locked) || attempt == ATTEMPTS {
            return Err(connect_error(&error, address));
        }
        attempt += 1;
        if is_locked {
            sleep(BETWEEN).await;
        }
    }
}

/// What this version lacks of the tables. Changes nothing.
///
/// # Errors
///
/// The tables are of a newer version, or the user may not read which version they have.
pub(crate) async fn lacking(client: &Client, address: &Address) -> Result<Lacking, ConnectError> {
    let found = match look(client, &address.schema).await {
        Ok(found) => found,
        Err(error) if is_denied(&error) => return Err(denied(client, address).await),
        Err(error) => return Err(connect_error(&error, address)),
    };
    found.refuse_newer(address)?;
    Ok(found.lacking(&address.schema))
}

/// What this version lacks of the tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lacking {
    /// The statements that add it, in their order; none if all is there.
    pub(crate) statements: Vec<String>,
    /// No scheduler has started yet.
    pub(crate) is_all: bool,
    /// A table is missing.
    pub(crate) makes: bool,
    /// Tables that lack something.
    pub(crate) altered: Vec<&'static str>,
}

impl Lacking {
    /// The error of a caller that does not make tables.
    pub(crate) fn refuse(&self, address: &Address) -> Result<(), ConnectError> {
        let (place, schema) = (address.to_string(), address.schema.clone());
        match (self.statements.is_empty(), self.is_all) {
            (true, _) => Ok(()),
            (false, true) => Err(ConnectError::NoTablesYet { place, schema }),
            (false, false) => Err(ConnectError::OlderTables { place, schema }),
        }
    }
}

/// The error of a user who may not make the tables.
pub(crate) fn no_tables(address: &Address, missing: &[String], why: String) -> ConnectError {
    ConnectError::NoTables {
        place: address.to_string(),
        schema: address.schema.clone(),
        user: address.user().to_owned(),
        why,
        sql: missing.join(";\n") + ";\n" + &grant(&address.schema, address.user()),
    }
}

/// What is there, in a transaction with the limits of a step: somebody may have locked a table.
async fn look(client: &Client, schema: &str) -> Result<Found, Error> {
    client.batch_execute(BEGIN).await?;
    let found = Found::read(client, schema).await;
    client.batch_execute("ROLLBACK").await?;
    found
}

/// Makes what is missing, in one transaction with limits of time: a process of the server that waits for a lock does
/// not notice that its node gave up, and whoever wants the table waits behind it.
async fn make(client: &Client, schema: &str) -> Result<(), Error> {
    let begin = format!(
        "BEGIN; SET LOCAL statement_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '2s'; \
         SELECT pg_advisory_xact_lock({LOCK}); SET LOCAL lock_timeout = '400ms'"
    );
    client.batch_execute(&begin).await?;
    // Another node may have made them while this one waited; to make them again would lock them against its requests.
    let mut statements = Found::read(client, schema)
        .await?
        .lacking(schema)
        .statements;
    statements.push("COMMIT".to_owned());
    client.batch_execute(&statements.join(";\n")).await
}

/// What is there of a schema.
#[derive(Debug, Default)]
struct Found {
    has_schema: bool,
    /// Columns by table.
    columns: BTreeMap<String, Vec<String>>,
    version: Option<i64>,
}

impl Found {
    async fn read(client: &Client, schema: &str) -> Result<Self, Error> {
        let columns = "SELECT c.relname::text, a.attname::text FROM pg_namespace n \
                       LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') \
                       LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                       WHERE n.nspname = $1";
        let rows = client
            .query_typed(columns, &[(&schema, Type::TEXT)])
            .await?;
        let mut found = Found {
            has_schema: !rows.is_empty(),
            ..Found::default()
        };
        for row in &rows {
            let (table, column): (Option<String>, Option<String>) =
                (row.try_get(0)?, row.try_get(1)?);
            if let (Some(table), Some(column)) = (table, column) {
                found.columns.entry(table).or_default().push(column);
            }
        }
        if found.columns.contains_key("layout") {
            let version = format!("SELECT version FROM \"{schema}\".layout");
            let rows = client.query_typed(&version, &[]).await?;
            found.version = rows.first().map(|row| row.try_get(0)).transpose()?;
        }
        Ok(found)
    }

    fn refuse_newer(&self, address: &Address) -> Result<(), ConnectError> {
        match self.version {
            Some(found) if found > VERSION => Err(ConnectError::NewerSchema {
                place: address.to_string(),
                schema: address.schema.clone(),
                found,
                ours: VERSION,
            }),
            _ => Ok(()),
        }
    }

    /// What is missing, with the statements that make it, in their order.
    fn lacking(&self, schema: &str) -> Lacking {
        let mut lacking = Lacking {
            is_all: self.version.is_none(),
            ..Lacking::default()
        };
        if !self.has_schema {
            lacking
                .statements
                .push(format!("CREATE SCHEMA \"{schema}\""));
        }
        for table in tables::all(schema) {
            let Table { name, create, .. } = &table;
            let Some(columns) = self.columns.get(*name) else {
                lacking.makes = true;
                lacking.statements.push(create.clone());
                continue;
            };
            if let Some(statement) = table.added(columns) {
                lacking.altered.push(name);
                lacking.statements.push(statement);
            }
        }
        if self.version != Some(VERSION) {
            lacking.altered.push("layout");
            let version = tables::set_version(schema, self.version.is_some());
            lacking.statements.push(version);
        }
        lacking
    }
}

fn is_denied(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::INSUFFICIENT_PRIVILEGE)
}

/// The error of a user who may not read the tables.
async fn denied(client: &Client, address: &Address) -> ConnectError {
    match missing_rights(client, &address.schema).await {
        Ok(missing) => missing_error(address, &missing),
        Err(error) => connect_error(&error, address),
    }
}

/// The error that names missing rights.
pub(crate) fn missing_error(address: &Address, missing: &[String]) -> ConnectError {
    ConnectError::MissingRights {
        place: address.to_string(),
        user: address.user().to_owned(),
        missing: missing.join(", "),
        grant: grant(&address.schema, address.user()),
    }
}

/// The rights that the user does not have, of those in [`RIGHTS`]. The tables have to be there.
pub(crate) async fn missing_rights(client: &Client, schema: &str) -> Result<Vec<String>, Error> {
    missing_of(client, schema, &RIGHTS).await
}

/// The rights that the user does not have, of these.
pub(crate) async fn missing_of(
    client: &Client,
    schema: &str,
    wanted: &[(&str, &str)],
) -> Result<Vec<String>, Error> {
    let usage = "SELECT has_schema_privilege($1, 'USAGE')";
    let usage = client
        .query_typed_one(usage, &[(&schema, Type::TEXT)])
        .await?;
    if !usage.try_get::<_, bool>(0)? {
        return Ok(vec![format!("USAGE on the schema {schema}")]);
    }
    let mut missing = Vec::new();
    for (table, rights) in wanted {
        let rights: Vec<&str> = rights.split(", ").collect();
        let name = format!("\"{schema}\".{table}");
        let lacking = "SELECT r FROM unnest($2::text[]) AS r WHERE NOT has_table_privilege($1, r)";
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&name, Type::TEXT), (&rights, Type::TEXT_ARRAY)];
        for row in client.query_typed(lacking, &parameters).await? {
            let right: String = row.try_get(0)?;
            missing.push(format!("{right} on {schema}.{table}"));
        }
    }
    Ok(missing)
}

/// The statements that make the tables in a schema, for those who apply them by hand; with a user, also those that
/// grant it what it needs. They are what the first start makes, in one transaction.
///
/// `cargo run --example postgres_schema` prints them.
///
/// ```
/// let sql = scheduled_one_postgres::schema("scheduled_one", Some("jobs"));
/// assert!(sql.starts_with("BEGIN;\nCREATE SCHEMA \"scheduled_one\";"));
/// assert!(sql.contains("GRANT USAGE ON SCHEMA \"scheduled_one\" TO \"jobs\";"));
/// ```
///
/// # Panics
///
/// If the name of the schema is none that a URL may have: 1 to 63 of `a-z 0-9 _`, the first no digit, and not `pg_`.
#[must_use]
pub fn schema(name: &str, user: Option<&str>) -> String {
    assert!(
        is_schema(name),
        "a schema is 1 to 63 of a-z 0-9 _ and begins with no digit and not with pg_: {name:?}"
    );
    let statements = Found::default().lacking(name).statements;
    let mut text = format!("BEGIN;\n{};\n", statements.join(";\n"));
    if let Some(user) = user {
        text.push_str(&grant(name, user));
    }
    text.push_str("COMMIT;\n");
    text
}

/// The statements that grant a user what it needs of the tables.
pub(crate) fn grant(schema: &str, user: &str) -> String {
    grant_rights(schema, user, &RIGHTS)
}

pub(crate) fn grant_rights(schema: &str, user: &str, rights: &[(&str, &str)]) -> String {
    let user = user.replace('"', "\"\"");
    let mut text = format!("GRANT USAGE ON SCHEMA \"{schema}\" TO \"{user}\";\n");
    for (table, rights) in rights {
        text += &format!("GRANT {rights} ON \"{schema}\".{table} TO \"{user}\";\n");
    }
    text
}
