//! What a step has changed: the difference between what was loaded and what was decided.

use std::collections::HashMap;

use scheduled_one_protocol::fields::{
    CATALOG, CHECKPOINT, Field, JOB_LIST, ListOfJobs, META, NODE, RECORD,
};
use scheduled_one_protocol::machine::{LivingNode, Meta, Nodes, Record};
use scheduled_one_protocol::{Beat, Catalog, CatalogEntry, Statement, UnitName, WorkingSet};

use crate::ledger::Appended;
use crate::requests::RequestChanges;
use crate::rows::{Column, columns, shortened};
use crate::seen::Server;
use crate::statements::Statements;
use crate::tid::Tid;
use crate::units;

/// What was loaded.
pub(crate) struct Before {
    pub(crate) set: WorkingSet,
    /// The server that it was loaded from.
    pub(crate) server: Server,
    meta: Meta,
    nodes: Nodes,
    catalog: Catalog,
    /// The rows of the records, which are locked.
    tids: HashMap<UnitName, Tid>,
}

impl Before {
    /// The identity of the history that the bucket has stored.
    pub(crate) fn stored(&self) -> &str {
        &self.meta.serving
    }

    /// Whether the row of the bucket stays as it is.
    pub(crate) fn is_meta_kept(&self) -> bool {
        self.meta == self.set.meta
    }

    /// Whether nothing changes but what a heartbeat says of its node.
    pub(crate) fn is_only(&self, beat: &Beat) -> bool {
        let mut expected = self.nodes.clone();
        let living = LivingNode {
            beat_ms: self.set.now.ms(),
            ..beat.living.clone()
        };
        let is_known = expected.living.insert(beat.node.clone(), living).is_some();
        is_known && expected == self.set.nodes && self.is_meta_kept() && !self.is_asked_for()
    }

    /// Whether something changes that somebody asked for, and not only what each request keeps up.
    pub(crate) fn is_asked_for(&self) -> bool {
        let set = &self.set;
        let has_changes = set.has_request_changes()
            || set.new_checkpoint.is_some()
            || self.catalog != set.catalog;
        has_changes
            || !(set.touched.is_empty() && set.lines.is_empty() && set.trail.is_empty())
            || self.meta.directives != set.meta.directives
    }

    pub(crate) fn new(set: WorkingSet, tids: HashMap<UnitName, Tid>, flushed: Option<i64>) -> Self {
        Before {
            server: Server {
                identity: set.serving.clone(),
                flushed,
                now_us: set.now.us,
            },
            meta: set.meta.clone(),
            nodes: set.nodes.clone(),
            catalog: set.catalog.clone(),
            tids,
            set,
        }
    }
}

/// Units whose rows exist.
#[derive(Debug)]
pub(crate) struct Updated {
    /// The statement for the fields that are another in at least one of them.
    pub(crate) statement: String,
    pub(crate) tids: Column,
    /// Those fields of all of them.
    pub(crate) columns: Vec<Column>,
}

impl Updated {
    /// `None` if nothing is another.
    fn of(before: &Before, units: &[(&UnitName, &Record)], table: &str) -> Option<Self> {
        let old: Vec<Option<&Record>> = units
            .iter()
            .map(|(unit, _)| before.set.before.get(*unit))
            .collect();
        let is_another = |field: &&Field<Record>| {
            let mut pairs = old.iter().zip(units);
            pairs.any(|(old, (_, new))| old.is_none_or(|old| (field.get)(old) != (field.get)(new)))
        };
        let fields: Vec<&'static Field<Record>> = RECORD.iter().filter(is_another).collect();
        if fields.is_empty() {
            return None;
        }
        let tids = units.iter().map(|(unit, _)| before.tids[*unit]);
        let records: Vec<&Record> = units.iter().map(|(_, record)| *record).collect();
        let columns = shortened(fields.iter().copied(), &records);
        Some(Updated {
            statement: units::update(table, &fields, &columns),
            tids: Column::Tids(tids.collect()),
            columns,
        })
    }
}

/// What has to be saved.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) meta: Option<Vec<Column>>,
    pub(crate) updated: Option<Updated>,
    /// Those of units without a row.
    pub(crate) inserted: Option<(Column, Vec<Column>)>,
    pub(crate) gone_nodes: Option<Column>,
    /// Identities and columns.
    pub(crate) nodes: Option<(Column, Vec<Column>)>,
    pub(crate) gone_lists: Option<Column>,
    pub(crate) job_lists: Option<Vec<Column>>,
    pub(crate) catalog: Option<(Column, Vec<Column>)>,
    pub(crate) checkpoint: Option<(Column, Vec<Column>)>,
    pub(crate) lines: Option<Appended>,
    pub(crate) requests: RequestChanges,
    /// Statements of a job.
    pub(crate) statements: Vec<Statement>,
    /// A job and its units, of which nothing is stored any more.
    pub(crate) forgotten: Option<[Column; 2]>,
}

