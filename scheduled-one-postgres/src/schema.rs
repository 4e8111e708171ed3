//! The tables, their version, and the rights on them. The columns are the lists of [`fields`].

use std::collections::BTreeMap;

use scheduled_one_protocol::fields::{self, Field, Kind};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::address::Address;
use crate::classify::{connect_error, describe};
use crate::connect_error::ConnectError;
use crate::rows::sql_type;

/// Changes with the meaning of what is stored. A column more needs no other version: it is added, and a program without
/// it leaves it as it is.
const VERSION: i64 = 1;

/// The advisory lock under which tables are made, in every database: `scheduled`, as a number.
const LOCK: i64 = 0x7363_6865_6475_6c65;

/// The tables, and what a user needs to do with each.
pub(crate) const RIGHTS: [(&str, &str); 5] = [
    ("layout", "SELECT"),
    ("meta", "SELECT, INSERT, UPDATE"),
    ("unit", "SELECT, INSERT, UPDATE"),
    ("node", "SELECT, INSERT, UPDATE, DELETE"),
    ("ledger", "SELECT, INSERT, DELETE"),
];

/// Makes the tables, or adds the columns that they lack. Nodes that start at the same time do this one after the other.
///
/// # Errors
///
/// The tables are of a newer version, or the user may not make them: then the error has the statements.
pub(crate) async fn prepare(client: &Client, address: &Address) -> Result<(), ConnectError> {
    if is_complete(client, address).await? {
        return Ok(());
    }
    let made = make(client, &address.schema).await;
    match made {
        Ok(()) => Ok(()),
        Err(error) if is_denied(&error) => Err(ConnectError::NoTables {
            place: address.to_string(),
            schema: address.schema.clone(),
            user: address.user().to_owned(),
            why: describe(&error),
            sql: sql(&address.schema, Some(address.user())),
        }),
        Err(error) => Err(connect_error(&error, address)),
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
    let usage = "SELECT has_schema_privilege($1, 'USAGE')";
    let usage = client
        .query_typed_one(usage, &[(&schema, Type::TEXT)])
        .await?;
    if !usage.try_get::<_, bool>(0)? {
        return Ok(vec![format!("USAGE on the schema {schema}")]);
    }
    let mut missing = Vec::new();
    for (table, rights) in RIGHTS {
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

async fn make(client: &Client, schema: &str) -> Result<(), Error> {
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})");
    client.batch_execute(&lock).await?;
    // Before the right to make schemas is asked for, which `IF NOT EXISTS` asks for, too.
    let exists = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    let exists = client.query_typed(exists, &[(&schema, Type::TEXT)]).await?;
    let statements = statements(schema);
    let skipped = usize::from(!exists.is_empty());
    client
        .batch_execute(&statements[skipped..].join(";\n"))
        .await?;
    client.batch_execute("COMMIT").await
}

/// Whether the tables have all columns.
async fn is_complete(client: &Client, address: &Address) -> Result<bool, ConnectError> {
    let (schema, place) = (&address.schema, address.to_string());
    let columns = "SELECT c.relname::text, a.attname::text FROM pg_attribute a \
                   JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')";
    let rows = client
        .query_typed(columns, &[(schema, Type::TEXT)])
        .await
        .map_err(|error| connect_error(&error, address))?;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        let column = (row.try_get(0), row.try_get(1));
        let (Ok(table), Ok(column)) = column else {
            continue;
        };
        let columns: &mut Vec<String> = found.entry(table).or_default();
        columns.push(column);
    }
    if !found.contains_key("layout") {
        return Ok(false);
    }
    let version = format!("SELECT version FROM \"{schema}\".layout");
    let version = match client.query_typed(&version, &[]).await {
        Ok(rows) => rows,
        Err(error) if is_denied(&error) => return Err(denied(client, address).await),
        Err(error) => return Err(connect_error(&error, address)),
    };
    let version: i64 = version
        .first()
        .and_then(|row| row.try_get(0).ok())
        .unwrap_or(0);
    if version > VERSION {
        return Err(ConnectError::NewerSchema {
            place,
            schema: schema.clone(),
            found: version,
            ours: VERSION,
        });
    }
    let is_there = |table: &str| found.contains_key(table);
    Ok(version == VERSION
        && is_there("node")
        && has_all(&found, "meta", fields::META)
        && has_all(&found, "unit", fields::RECORD)
        && has_all(&found, "ledger", fields::LINE))
}

