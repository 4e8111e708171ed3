//! Errors of opening a store.

use std::path::PathBuf;

use scheduled_one_protocol::{Finding, PreflightError, Severity, StoreError};

/// The reason why a file cannot be the store.
///
/// Each text names the fault, the file and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL cannot be parsed.
    #[error(
        "the SQLite URL cannot be used: {0}; the forms are sqlite:///folder/jobs.db and, from the working folder, \
         sqlite://jobs.db"
    )]
    BadUrl(String),
    /// The name of the namespace cannot be used.
    #[error("the namespace {0:?} cannot be used: names are 1 to 128 of A-Z a-z 0-9 _ . : / -")]
    BadNamespace(String),
    /// The file cannot be opened, created or written.
    #[error("cannot open {}: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The fault and the remedy.
        why: String,
    },
    /// The file is on a file system of the network, where locks and shared memory do not hold.
    #[error(
        "{} is on a file system of the network ({kind}), where locks of several machines do not hold: put the file on \
         a local disk; replicas on several machines need a PostgreSQL or a Redis",
        .path.display()
    )]
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// The file system.
        kind: String,
    },
    /// The write-ahead log next to the file is of another file, and would be applied to this one.
    #[error(
        "{} belongs to another file that was at {}: if a backup was put there, delete the files whose names end with \
         -wal, -shm and -journal; if the whole folder was copied or moved here, delete the one that ends with -lock",
        .log.display(),
        .path.display()
    )]
    ForeignLog {
        /// The file.
        path: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// The file belongs to another program.
    #[error(
        "{} belongs to another program ({why}), whose transactions would block the jobs: give scheduled-one a file of \
         its own",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: String,
    },
    /// The tables were made by a newer version of this crate.
    #[error(
        "the tables in {} have version {found}, this is version {ours}: upgrade this service, or give it another file",
        .path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version of the tables.
        found: i64,
        /// The version that this crate knows.
        ours: i64,
    },
}

impl From<OpenError> for StoreError {
    /// The error as one of a request. It ends when an operator has acted, so the request is repeated.
    fn from(error: OpenError) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

impl OpenError {
    /// The check of the doctor that the error belongs to.
    fn check(&self) -> &'static str {
        match self {
            OpenError::BadUrl(_) => "url",
            OpenError::BadNamespace(_) => "namespace",
            OpenError::NetworkFileSystem { .. } => "file_system",
            OpenError::NewerSchema { .. } => "schema",
            OpenError::Unusable { .. }
            | OpenError::ForeignLog { .. }
            | OpenError::Foreign { .. } => "file",
        }
    }

    /// The finding of the doctor.
    pub(crate) fn finding(&self) -> Finding {
        Finding::new(Severity::Severe, self.check(), self.to_string(), "")
    }
}

impl From<OpenError> for PreflightError {
    fn from(error: OpenError) -> Self {
        PreflightError {
            finding: error.finding(),
            cause: error.into(),
        }
    }
}
