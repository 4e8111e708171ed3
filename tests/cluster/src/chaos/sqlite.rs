//! A file of SQLite for a round, on a disk that can be full.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;
use test_support::DiskShim;

/// The name of the file.
const NAME: &str = "jobs.db";

/// A folder with the file.
#[derive(Debug)]
pub struct SqliteFile {
    folder: TempDir,
    /// The disk of the file, and of those next to it.
    pub disk: DiskShim,
}

impl SqliteFile {
    /// A folder in which the first node makes the file.
    ///
    /// # Errors
    ///
    /// There is no place for it.
    pub fn new() -> io::Result<Self> {
        Ok(SqliteFile {
            folder: tempfile::Builder::new().prefix("chaos-sqlite-").tempdir()?,
            disk: DiskShim::new(NAME)?,
        })
    }

    /// The URL.
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path("").display())
    }

    /// The environment of a node, whose writes to the file meet this disk.
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let mut env = vec![("LD_PRELOAD".into(), self.disk.library())];
        env.extend(self.disk.env());
        env
    }

    /// Removes the file with all that belongs to it.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(self.path(""))?;
        for end in ["-wal", "-shm"] {
            match fs::remove_file(self.path(end)) {
                // A node that closed the file last has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Runs a statement.
    ///
    /// # Errors
    ///
    /// The file is none of SQLite, or the statement fails.
    pub fn execute(&self, statement: &str) -> io::Result<()> {
        let connection = Connection::open(self.path("")).map_err(io::Error::other)?;
        connection
            .execute_batch(statement)
            .map_err(io::Error::other)
    }

    fn path(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("{NAME}{end}"))
    }
}