fn has_all<T>(found: &BTreeMap<String, Vec<String>>, table: &str, fields: &[Field<T>]) -> bool {
    let Some(columns) = found.get(table) else {
        return false;
    };
    fields
        .iter()
        .all(|field| columns.iter().any(|column| column == field.name))
}

/// A column with the value that its field has in an empty record.
fn column<T>(field: &Field<T>) -> String {
    let (name, kind) = (field.name, sql_type(field.kind));
    let default = match field.kind {
        Kind::Int => "0",
        Kind::Flag => "false",
        Kind::Text => "''",
    };
    match field.nullable {
        true => format!("{name} {kind}"),
        false => format!("{name} {kind} NOT NULL DEFAULT {default}"),
    }
}

fn added<T>(table: &str, fields: &[Field<T>]) -> String {
    let columns: Vec<String> = fields
        .iter()
        .map(|field| format!("  ADD COLUMN IF NOT EXISTS {}", column(field)))
        .collect();
    format!("ALTER TABLE {table}\n{}", columns.join(",\n"))
}

/// The statements that make the tables, in their order; the first makes the schema. They can be repeated.
fn statements(schema: &str) -> Vec<String> {
    let text = sql_type(Kind::Text);
    let table = |name: &str| format!("\"{schema}\".{name}");
    // Each tick updates the row of its unit twice. Room in each page, and few indexes, keep these updates heap-only.
    let busy =
        "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1";
    vec![
        format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""),
        format!(
            "CREATE TABLE IF NOT EXISTS {} (version bigint NOT NULL)",
            table("layout")
        ),
        format!(
            "INSERT INTO {0} SELECT 0 WHERE NOT EXISTS (SELECT FROM {0})",
            table("layout")
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {} (bucket {text} PRIMARY KEY) WITH ({busy})",
            table("meta")
        ),
        added(&table("meta"), fields::META),
        format!(
            "CREATE TABLE IF NOT EXISTS {} (bucket {text}, name {text}, PRIMARY KEY (bucket, name)) WITH ({busy})",
            table("unit")
        ),
        added(&table("unit"), fields::RECORD),
        format!(
            "CREATE TABLE IF NOT EXISTS {} (bucket {text}, node {text}, at_ms bigint NOT NULL, \
             PRIMARY KEY (bucket, node)) WITH ({busy})",
            table("node")
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {} (bucket {text}, job {text}, line bigint GENERATED ALWAYS AS IDENTITY, \
             PRIMARY KEY (bucket, job, line)) WITH (autovacuum_vacuum_scale_factor = 0.05)",
            table("ledger")
        ),
        added(&table("ledger"), fields::LINE),
        format!("UPDATE {} SET version = {VERSION}", table("layout")),
    ]
}

/// The statements that make the tables, and grant a user what it needs of them.
pub(crate) fn sql(schema: &str, user: Option<&str>) -> String {
    let mut text = statements(schema).join(";\n");
    text.push_str(";\n");
    if let Some(user) = user {
        text.push_str(&grant(schema, user));
    }
    text
}

/// The statements that grant a user what it needs of the tables.
pub(crate) fn grant(schema: &str, user: &str) -> String {
    let user = user.replace('"', "\"\"");
    let mut text = format!("GRANT USAGE ON SCHEMA \"{schema}\" TO \"{user}\";\n");
    for (table, rights) in RIGHTS {
        text += &format!("GRANT {rights} ON \"{schema}\".{table} TO \"{user}\";\n");
    }
    text
}
