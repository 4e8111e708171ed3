//! The texts of the tables. Their columns are the lists of [`fields`], which no other file knows.

use scheduled_one_protocol::fields::{self, Field, Kind};

use crate::rows::sql_type;

/// Changes with the meaning of what is stored. A column more needs no other version: it is added, and a program without
/// it leaves it as it is. This is looked at when a program starts: for those that run already, the version of the
/// protocol has to rise with it, which each request looks at in the row of its bucket.
pub(crate) const VERSION: i64 = 1;

/// What a user needs to do with each table.
pub(crate) const RIGHTS: [(&str, &str); 11] = [
    ("layout", "SELECT"),
    ("meta", "SELECT, INSERT, UPDATE"),
    ("unit", "SELECT, INSERT, UPDATE"),
    ("node", "SELECT, INSERT, UPDATE, DELETE"),
    ("job_list", "SELECT, INSERT, UPDATE, DELETE"),
    ("job", "SELECT, INSERT, UPDATE"),
    ("checkpoint", "SELECT, INSERT, UPDATE"),
    ("ledger", "SELECT, INSERT, DELETE"),
    ("request", "SELECT, INSERT, UPDATE, DELETE"),
    ("asked", "SELECT, INSERT, UPDATE, DELETE"),
    ("trail", "SELECT, INSERT, DELETE"),
];

/// Each tick updates the row of its unit twice. Room in each page, and no index but the key, keep these updates
/// heap-only, and vacuum comes early.
const BUSY: &str =
    "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1";

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The statement that makes it.
    pub(crate) create: String,
    qualified: String,
    /// The columns that later versions may have more of: name, and the whole.
    columns: Vec<(&'static str, String)>,
}

impl Table {
    fn new<T>(
        schema: &str,
        name: &'static str,
        key: &str,
        fields: &[Field<T>],
        with: &str,
    ) -> Self {
        let qualified = format!("\"{schema}\".{name}");
        let columns: Vec<(&str, String)> = fields
            .iter()
            .map(|field| (field.name, column(field)))
            .collect();
        let texts: Vec<&str> = columns.iter().map(|(_, text)| text.as_str()).collect();
        Table {
            create: format!(
                "CREATE TABLE {qualified} (\n  {}{}{key}\n) WITH ({with})",
                texts.join(",\n  "),
                if texts.is_empty() { "" } else { ",\n  " },
            ),
            name,
            qualified,
            columns,
        }
    }

    /// The statement that adds the columns that are missing; none if all are there.
    pub(crate) fn added(&self, there: &[String]) -> Option<String> {
        let is_missing = |(name, _): &&(&str, String)| there.iter().all(|column| column != name);
        let added = self.columns.iter().filter(is_missing);
        let added: Vec<String> = added
            .map(|(_, column)| format!("ADD COLUMN {column}"))
            .collect();
        (!added.is_empty()).then(|| format!("ALTER TABLE {} {}", self.qualified, added.join(", ")))
    }
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

/// All tables, in the order in which they are made.
pub(crate) fn all(schema: &str) -> [Table; 11] {
    let (text, none): (_, &[Field<()>]) = (sql_type(Kind::Text), &[]);
    let by = |key| format!("bucket {text},\n  {key} {text},\n  PRIMARY KEY (bucket, {key})");
    let slow = "autovacuum_vacuum_scale_factor = 0.05";
    [
        Table::new(
            schema,
            "layout",
            "version bigint NOT NULL",
            none,
            "fillfactor = 100",
        ),
        Table::new(
            schema,
            "meta",
            &format!("bucket {text} PRIMARY KEY"),
            fields::META,
            BUSY,
        ),
        Table::new(schema, "unit", &by("name"), fields::RECORD, BUSY),
        Table::new(schema, "node", &by("node"), fields::NODE, BUSY),
        Table::new(
            schema,
            "job_list",
            &format!("bucket {text},\n  PRIMARY KEY (bucket, digest)"),
            fields::JOB_LIST,
            slow,
        ),
        Table::new(schema, "job", &by("name"), fields::CATALOG, slow),
        Table::new(schema, "checkpoint", &by("unit"), fields::CHECKPOINT, slow),
        Table::new(
            schema,
            "ledger",
            &format!(
                "bucket {text},\n  job {text},\n  line bigint GENERATED ALWAYS AS IDENTITY,\n  \
                 PRIMARY KEY (bucket, job, line)"
            ),
            fields::LINE,
            slow,
        ),
        Table::new(
            schema,
            "request",
            &format!(
                "bucket {text},\n  lane {text},\n  tick_ms bigint,\n  PRIMARY KEY (bucket, lane, tick_ms)"
            ),
            fields::REQUEST,
            slow,
        ),
        Table::new(
            schema,
            "asked",
            &format!(
                "bucket {text},\n  unit {text},\n  id {text},\n  tick_ms bigint NOT NULL,\n  \
                 PRIMARY KEY (bucket, unit, id)"
            ),
            none,
            slow,
        ),
        Table::new(
            schema,
            "trail",
            &format!(
                "bucket {text},\n  entry bigint GENERATED ALWAYS AS IDENTITY,\n  PRIMARY KEY (bucket, entry)"
            ),
            fields::TRAIL,
            slow,
        ),
    ]
}

/// The statement that records the version of the tables.
pub(crate) fn set_version(schema: &str, is_there: bool) -> String {
    match is_there {
        true => format!("UPDATE \"{schema}\".layout SET version = {VERSION}"),
        false => format!("INSERT INTO \"{schema}\".layout VALUES ({VERSION})"),
    }
}
