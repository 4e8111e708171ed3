//! The statements on one bucket.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use scheduled_one_protocol::fields::{LINE, META, RECORD, blank_line};
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::machine::{Meta, Record};
use scheduled_one_protocol::{LedgerRecord, StoreError, UnitName};

use crate::rows::{names, parameters, read, replaced, values};
use crate::schema::ACTIVE;

/// An error of SQLite, or a row that somebody edited.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    Damaged(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

/// The rows of one bucket.
pub(crate) struct Rows<'a> {
    pub(crate) connection: &'a Connection,
    /// The bucket's tag, which is in the key of each row.
    pub(crate) bucket: &'a str,
}

impl Rows<'_> {
    /// Which file this is.
    pub(crate) fn history(&self) -> rusqlite::Result<String> {
        let history = "SELECT id FROM history";
        self.connection.query_row(history, [], |row| row.get(0))
    }

    pub(crate) fn meta(&self) -> Result<Meta, Failure> {
        let select = format!("SELECT {} FROM meta WHERE bucket = ?1", names(META));
        let found = self
            .connection
            .query_row(&select, [self.bucket], |row| {
                read(META, row, 0, Meta::default())
            })
            .optional()?;
        match found {
            None => Ok(Meta::default()),
            Some(Ok(meta)) => Ok(meta),
            Some(Err(Damage { field, value })) => {
                Err(Failure::Damaged(StoreError::Refused(format!(
                    "the table meta has {value} as {field} of {}: somebody edited it; delete the row, and the nodes \
                     write it again",
                    self.bucket
                ))))
            }
        }
    }

    pub(crate) fn save_meta(&self, meta: &Meta) -> rusqlite::Result<()> {
        let upsert = format!(
            "INSERT INTO meta (bucket, {}) VALUES (?1, {}) ON CONFLICT DO UPDATE SET {}",
            names(META),
            parameters(META, 1),
            replaced(META)
        );
        let key = [self.bucket.to_owned().into()];
        let row = key.into_iter().chain(values(META, meta));
        self.connection.execute(&upsert, params_from_iter(row))?;
        Ok(())
    }

    pub(crate) fn records(
        &self,
        units: &BTreeSet<UnitName>,
    ) -> Result<HashMap<UnitName, Record>, Failure> {
        let mut records = HashMap::new();
        if units.is_empty() {
            return Ok(records);
        }
        let select = format!(
            "SELECT {} FROM unit WHERE bucket = ?1 AND name = ?2",
            names(RECORD)
        );
        let mut select = self.connection.prepare(&select)?;
        for unit in units {
            let found = select
                .query_row(params![self.bucket, unit.as_str()], |row| {
                    read(RECORD, row, 0, Record::default())
                })
                .optional()?;
            if let Some(found) = found {
                let record =
                    found.map_err(|damage| Failure::Damaged(StoreError::damaged(unit, &damage)))?;
                records.insert(unit.clone(), record);
            }
        }
        Ok(records)
    }

    /// The records in which something runs or waits. A damaged one is left out.
    pub(crate) fn active_records(&self) -> rusqlite::Result<HashMap<UnitName, Record>> {
        let select = format!(
            "SELECT name, {} FROM unit WHERE bucket = ?1 AND ({ACTIVE})",
            names(RECORD)
        );
        let mut select = self.connection.prepare(&select)?;
        let mut rows = select.query([self.bucket])?;
        let mut records = HashMap::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let unit = UnitName::parse(&name);
            if let (Some(unit), Ok(record)) = (unit, read(RECORD, row, 1, Record::default())?) {
                records.insert(unit, record);
            }
        }
        Ok(records)
    }

    pub(crate) fn save_records<'r>(
        &self,
        records: impl IntoIterator<Item = (&'r UnitName, &'r Record)>,
    ) -> rusqlite::Result<()> {
        let upsert = format!(
            "INSERT INTO unit (bucket, name, {}) VALUES (?1, ?2, {}) ON CONFLICT DO UPDATE SET {}",
            names(RECORD),
            parameters(RECORD, 2),
            replaced(RECORD)
        );
        let mut upsert = self.connection.prepare(&upsert)?;
        for (unit, record) in records {
            let key = [
                self.bucket.to_owned().into(),
                unit.as_str().to_owned().into(),
            ];
            let row = key.into_iter().chain(values(RECORD, record));
            upsert.execute(params_from_iter(row))?;
        }
        Ok(())
    }

    pub(crate) fn nodes(&self) -> rusqlite::Result<BTreeMap<String, i64>> {
        let select = "SELECT node, at_ms FROM node WHERE bucket = ?1";
        let mut select = self.connection.prepare(select)?;
        let nodes = select.query_map([self.bucket], |row| Ok((row.get(0)?, row.get(1)?)))?;
        nodes.collect()
    }

    /// Writes what is different.
    pub(crate) fn save_nodes(
        &self,
        before: &BTreeMap<String, i64>,
        nodes: &BTreeMap<String, i64>,
    ) -> rusqlite::Result<()> {
        let delete = "DELETE FROM node WHERE bucket = ?1 AND node = ?2";
        for gone in before.keys().filter(|node| !nodes.contains_key(*node)) {
            self.connection
                .execute(delete, params![self.bucket, gone])?;
        }
        let upsert = "INSERT INTO node (bucket, node, at_ms) VALUES (?1, ?2, ?3) \
                      ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms";
        let changed = |(node, at_ms): &(&String, &i64)| before.get(*node) != Some(at_ms);
        for (node, at_ms) in nodes.iter().filter(changed) {
            self.connection
                .execute(upsert, params![self.bucket, node, at_ms])?;
        }
        Ok(())
    }

    /// The newest lines of a job's ledger, newest first.
    pub(crate) fn lines(&self, job: &str, limit: usize) -> Result<Vec<LedgerRecord>, Failure> {
        let select = format!(
            "SELECT {} FROM ledger WHERE bucket = ?1 AND job = ?2 ORDER BY line DESC LIMIT ?3",
            names(LINE)
        );
        let mut select = self.connection.prepare(&select)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let lines = select.query_map(params![self.bucket, job, limit], |row| {
            read(LINE, row, 0, blank_line())
        })?;
        let damaged = |Damage { field, value }| {
            Failure::Damaged(StoreError::Refused(format!(
                "a line in the ledger of {job} has {value} as {field}: somebody edited it; delete that row"
            )))
        };
        lines.map(|line| line?.map_err(damaged)).collect()
    }

    /// Appends lines, and deletes the oldest of each ledger that has more than `limit` now.
    pub(crate) fn append(&self, lines: &[LedgerRecord], limit: usize) -> rusqlite::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let insert = format!(
            "INSERT INTO ledger (bucket, job, line, {}) VALUES (?1, ?2, \
             (SELECT coalesce(max(line), 0) + 1 FROM ledger WHERE bucket = ?1 AND job = ?2), {})",
            names(LINE),
            parameters(LINE, 2)
        );
        let mut insert = self.connection.prepare(&insert)?;
        for line in lines {
            let key = [
                self.bucket.to_owned().into(),
                line.unit.job().to_owned().into(),
            ];
            let row = key.into_iter().chain(values(LINE, line));
            insert.execute(params_from_iter(row))?;
        }
        let delete = "DELETE FROM ledger WHERE bucket = ?1 AND job = ?2 AND line <= \
                      (SELECT max(line) FROM ledger WHERE bucket = ?1 AND job = ?2) - ?3";
        let mut delete = self.connection.prepare(delete)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let jobs: BTreeSet<&str> = lines.iter().map(|line| line.unit.job()).collect();
        for job in jobs {
            delete.execute(params![self.bucket, job, limit])?;
        }
        Ok(())
    }
}
