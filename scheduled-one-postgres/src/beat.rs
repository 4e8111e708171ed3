//! The heartbeat of an idle node: one statement, which is a transaction of its own and writes nothing but the row of
//! the node.
//!
//! It writes if the machine would do nothing else: the row of the bucket is the one with which a heartbeat of this node
//! did nothing else before, the server is that one and has at least the log that was seen, the node is known as it is,
//! and no node is gone. What it read goes to the machine, which makes the reply. Where the statement wrote nothing, and
//! where the machine would have changed more, the heartbeat goes on as a step like all others, which does what there is
//! to do.

pub(crate) mod statement;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use scheduled_one_protocol::fields::{META, NODE};
use scheduled_one_protocol::machine::{LivingNode, Meta, Now};
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::message::JobsDigest;
use scheduled_one_protocol::{Beat, Decide, StoreError, WorkingSet};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use self::statement::said;
use crate::changes::Before;
use crate::classify::{Failure, failure_of_beat};
use crate::load::{record, sound_node};
use crate::rows::{Column, shortened};
use crate::seen::Progress;
use crate::store::{ANSWER_TIMEOUT, PostgresStore};

/// The first column of each part of a row: the clock comes first, and a row has one part.
const NODE_AT: usize = 4;
const LIST_AT: usize = NODE_AT + 1 + NODE.len();
const UNIT_AT: usize = LIST_AT + 1;

/// What the last heartbeat of a handle found that had nothing to decide.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<Option<Found>>);

#[derive(Clone, Debug)]
struct Found {
    /// The node that it was from.
    node: String,
    /// The row of the bucket.
    meta: Meta,
    /// The identity of the server.
    identity: String,
}

impl Idle {
    fn set(&self, found: Option<Found>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn of(&self, node: &str) -> Option<Found> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone().filter(|found| found.node == node)
    }

    /// A heartbeat was committed as a step.
    pub(crate) fn committed(&self, beat: &Beat, before: &Before) {
        self.set(before.is_meta_kept().then(|| Found {
            node: beat.node.clone(),
            meta: before.set.meta.clone(),
            identity: before.server.identity.clone(),
        }));
    }
}

/// What the statement read.
struct Beaten {
    now: Now,
    identity: String,
    flushed: Option<i64>,
    nodes: BTreeMap<String, LivingNode>,
    lists: Vec<JobsDigest>,
    units: BucketState,
}

impl PostgresStore {
    /// Records a heartbeat in one statement, and has the machine reply. Returns whether that is all: otherwise the
    /// heartbeat has to be a step.
    ///
    /// The statement has no limit of time but for locks. One that takes too long is not followed by another, but by a
    /// step, which has one: so a server has one such statement of a node at most.
    pub(crate) async fn beat(
        &self,
        beat: &Beat,
        decide: &mut Decide<'_>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let Some(found) = self.idle.of(&beat.node) else {
            return Ok(false);
        };
        // Whatever comes of it: only a heartbeat that came to its end is followed by such a one.
        self.idle.set(None);
        let seen = self.shared.seen.before(&self.bucket);
        let checkout = self.connection(deadline).await?;
        let sent = self.send(&checkout, beat, &found, &seen);
        let rows = match timeout_at(deadline, sent).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                return match failure_of_beat(&error) {
                    Failure::Leave(error) => {
                        self.connections.leave(checkout);
                        Err(error)
                    }
                    Failure::Repeat(_) | Failure::NoTables(_) | Failure::Identity(_) => {
                        checkout.give_back();
                        Ok(false)
                    }
                    failure => Err(failure.into_error()),
                };
            }
            Err(_) => {
                self.connections.leave(checkout);
                return Err(StoreError::Unknown(format!(
                    "PostgreSQL did not reply within {ANSWER_TIMEOUT:?} to a heartbeat; does it wait for a standby?"
                )));
            }
        };
        let beaten = read(&rows).map_err(|error| failure_of_beat(&error).into_error())?;
        let made = match beaten {
            None => Ok(false),
            Some(beaten) => self.reply(beat, &found, &seen, beaten, decide),
        };
        match made {
            Ok(is_made) => {
                checkout.give_back();
                if is_made {
                    self.idle.set(Some(found));
                }
                Ok(is_made)
            }
            Err(error) => {
                self.connections.leave(checkout);
                Err(error)
            }
        }
    }

    async fn send(
        &self,
        client: &tokio_postgres::Client,
        beat: &Beat,
        found: &Found,
        seen: &Progress,
    ) -> Result<Vec<Row>, Error> {
        let flushed = seen.flushed_of(&found.identity);
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&self.bucket, Type::TEXT),
            (&beat.node, Type::TEXT),
            (&found.identity, Type::TEXT),
            (&flushed, Type::INT8),
        ];
        let node = shortened(said(), &[&beat.living]);
        let meta = shortened(META, &[&found.meta]);
        parameters.extend(node.iter().chain(&meta).map(Column::parameter));
        let statement = self.shared.statements.beat(self.shared.identity());
        client.query_typed(statement, &parameters).await
    }

    /// The machine replies to what was read. Returns whether it changes nothing but what is written. An error means
    /// that the server is to be left.
    fn reply(
        &self,
        beat: &Beat,
        found: &Found,
        seen: &Progress,
        beaten: Beaten,
        decide: &mut Decide<'_>,
    ) -> Result<bool, StoreError> {
        let mut set = WorkingSet {
            now: beaten.now,
            serving: beaten.identity,
            meta: found.meta.clone(),
            survey: Some(beaten.units.survey(beaten.now)),
            ..WorkingSet::default()
        };
        set.nodes.living = beaten.nodes;
        // Of the lists, the machine asks only which there are.
        set.nodes.job_lists = beaten
            .lists
            .into_iter()
            .map(|digest| (digest, Default::default()))
            .collect();
        let mut before = Before::new(set, Default::default(), beaten.flushed);
        let server = before.server.clone();
        let stored = before.stored();
        before.set.serving = self.shared.seen.history(seen, &server, stored)?;
        // A step that is refused says why.
        let is_all = decide(&mut before.set).is_ok() && before.is_only(beat);
        if is_all {
            self.shared.seen.committed(&self.bucket, seen, server);
        }
        Ok(is_all)
    }
}

/// What the statement read, if it wrote.
fn read(rows: &[Row]) -> Result<Option<Beaten>, Error> {
    let mut clock = None;
    let (mut nodes, mut lists, mut units) = (BTreeMap::new(), Vec::new(), Vec::new());
    for row in rows {
        if row.try_get::<_, Option<i64>>(0)?.is_some() {
            clock = Some(row);
        } else if row.try_get::<_, Option<&str>>(NODE_AT)?.is_some() {
            nodes.extend(sound_node(row, NODE_AT)?);
        } else if let Some(digest) = row.try_get::<_, Option<&str>>(LIST_AT)? {
            lists.extend(JobsDigest::parse(digest));
        } else {
            units.push(row);
        }
    }
    let Some(clock) = clock else {
        return Ok(None); // there is no row of the bucket
    };
    let now_us: i64 = clock.try_get(1)?;
    let has_written = clock.try_get::<_, i64>(0)? > 0;
    Ok(has_written.then_some(Beaten {
        now: Now {
            us: u64::try_from(now_us).unwrap_or_default(),
        },
        identity: clock.try_get(2)?,
        flushed: clock.try_get(3)?,
        nodes,
        lists,
        units: BucketState::of_records(
            units
                .into_iter()
                .filter_map(|row| record(row, UNIT_AT).ok())
                .collect(),
        ),
    }))
}
