//! The connection to the file: opened, kept, and replaced when the file was.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use scheduled_one_protocol::clock::{Clock, SystemClock};

use crate::classify::{explained, is_busy};
use crate::file_system;
use crate::open_error::OpenError;
use crate::schema;

/// How long a request waits for the write lock, in steps of [`BUSY_STEP`].
pub(crate) const BUSY_LIMIT: Duration = Duration::from_secs(1);

/// SQLite's own handler waits up to 100 ms between two attempts, and a tick would be late by that.
const BUSY_STEP: Duration = Duration::from_millis(1);

/// How long several processes that open the same new file may hinder each other.
const OPEN_LIMIT: Duration = Duration::from_secs(3);

/// The identity of a file on its machine: a file that was removed, or replaced, has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// `None` if there is no file.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) connection: Connection,
    path: PathBuf,
    id: Option<FileId>,
}

impl File {
    /// Opens the file, and makes it and its tables if they are missing. Blocks.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let begun = SystemClock.boottime();
        loop {
            let error = match Self::open_once(path) {
                Ok(file) => return Ok(file),
                Err(schema::Error::Refused(error)) => return Err(error),
                Err(schema::Error::Sqlite(error)) => error,
            };
            let waited = SystemClock.boottime().saturating_sub(begun);
            if !is_busy(&error) || waited > OPEN_LIMIT {
                return Err(unusable(path, explained(&error)));
            }
            thread::sleep(BUSY_STEP);
        }
    }

    fn open_once(path: &Path) -> Result<Self, schema::Error> {
        Self::check_place(path).map_err(schema::Error::Refused)?;
        // Without URIs: a path that begins with `file:` is a path.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_handler(Some(wait_for_lock))?;
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
        connection.pragma_update(None, "trusted_schema", false)?;
        schema::prepare(&mut connection, path)?;
        Ok(File {
            connection,
            path: path.to_owned(),
            id: FileId::of(path),
        })
    }

    /// Whether a file can be there: its folder exists and is on this machine.
    pub(crate) fn check_place(path: &Path) -> Result<(), OpenError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            let why = format!("there is no folder {}: make it", folder.display());
            return Err(unusable(path, why));
        }
        if path.is_dir() {
            return Err(unusable(
                path,
                "it is a folder: name a file in it".to_owned(),
            ));
        }
        match file_system::network(folder) {
            None => Ok(()),
            Some(kind) => Err(OpenError::NetworkFileSystem {
                path: path.to_owned(),
                kind,
            }),
        }
    }

    /// Whether the path still leads to this file. A process that keeps a removed file open would decide for itself.
    pub(crate) fn is_current(&self) -> bool {
        self.id.is_some() && FileId::of(&self.path) == self.id
    }

    /// Tells this file from another with the same name and content, such as a restored copy.
    pub(crate) fn inode(&self) -> u64 {
        self.id.map_or(0, |id| id.inode)
    }
}

/// SQLite calls this again and again while another connection has the lock. False gives up.
fn wait_for_lock(attempts: i32) -> bool {
    let waited = BUSY_STEP * attempts.unsigned_abs();
    thread::sleep(BUSY_STEP);
    waited < BUSY_LIMIT
}

fn unusable(path: &Path, why: String) -> OpenError {
    OpenError::Unusable {
        path: path.to_owned(),
        why,
    }
}
