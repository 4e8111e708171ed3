//! One atomic step: begin, lock, load, have it decided, save, commit. The statements of each half are sent without
//! waiting for each other's replies, so a step is two round trips.

use std::collections::{BTreeMap, HashMap};
use std::iter::once;

use scheduled_one_protocol::fields::{JOB_LIST, ListOfJobs, META, NODE, RECORD};
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::machine::{LivingNode, Meta, Nodes, Now, Record};
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::{Access, StoreError, UnitName, Wanted, WorkingSet};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::changes::{Before, Changes};
use crate::classify::{Failure, Stage, failure};
use crate::identity::Identity;
use crate::rows::{Column, read};
use crate::statements::{BEGIN, CHANGE_DIRECTIVES, READ_DIRECTIVES, Statements};

/// What a step needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) statements: &'a Statements,
    /// The bucket's tag.
    pub(crate) bucket: &'a str,
    pub(crate) wanted: &'a Wanted,
    pub(crate) identity: Identity,
    pub(crate) meta: MetaLock,
    /// The user may only read: nothing is locked, and nothing is saved.
    pub(crate) reads: bool,
}

/// How a step treats the row of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MetaLock {
    /// It is read: nearly all steps leave it as it is.
    Read,
    /// It is locked.
    Lock,
    /// It is made if it is missing, and locked.
    Make,
}

/// What became of the first half.
pub(crate) enum Loaded {
    /// Everything is locked.
    Set(Box<Before>),
    /// The row of the bucket is missing, and the step wants to lock it.
    NoMeta,
}

impl Step<'_> {
    /// The first half. Rows are locked in one order: the bucket's, then the units by name. The clock is read when they
    /// are.
    pub(crate) async fn load(&self, client: &Client) -> Result<Loaded, Failure> {
        let Statements {
            make_meta,
            lock_meta,
            lock_units,
            units: read_units,
            names_of_units,
            nodes,
            job_lists,
            survey,
            ..
        } = self.statements;
        let bucket = [(&self.bucket as &(dyn ToSql + Sync), Type::TEXT)];
        let units = Column::texts(self.wanted.units.iter().map(|unit| &**unit));
        let with_units = [bucket[0].clone(), units.parameter()];
        let frame = self.statements.frame(self.identity);
        let query = |is_wanted: bool, statement, parameters| async move {
            match is_wanted {
                true => client.query_typed(statement, parameters).await.map(Some),
                false => Ok(None),
            }
        };
        // A row that was made while this step waited for a lock is in no row that the lock gave: its statement began
        // before. A step that would write the row is repeated by the key; one that decides by it alone looks again.
        let depends = self.wanted.units.iter().any(|unit| !unit.is_whole());
        // In this order: each is sent when it is polled for the first time.
        let order = match self.wanted.directives {
            Access::None => None,
            Access::Reads => Some(READ_DIRECTIVES),
            Access::Changes => Some(CHANGE_DIRECTIVES),
        };
        let (begun, survey, ordered, made, locked, units, names, nodes, lists, known, frame) = tokio::join!(
            biased;
            client.batch_execute(BEGIN),
            // Before the first lock: a scan takes long, and nobody has to wait for it.
            query(self.wanted.survey, survey, &bucket),
            query(order.is_some(), order.unwrap_or_default(), &bucket),
            query(self.meta == MetaLock::Make, make_meta, &bucket),
            query(self.meta >= MetaLock::Lock, lock_meta, &bucket),
            query(
                !self.wanted.units.is_empty(),
                if self.reads { read_units } else { lock_units },
                &with_units
            ),
            query(depends, names_of_units, &with_units),
            query(self.wanted.nodes, nodes, &bucket),
            query(self.wanted.nodes, job_lists, &bucket),
            self.known_requests(client),
            query(true, frame, &bucket),
        );
        let failed = |error: Error| failure(&error, Stage::Load);
        begun.map_err(failed)?;
        let survey = survey.map_err(failed)?;
        ordered.map_err(failed)?;
        made.map_err(failed)?;
        let locked = locked.map_err(failed)?;
        if locked.is_some_and(|rows| rows.is_empty()) {
            return Ok(Loaded::NoMeta);
        }
        let units = units.map_err(failed)?.unwrap_or_default();
        if names
            .map_err(failed)?
            .is_some_and(|names| names.len() > units.len())
        {
            let born = StoreError::Unavailable("a unit was made meanwhile".to_owned());
            return Err(Failure::Repeat(born));
        }
        let nodes = nodes.map_err(failed)?.unwrap_or_default();
        let lists = lists.map_err(failed)?.unwrap_or_default();
        let frame = frame.map_err(failed)?.unwrap_or_default();
        let frame = self.frame_of(frame.first())?;
        let records = units.iter().map(record).collect::<Result<_, _>>()?;
        let mut set = WorkingSet {
            nodes: nodes_of(&nodes, &lists).map_err(failed)?,
            records,
            survey: survey
                .map(|rows| BucketState::of_records(sound_records(&rows)).survey(frame.now)),
            known_requests: known.map_err(failed)?,
            ..frame
        };
        self.load_requests(client, &mut set).await?;
        set.catalog = self.catalog(client).await.map_err(failed)?;
        set.checkpoint = self.checkpoint(client).await?;
        Ok(Loaded::Set(Box::new(Before::new(set))))
    }

    /// The clock, the identity, and the row of the bucket.
    fn frame_of(&self, row: Option<&Row>) -> Result<WorkingSet, Failure> {
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
        Ok(WorkingSet {
            now: Now {
                us: u64::try_from(now_us).unwrap_or_default(),
            },
            serving: row.try_get(1).map_err(failed)?,
            meta,
            ..WorkingSet::default()
        })
    }

    /// One statement of the second half, if it has anything to do.
    pub(crate) async fn execute(
        &self,
        client: &Client,
        statement: &str,
        columns: Option<Vec<&Column>>,
    ) -> Result<Vec<Row>, Error> {
        let Some(columns) = columns else {
            return Ok(Vec::new());
        };
        let bucket = (&self.bucket as &(dyn ToSql + Sync), Type::TEXT);
        let columns = columns.into_iter().map(Column::parameter);
        let parameters: Vec<_> = once(bucket).chain(columns).collect();
        client.query_typed(statement, &parameters).await
    }

    /// The second half. Also without changes the transaction is committed: a synchronous standby may lack what it saw,
    /// if the server was restarted while a commit waited for that; the locks of this transaction are written to the
    /// log behind it, so this commit waits for both. Returns the newest line of each ledger that
    /// has a new one.
    pub(crate) async fn save(
        &self,
        client: &Client,
        changes: &Changes,
    ) -> Result<BTreeMap<String, i64>, Failure> {
        let failed = |stage| move |error: Error| failure(&error, stage);
        if changes.is_nothing() {
            let committed = client.batch_execute("COMMIT").await;
            committed.map_err(failed(Stage::Commit))?;
            return Ok(BTreeMap::new());
        }
        let texts = self.statements;
        let meta = changes
            .meta
            .as_ref()
            .map(|columns| columns.iter().collect());
        let gone = changes.gone_nodes.as_ref().map(|nodes| vec![nodes]);
        let gone_lists = changes.gone_lists.as_ref().map(|lists| vec![lists]);
        let lists = changes.job_lists.as_ref();
        let lists = lists.map(|lists| lists.iter().collect());
        // Rare, and not sent along with the others: each statement waits for the one before.
        let requests = self.save_requests(client, &changes.requests).await;
        requests.map_err(failed(Stage::Save))?;
        let updated = changes.updated.as_ref();
        let update = updated.map_or("", |updated| &updated.statement);
        let updated = updated.map(|updated| once(&updated.names).chain(&updated.columns).collect());
        let catalog = all(&changes.catalog);
        let catalog = self.execute(client, &texts.save_catalog, catalog).await;
        catalog.map_err(failed(Stage::Save))?;
        let left = all(&changes.checkpoint);
        let left = self.execute(client, &texts.save_checkpoint, left).await;
        left.map_err(failed(Stage::Save))?;
        let (one, two, three, four, five, six, seven, lines, committed) = tokio::join!(
            biased;
            self.execute(client, &texts.save_meta, meta),
            self.execute(client, update, updated),
            self.execute(client, &texts.insert_units, all(&changes.inserted)),
            self.execute(client, &texts.delete_nodes, gone),
            self.execute(client, &texts.save_nodes, all(&changes.nodes)),
            self.execute(client, &texts.delete_lists, gone_lists),
            self.execute(client, &texts.save_lists, lists),
            self.execute(client, &texts.append, all(&changes.lines)),
            client.batch_execute("COMMIT"),
        );
        for saved in [one, two, three, four, five, six, seven] {
            saved.map_err(failed(Stage::Save))?;
        }
        let lines = lines.map_err(failed(Stage::Save))?;
        committed.map_err(failed(Stage::Commit))?;
        let newest = lines.iter().map(pair).collect::<Result<_, _>>();
        newest.map_err(failed(Stage::Commit))
    }
}

