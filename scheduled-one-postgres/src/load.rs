//! The first half of a step: begin, lock, load. Its statements are sent without waiting for each other's replies.

use std::collections::HashMap;

use scheduled_one_protocol::fields::{JOB_LIST, ListOfJobs, META, NODE, RECORD};
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::machine::{LivingNode, Meta, Nodes, Now, Record};
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::{Access, StoreError, TickMs, UnitName, WorkingSet};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::catalog::catalog_of;
use crate::changes::Before;
use crate::classify::{Failure, Stage, failure};
use crate::locks::{CHANGE_DIRECTIVES, ORDER_ENTRIES, READ_DIRECTIVES};
use crate::rows::{Column, read};
use crate::statements::BEGIN;
use crate::step::{MetaLock, Step};
use crate::units::{ONE_BY_ONE, TID};

/// What became of the first half.
pub(crate) enum Loaded {
    /// Everything is locked.
    Set(Box<Before>),
    /// The row of the bucket is missing, and the step wants to lock it.
    NoMeta,
}

/// The rows of a step; `None` of what it does not want.
struct Read {
    survey: Option<Vec<Row>>,
    /// The row of the bucket, if it was locked.
    locked: Option<Vec<Row>>,
    units: Option<Vec<Row>>,
    /// Names of the units that have a row.
    names: Option<Vec<Row>>,
    nodes: Option<Vec<Row>>,
    lists: Option<Vec<Row>>,
    known: HashMap<(UnitName, String), TickMs>,
    catalog: Vec<Row>,
    frame: Option<Vec<Row>>,
}

impl Step<'_> {
    /// The first half. All locks have one order: that of entries of the catalog, that of directives, the turn and the
    /// bucket's row, the units by name. The clock is read when they are held.
    pub(crate) async fn load(&self, client: &Client) -> Result<Loaded, Failure> {
        let failed = |error: Error| failure(&error, Stage::Load);
        let read = self.read_rows(client).await.map_err(failed)?;
        if read.locked.is_some_and(|rows| rows.is_empty()) {
            return Ok(Loaded::NoMeta);
        }
        let units = read.units.unwrap_or_default();
        if read.names.is_some_and(|names| names.len() > units.len()) {
            let born = StoreError::Unavailable("a unit was made meanwhile".to_owned());
            return Err(Failure::Repeat(born));
        }
        let (nodes, lists) = (
            read.nodes.unwrap_or_default(),
            read.lists.unwrap_or_default(),
        );
        let (frame, flushed) = self.frame_of(read.frame.unwrap_or_default().first())?;
        let survey = read
            .survey
            .map(|rows| BucketState::of_records(sound_records(&rows)));
        let mut tids = HashMap::with_capacity(units.len());
        let mut records = HashMap::with_capacity(units.len());
        for row in &units {
            let (unit, record) = record(row, 0)?;
            tids.insert(unit.clone(), row.try_get(TID).map_err(failed)?);
            records.insert(unit, record);
        }
        let mut set = WorkingSet {
            nodes: nodes_of(&nodes, &lists).map_err(failed)?,
            records,
            survey: survey.map(|found| found.survey(frame.now)),
            known_requests: read.known,
            catalog: catalog_of(&read.catalog).map_err(failed)?,
            ..frame
        };
        self.load_requests(client, &mut set).await?;
        set.checkpoint = self.checkpoint(client).await?;
        Ok(Loaded::Set(Box::new(Before::new(set, tids, flushed))))
    }

    /// The locks that come before the row of the bucket: of the catalog, and of directives.
    fn first_locks(&self) -> [Option<&'static str>; 2] {
        let orders_entries = !self.wanted.entries.is_empty() && !self.reads;
        let directives = match self.wanted.directives {
            Access::None => None,
            Access::Reads => Some(READ_DIRECTIVES),
            Access::Changes => Some(CHANGE_DIRECTIVES),
        };
        [orders_entries.then_some(ORDER_ENTRIES), directives]
    }

    fn begin(&self) -> String {
        match self.wanted.units.is_empty() {
            true => BEGIN.to_owned(),
            false => format!("{BEGIN}; {ONE_BY_ONE}"),
        }
    }

    /// Begins the transaction, locks, and reads.
    async fn read_rows(&self, client: &Client) -> Result<Read, Error> {
        let texts = self.statements;
        let bucket = [(&self.bucket as &(dyn ToSql + Sync), Type::TEXT)];
        let units = Column::texts(self.wanted.units.iter().map(|unit| &**unit));
        let with_units = [bucket[0].clone(), units.parameter()];
        let query = |is_wanted: bool, statement, parameters| async move {
            match is_wanted {
                true => client.query_typed(statement, parameters).await.map(Some),
                false => Ok(None),
            }
        };
        let begin = self.begin();
        let [entries, directives] = self.first_locks();
        let units = match self.reads {
            true => &texts.units,
            false => &texts.lock_units,
        };
        // A row that was made while this step waited for a lock is in no row that the lock gave: its statement began
        // before. A step that would write the row is repeated by the key; one that decides by it alone looks again.
        let depends = self.wanted.units.iter().any(|unit| !unit.is_whole());
        // In this order: each is sent when it is polled for the first time.
        let (
            begun,
            survey,
            entered,
            ordered,
            made,
            locked,
            units,
            names,
            nodes,
            lists,
            known,
            catalog,
            frame,
        ) = tokio::join!(
            biased;
            client.batch_execute(&begin),
            // Before the first lock: a scan takes long, and nobody has to wait for it.
            query(self.wanted.survey, &texts.survey, &bucket),
            query(entries.is_some(), entries.unwrap_or_default(), &bucket),
            query(directives.is_some(), directives.unwrap_or_default(), &bucket),
            query(self.meta == MetaLock::Make, &texts.make_meta, &bucket),
            query(self.meta >= MetaLock::Lock, &texts.lock_meta, &bucket),
            query(!self.wanted.units.is_empty(), units, &with_units),
            query(depends, &texts.names_of_units, &with_units),
            query(self.wanted.nodes, &texts.nodes, &bucket),
            query(self.wanted.nodes, &texts.job_lists, &bucket),
            self.known_requests(client),
            self.catalog(client),
            query(true, texts.frame(self.identity), &bucket),
        );
        // The first error in their order is the cause of those behind it.
        begun?;
        let survey = survey?;
        entered?;
        ordered?;
        made?;
        Ok(Read {
            survey,
            locked: locked?,
            units: units?,
            names: names?,
            nodes: nodes?,
            lists: lists?,
            known: known?,
            catalog: catalog?,
            frame: frame?,
        })
    }

    /// The clock, the identity, and the row of the bucket; and the end of the log.
    fn frame_of(&self, row: Option<&Row>) -> Result<(WorkingSet, Option<i64>), Failure> {
        let failed = |error: Error| failure(&error, Stage::Load);
        let none = || StoreError::Unavailable("the server shows no clock".to_owned());
        let row = row.ok_or_else(|| Failure::Fatal(none()))?;
        let now_us: i64 = row.try_get(0).map_err(failed)?;
        let bucket: Option<String> = row.try_get(2).map_err(failed)?;
        let meta = match bucket {
            None => Meta::default(),
            Some(_) => match read(META, row, 3, Meta::default()).map_err(failed)? {
                Ok(meta) => meta,
                Err(Damage { field, value }) => {
                    return Err(Failure::Fatal(StoreError::Refused(format!(
                        "the table meta has {value} as {field} of {}: somebody edited it; delete the row, and the \
                         nodes write it again",
                        self.bucket
                    ))));
                }
            },
        };
        let set = WorkingSet {
            now: Now {
                us: u64::try_from(now_us).unwrap_or_default(),
            },
            serving: row.try_get(1).map_err(failed)?,
            meta,
            ..WorkingSet::default()
        };
        Ok((set, row.try_get(3 + META.len()).map_err(failed)?))
    }
}