impl Changes {
    /// Compares a decided set with what was loaded. `trims`: the newest line of each ledger is wanted.
    pub(crate) fn of(before: &Before, statements: &Statements, trims: bool) -> Self {
        let set = &before.set;
        let touched = set.touched.iter();
        let touched = touched.filter_map(|unit| set.records.get_key_value(unit));
        let (updated, inserted): (Vec<_>, Vec<_>) =
            touched.partition(|(unit, _)| before.tids.contains_key(*unit));
        let gone = before.nodes.living.keys();
        let gone = gone.filter(|node| !set.nodes.living.contains_key(*node));
        let gone: Vec<&str> = gone.map(String::as_str).collect();
        let living = set.nodes.living.iter();
        let (identities, living): (Vec<&str>, Vec<_>) = living
            .filter(|(node, seen)| before.nodes.living.get(*node) != Some(seen))
            .map(|(node, seen)| (node.as_str(), seen))
            .unzip();
        let (old_lists, lists) = (&before.nodes.job_lists, &set.nodes.job_lists);
        let gone_lists = old_lists
            .keys()
            .filter(|digest| !lists.contains_key(digest));
        let gone_lists: Vec<String> = gone_lists.map(ToString::to_string).collect();
        let new_lists = lists.iter();
        let new_lists: Vec<ListOfJobs> = new_lists
            .filter(|(digest, list)| old_lists.get(digest) != Some(list))
            .map(|(digest, list)| (*digest, list.clone()))
            .collect();
        Changes {
            meta: (before.meta != set.meta).then(|| columns(META, &[&set.meta])),
            updated: Updated::of(before, &updated, &statements.unit),
            inserted: units(&inserted),
            gone_nodes: (!gone.is_empty()).then(|| Column::texts(gone)),
            nodes: (!living.is_empty())
                .then(|| (Column::texts(identities), columns(NODE, &living))),
            gone_lists: (!gone_lists.is_empty())
                .then(|| Column::texts(gone_lists.iter().map(String::as_str))),
            job_lists: (!new_lists.is_empty())
                .then(|| columns(JOB_LIST, &new_lists.iter().collect::<Vec<_>>())),
            lines: Appended::of(&set.lines, &statements.ledger, trims),
            catalog: new_entries(&before.catalog, set),
            checkpoint: new_checkpoint(set),
            requests: RequestChanges::of(set),
            statements: set.statements.clone(),
            forgotten: set.forgotten.as_ref().map(|(job, units)| {
                let job = Column::texts([job.as_str()]);
                [job, Column::texts(units.iter().map(|unit| unit.as_str()))]
            }),
        }
    }

    /// Whether the row of the bucket changes.
    pub(crate) fn has_meta(&self) -> bool {
        self.meta.is_some()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        let Changes {
            meta,
            updated,
            inserted,
            gone_nodes,
            nodes,
            gone_lists,
            job_lists,
            catalog,
            checkpoint,
            lines,
            requests,
            statements,
            forgotten,
        } = self;
        let units = updated.is_none() && inserted.is_none();
        let nodes = gone_nodes.is_none() && nodes.is_none();
        let lists = gone_lists.is_none() && job_lists.is_none();
        let requests = requests.is_nothing();
        let catalog = catalog.is_none() && checkpoint.is_none() && forgotten.is_none();
        let lines = lines.is_none() && statements.is_empty();
        meta.is_none() && units && nodes && lists && catalog && lines && requests
    }
}

/// Names and columns; `None` for no units.
fn units(units: &[(&UnitName, &Record)]) -> Option<(Column, Vec<Column>)> {
    if units.is_empty() {
        return None;
    }
    let names = Column::texts(units.iter().map(|(unit, _)| unit.as_str()));
    let records: Vec<&Record> = units.iter().map(|(_, record)| *record).collect();
    Some((names, columns(RECORD, &records)))
}

/// The entries of the catalog that are not as before: their jobs, and a column for each field.
fn new_entries(before: &Catalog, set: &WorkingSet) -> Option<(Column, Vec<Column>)> {
    let new = set.catalog.iter();
    let (jobs, entries): (Vec<&str>, Vec<&CatalogEntry>) = new
        .filter(|(job, entry)| before.get(*job) != Some(entry))
        .map(|(job, entry)| (job.as_str(), entry))
        .unzip();
    (!jobs.is_empty()).then(|| (Column::texts(jobs), columns(CATALOG, &entries)))
}

/// The unit of a new checkpoint, and a column for each field.
fn new_checkpoint(set: &WorkingSet) -> Option<(Column, Vec<Column>)> {
    let (unit, new) = set.new_checkpoint.as_ref()?;
    Some((Column::texts([unit.as_str()]), columns(CHECKPOINT, &[new])))
}