fn all(columns: &Option<(Column, Vec<Column>)>) -> Option<Vec<&Column>> {
    let (first, others) = columns.as_ref()?;
    Some(once(first).chain(others).collect())
}

/// A unit and its record. A row that somebody edited refuses the request.
pub(crate) fn record(row: &Row) -> Result<(UnitName, Record), Failure> {
    let failed = |error: Error| failure(&error, Stage::Load);
    let name: String = row.try_get(0).map_err(failed)?;
    let unit = UnitName::from(name.as_str());
    match read(RECORD, row, 1, Record::default()).map_err(failed)? {
        Ok(record) => Ok((unit, record)),
        Err(damage) => Err(Failure::Fatal(StoreError::damaged(&unit, &damage))),
    }
}

/// The living nodes and their lists. What somebody edited counts as missing: the next heartbeat writes it again.
fn nodes_of(nodes: &[Row], lists: &[Row]) -> Result<Nodes, Error> {
    let mut found = Nodes::default();
    for row in nodes {
        if let Ok(node) = read(NODE, row, 1, LivingNode::default())? {
            found.living.insert(row.try_get(0)?, node);
        }
    }
    for row in lists {
        if let Ok((digest, list)) = read(JOB_LIST, row, 0, ListOfJobs::default())? {
            found.job_lists.insert(digest, list);
        }
    }
    Ok(found)
}

/// A name and a number.
fn pair(row: &Row) -> Result<(String, i64), Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Records by unit, without those that somebody edited.
pub(crate) fn sound_records(rows: &[Row]) -> HashMap<UnitName, Record> {
    rows.iter().filter_map(|row| record(row).ok()).collect()
}