/// A unit and its record, behind so many columns. A row that somebody edited refuses the request.
pub(crate) fn record(row: &Row, behind: usize) -> Result<(UnitName, Record), Failure> {
    let failed = |error: Error| failure(&error, Stage::Load);
    let name: String = row.try_get(behind).map_err(failed)?;
    let unit = UnitName::from(name.as_str());
    match read(RECORD, row, behind + 1, Record::default()).map_err(failed)? {
        Ok(record) => Ok((unit, record)),
        Err(damage) => Err(Failure::Fatal(StoreError::damaged(&unit, &damage))),
    }
}

/// A living node, behind so many columns. What somebody edited counts as missing: the next heartbeat writes it again.
pub(crate) fn sound_node(row: &Row, behind: usize) -> Result<Option<(String, LivingNode)>, Error> {
    let identity = row.try_get(behind)?;
    let node = read(NODE, row, behind + 1, LivingNode::default())?;
    Ok(node.ok().map(|node| (identity, node)))
}

/// The living nodes and their lists. What somebody edited counts as missing, also of the lists.
fn nodes_of(nodes: &[Row], lists: &[Row]) -> Result<Nodes, Error> {
    let mut found = Nodes::default();
    for row in nodes {
        found.living.extend(sound_node(row, 0)?);
    }
    for row in lists {
        if let Ok((digest, list)) = read(JOB_LIST, row, 0, ListOfJobs::default())? {
            found.job_lists.insert(digest, list);
        }
    }
    Ok(found)
}

/// Records by unit, without those that somebody edited.
pub(crate) fn sound_records(rows: &[Row]) -> HashMap<UnitName, Record> {
    rows.iter().filter_map(|row| record(row, 0).ok()).collect()
}
