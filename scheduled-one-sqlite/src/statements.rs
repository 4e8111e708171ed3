//! The statements on one bucket.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use scheduled_one_protocol::fields::{JOB_LIST, LINE, ListOfJobs, META, NODE, RECORD, blank_line};
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::machine::{LivingNode, Meta, Nodes, Record};
use scheduled_one_protocol::message::{JobList, JobsDigest};
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
    /// Which file this is, and the version of its tables, which a newer program may have changed.
    pub(crate) fn history(&self) -> rusqlite::Result<(String, i64)> {
        let history = "SELECT id, user_version FROM history, pragma_user_version";
        self.connection
            .query_row(history, [], |row| Ok((row.get(0)?, row.get(1)?)))
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

    /// The records in which something runs or waits, or of which a tick was due at an instant. A damaged one is left
    /// out.
    pub(crate) fn active_records(
        &self,
        due_ms: i64,
    ) -> rusqlite::Result<HashMap<UnitName, Record>> {
        let select = format!(
            "SELECT name, {0} FROM unit WHERE bucket = ?1 AND ({ACTIVE}) UNION \
             SELECT name, {0} FROM unit WHERE bucket = ?1 AND next_due_ms <= ?2",
            names(RECORD)
        );
        let mut select = self.connection.prepare(&select)?;
        let mut rows = select.query(params![self.bucket, due_ms])?;
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

    pub(crate) fn nodes(&self) -> rusqlite::Result<Nodes> {
        let select = format!("SELECT node, {} FROM node WHERE bucket = ?1", names(NODE));
        let mut select = self.connection.prepare(&select)?;
        let living = select.query_map([self.bucket], |row| {
            let node = read(NODE, row, 1, LivingNode::default())?;
            Ok((row.get(0)?, node))
        })?;
        let select = format!("SELECT {} FROM job_list WHERE bucket = ?1", names(JOB_LIST));
        let mut select = self.connection.prepare(&select)?;
        let lists = select.query_map([self.bucket], |row| {
            read(JOB_LIST, row, 0, ListOfJobs::default())
        })?;
        // What somebody edited counts as missing: the next heartbeat writes it again.
        let sound =
            |(identity, node): (String, Result<LivingNode, Damage>)| Some((identity, node.ok()?));
        Ok(Nodes {
            living: living
                .filter_map(|row| row.map(sound).transpose())
                .collect::<Result<_, _>>()?,
            job_lists: lists
                .filter_map(|row| row.map(Result::ok).transpose())
                .collect::<Result<_, _>>()?,
        })
    }

    /// Writes what is different.
    pub(crate) fn save_nodes(&self, before: &Nodes, nodes: &Nodes) -> rusqlite::Result<()> {
        let delete = "DELETE FROM node WHERE bucket = ?1 AND node = ?2";
        let is_gone = |node: &&String| !nodes.living.contains_key(*node);
        for gone in before.living.keys().filter(is_gone) {
            self.connection
                .execute(delete, params![self.bucket, gone])?;
        }
        let upsert = format!(
            "INSERT INTO node (bucket, node, {}) VALUES (?1, ?2, {}) ON CONFLICT DO UPDATE SET {}",
            names(NODE),
            parameters(NODE, 2),
            replaced(NODE)
        );
        for (identity, node) in &nodes.living {
            if before.living.get(identity) != Some(node) {
                let key = [self.bucket.to_owned().into(), identity.clone().into()];
                let row = key.into_iter().chain(values(NODE, node));
                self.connection.execute(&upsert, params_from_iter(row))?;
            }
        }
        self.save_lists(&before.job_lists, &nodes.job_lists)
    }

    fn save_lists(
        &self,
        before: &BTreeMap<JobsDigest, JobList>,
        lists: &BTreeMap<JobsDigest, JobList>,
    ) -> rusqlite::Result<()> {
        let delete = "DELETE FROM job_list WHERE bucket = ?1 AND digest = ?2";
        for gone in before.keys().filter(|digest| !lists.contains_key(digest)) {
            self.connection
                .execute(delete, params![self.bucket, gone.to_string()])?;
        }
        let upsert = format!(
            "INSERT INTO job_list (bucket, {}) VALUES (?1, {}) ON CONFLICT DO UPDATE SET {}",
            names(JOB_LIST),
            parameters(JOB_LIST, 1),
            replaced(JOB_LIST)
        );
        for (digest, list) in lists {
            if before.get(digest) != Some(list) {
                let key = [self.bucket.to_owned().into()];
                let row = values(JOB_LIST, &(*digest, list.clone()));
                let row = key.into_iter().chain(row);
                self.connection.execute(&upsert, params_from_iter(row))?;
            }
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
