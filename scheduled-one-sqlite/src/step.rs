//! One atomic step, on a thread for blocking calls: begin, load, have it decided, save, commit.

use std::path::Path;

use rusqlite::{Transaction, TransactionBehavior};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::{StoreError, Wanted, WorkingSet};

use crate::classify::{Stage, is_harmless, store_error};
use crate::commit;
use crate::connection::File;
use crate::deadline;
use crate::open_error::OpenError;
use crate::schema::refuse_newer;
use crate::statements::{Failure, Rows};

/// What a step needs to know.
pub(crate) struct Step<'a> {
    pub(crate) path: &'a Path,
    /// The bucket's tag.
    pub(crate) bucket: &'a str,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) wanted: &'a Wanted,
    pub(crate) ledger_limit: usize,
}

impl Step<'_> {
    /// Carries the step out. `decide` returns the decided set, or `None` if nothing is to be saved.
    ///
    /// A file that was removed or replaced is opened anew.
    pub(crate) fn run(
        &self,
        file: &mut Option<File>,
        decide: &mut dyn FnMut(WorkingSet) -> Option<WorkingSet>,
    ) -> Result<(), StoreError> {
        loop {
            let open = current(file, self.path)?;
            let (is_kept, error) = match self.transact(open, decide) {
                Ok(()) => return Ok(()),
                Err(Abort::Replaced) if !deadline::is_over() => {
                    *file = None;
                    continue;
                }
                Err(Abort::Replaced) => (false, StoreError::Unavailable(self.replaced())),
                Err(Abort::Damaged(error)) => (true, error),
                Err(Abort::Sqlite(error, stage)) => {
                    (is_harmless(&error), store_error(&error, self.path, stage))
                }
            };
            // A connection with another error may hold a lock.
            if !(is_kept && open.connection.is_autocommit()) {
                *file = None;
            }
            return Err(error);
        }
    }

    fn replaced(&self) -> String {
        format!(
            "{} is removed or replaced again and again",
            self.path.display()
        )
    }

    fn transact(
        &self,
        file: &File,
        decide: &mut dyn FnMut(WorkingSet) -> Option<WorkingSet>,
    ) -> Result<(), Abort> {
        let transaction =
            Transaction::new_unchecked(&file.connection, TransactionBehavior::Immediate)?;
        // The wait for the lock may have been long.
        if !file.is_current() {
            return Err(Abort::Replaced);
        }
        let rows = Rows {
            connection: &transaction,
            bucket: self.bucket,
        };
        let set = self.load(&rows, &file.identity())?;
        let (meta, nodes, catalog) = (set.meta.clone(), set.nodes.clone(), set.catalog.clone());
        let Some(set) = decide(set) else {
            return Ok(()); // and the transaction is rolled back
        };
        let is_changed = !set.touched.is_empty()
            || !set.lines.is_empty()
            || !set.trail.is_empty()
            || set.has_request_changes()
            || set.new_checkpoint.is_some()
            || meta != set.meta
            || catalog != set.catalog;
        if !is_changed && nodes == set.nodes {
            return Ok(());
        }
        if meta != set.meta {
            rows.save_meta(&set.meta)?;
        }
        let touched = set.touched.iter();
        let touched = touched.filter_map(|unit| set.records.get_key_value(unit));
        rows.save_records(touched)
            .and_then(|()| match self.wanted.nodes {
                true => rows.save_nodes(&nodes, &set.nodes),
                false => Ok(()),
            })
            .and_then(|()| rows.save_catalog(&catalog, &set.catalog))
            .and_then(|()| rows.save_requests(&set))
            .and_then(|()| match &set.new_checkpoint {
                Some((unit, new)) => rows.save_checkpoint(unit, new),
                None => Ok(()),
            })
            .and_then(|()| rows.append(&set.lines, self.ledger_limit))
            .and_then(|()| match &set.forgotten {
                Some((job, units)) => rows.forget(job, units),
                None => Ok(()),
            })
            .and_then(|()| rows.enter(&set.trail))?;
        commit::execute(&transaction, &set.statements)?;
        let is_of_job = !set.statements.is_empty();
        transaction.commit().map_err(|error| match is_of_job {
            true => commit::failed(error),
            false => Abort::Sqlite(error, Stage::Commit),
        })
    }

    fn load(&self, rows: &Rows<'_>, identity: &str) -> Result<WorkingSet, Failure> {
        let (history, version) = rows.history()?;
        // A newer program may have changed the tables while this one has them open.
        refuse_newer(version, self.path).map_err(|error| Failure::Damaged(error.into()))?;
        let nodes = match self.wanted.nodes {
            true => rows.nodes()?,
            false => Default::default(),
        };
        let mut set = WorkingSet {
            // The transaction has the write lock by now.
            now: now(self.clock),
            serving: format!("{history}:{identity}"),
            meta: rows.meta()?,
            nodes,
            catalog: match self.wanted.catalog {
                true => rows.catalog()?,
                false => rows.entries(&self.wanted.entries)?,
            },
            records: rows.records(&self.wanted.units)?,
            checkpoint: match &self.wanted.checkpoint {
                Some(unit) => rows.checkpoint(unit)?,
                None => None,
            },
            known_requests: rows.known_requests(&self.wanted.known_requests)?,
            ..WorkingSet::default()
        };
        set.first_requests = rows.requests(set.first_ticks(self.wanted))?;
        Ok(set)
    }
}

/// Why a step was not carried out.
pub(crate) enum Abort {
    /// Somebody removed or replaced the file.
    Replaced,
    Damaged(StoreError),
    Sqlite(rusqlite::Error, Stage),
}

impl From<rusqlite::Error> for Abort {
    fn from(error: rusqlite::Error) -> Self {
        Abort::Sqlite(error, Stage::Before)
    }
}

impl From<Failure> for Abort {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => error.into(),
            Failure::Damaged(error) => Abort::Damaged(error),
        }
    }
}

/// The clock of the machine, which all processes share.
pub(crate) fn now(clock: &dyn Clock) -> Now {
    Now {
        us: clock.wall().as_micros() as u64,
    }
}

/// The open file; opened, or opened anew, if need be.
pub(crate) fn current<'f>(
    file: &'f mut Option<File>,
    path: &Path,
) -> Result<&'f mut File, OpenError> {
    // Another one is closed first: what it has open may be in the way.
    let kept = file.take().filter(File::is_current);
    let open = match kept {
        Some(kept) => kept,
        None => File::open(path)?,
    };
    Ok(file.insert(open))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::Connection;
    use scheduled_one_protocol::clock::SystemClock;

    use super::*;

    #[test]
    fn a_busy_lock_does_not_close_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let wanted = Wanted::default();
        let step = Step {
            path: &path,
            bucket: "test",
            clock: &SystemClock,
            wanted: &wanted,
            ledger_limit: 9,
        };
        deadline::set_in(Duration::from_secs(60));
        let mut file = None;
        step.run(&mut file, &mut Some).unwrap();

        let stranger = Connection::open(&path).unwrap();
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        deadline::set_in(Duration::from_millis(5));
        let error = step.run(&mut file, &mut Some).unwrap_err();
        assert!(error.to_string().contains("write lock"), "{error}");
        let kept = file.as_ref().unwrap();
        assert!(kept.connection.is_autocommit());

        stranger.execute_batch("ROLLBACK").unwrap();
        deadline::set_in(Duration::from_secs(60));
        step.run(&mut file, &mut Some).unwrap();

        // Another error does.
        stranger.execute_batch("DROP TABLE history").unwrap();
        step.run(&mut file, &mut Some).unwrap_err();
        assert!(file.is_none());
    }
}
