//! What is found at a path, and the connection to it: a file, or none; the log of that file, or of another.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use crate::classify::{explained, is_busy};
use crate::deadline;
use crate::files::{self, FileId, Files, is_empty};
use crate::open_error::OpenError;
use crate::open_lock::{Note, OpenLock, State};
use crate::schema;

/// The databases that this process has open. SQLite keeps one index for each, whatever the names.
static OPEN_HERE: Mutex<Vec<FileId>> = Mutex::new(Vec::new());

pub(crate) fn open_here() -> MutexGuard<'static, Vec<FileId>> {
    OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why an attempt to open the file failed.
pub(crate) enum Failed {
    /// May pass by itself in moments; the error if it does not.
    ForNow(OpenError),
    ForGood(OpenError),
}

/// What is found at a path, with the lock.
pub(crate) struct Entry {
    pub(crate) id: FileId,
    note: Option<Note>,
    /// Nobody may have this database open: the log or its index have to be made.
    alone: bool,
    /// Decisions may be lost: the database came from elsewhere, or its log was removed.
    has_forgotten: bool,
    had_log: bool,
}

impl Entry {
    /// Removes what another database left, and makes an empty file if there is none.
    pub(crate) fn find(path: &Path, files: &Files, lock: &OpenLock) -> Result<Self, Failed> {
        let failed = |error: io::Error| Failed::of_system(path, &error);
        let gone = || Failed::for_now(path, "it is removed again and again while it is opened");
        let is_new = is_empty(&files.database);
        if is_new {
            files.remove_leftovers().map_err(failed)?;
            make(&files.database).map_err(failed)?;
        }
        let id = FileId::of(&files.database).ok_or_else(gone)?;
        let note = lock.note().map_err(failed)?;
        let is_of_another = note.as_ref().is_some_and(|note| !note.is_of(id));
        if is_of_another && !is_new {
            if let Some(log) = files.log() {
                // Whoever had the other one open removes its log when it looks.
                return Err(Failed::ForNow(OpenError::ForeignLog {
                    path: path.to_owned(),
                    log: log.to_owned(),
                }));
            }
            files.remove_leftovers().map_err(failed)?;
        }
        let had_log = files.wal.exists();
        let has_forgotten = !is_new
            && (is_of_another
                || note.as_ref().is_some_and(|note| match note.state {
                    State::Opening => true,
                    State::Open => !had_log,
                    State::Closed => false,
                }));
        let entry = Entry {
            id,
            note,
            alone: is_new || has_forgotten || !had_log || !files.shm.exists(),
            has_forgotten,
            had_log,
        };
        if entry.alone {
            if open_here().contains(&id) {
                return Err(entry.in_use(path));
            }
            lock.write(&Note::new(id, State::Opening)).map_err(failed)?;
        }
        Ok(entry)
    }

    pub(crate) fn connect(
        &self,
        path: &Path,
        files: &Files,
        lock: &OpenLock,
    ) -> Result<Connection, Failed> {
        let connected = self.try_to_connect(path, files, lock);
        connected.map_err(|error| match error {
            schema::Error::Refused(error) => Failed::ForGood(error),
            schema::Error::Sqlite(error) => {
                let is_replaced = FileId::of(&files.database) != Some(self.id);
                let is_for_now = is_replaced || is_busy(&error);
                let error = unusable(path, explained(&error));
                match is_for_now {
                    true => Failed::ForNow(error),
                    false => Failed::ForGood(error),
                }
            }
            schema::Error::InUse => self.in_use(path),
        })
    }

    fn try_to_connect(
        &self,
        path: &Path,
        files: &Files,
        lock: &OpenLock,
    ) -> Result<Connection, schema::Error> {
        // Without URIs: a path that begins with `file:` is a path.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&files.database, flags)?;
        connection.busy_handler(Some(deadline::wait_for_lock))?;
        schema::refuse_foreign(&connection, path)?;
        if self.alone
            && let Err(error) = be_alone(&connection)
        {
            drop(connection);
            self.undo(files, lock);
            return Err(match is_busy(&error) {
                true => schema::Error::InUse,
                false => error.into(),
            });
        }
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            let why = format!(
                "its file system has no shared memory, so SQLite offers the journal mode {mode} and not wal: put it on \
                 a local disk"
            );
            return Err(schema::Error::Refused(unusable(path, why)));
        }
        // A commit is on the disk before its request is acknowledged: a decision survives the loss of power.
        connection.pragma_update(None, "synchronous", "full")?;
        // On macOS, a plain `fsync` leaves it in the cache of the drive. Elsewhere these say nothing.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        schema::prepare(&mut connection, path)?;
        if self.has_forgotten {
            schema::begin_history(&connection)?;
        }
        Ok(connection)
    }

    /// A log and an index that this attempt made are not for those who come next: somebody uses others.
    fn undo(&self, files: &Files, lock: &OpenLock) {
        let _ = files::remove(&files.shm);
        if !self.had_log {
            let _ = files::remove(&files.wal);
        }
        if let Some(note) = &self.note {
            let _ = lock.write(note);
        }
    }

    fn in_use(&self, path: &Path) -> Failed {
        Failed::for_now(
            path,
            "a process has it open whose write-ahead log was removed or replaced: stop that process (lsof names it)",
        )
    }
}

/// Fails with `SQLITE_BUSY` while another connection has this database open: a change of the journal mode needs it for
/// itself.
fn be_alone(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
}

/// Makes an empty file. One that somebody made in between is not opened: closing it would release the locks that this
/// process has on it.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o644).open(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

impl Failed {
    pub(crate) fn for_now(path: &Path, why: &str) -> Self {
        Failed::ForNow(unusable(path, why.to_owned()))
    }

    /// The error of a call of the operating system.
    pub(crate) fn of_system(path: &Path, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::TimedOut => {
                return Self::for_now(
                    path,
                    "another process opens or closes it for long; is it stopped?",
                );
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "let this user write its folder, and the file whose name ends with -lock"
            }
            io::ErrorKind::StorageFull => "free space on its disk",
            _ => "see the log of the operating system about its disk",
        };
        Failed::ForGood(unusable(path, format!("{error}; {why}")))
    }
}

pub(crate) fn unusable(path: &Path, why: String) -> OpenError {
    OpenError::Unusable {
        path: path.to_owned(),
        why,
    }
}
