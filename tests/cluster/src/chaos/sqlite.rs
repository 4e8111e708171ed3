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

    /// Removes the database, or a file next to it, by the end of its name. A node may have removed or made one.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn remove(&self, end: &str) -> io::Result<()> {
        match fs::remove_file(self.path(end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
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
