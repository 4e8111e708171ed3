//! What an error of SQLite means for a request.

use std::path::Path;

use rusqlite::{Error, ErrorCode};
use scheduled_one_protocol::StoreError;

/// The step in which an error came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the commit: nothing was written.
    Before,
    /// In the commit.
    Commit,
}

/// The error of a request.
pub(crate) fn store_error(error: &Error, path: &Path, stage: Stage) -> StoreError {
    let text = format!("{}: {}", path.display(), explained(error));
    // After a failed write or flush, the end of the transaction may be on the disk all the same.
    let may_be_written = !matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly)
    );
    match stage {
        Stage::Commit if may_be_written => StoreError::Unknown(text),
        _ => StoreError::Unavailable(text),
    }
}

/// The text of an error, with what an operator can do.
pub(crate) fn explained(error: &Error) -> String {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the write lock for long; is it stopped, or does a program keep a transaction open?"
        }
        Some(ErrorCode::DiskFull) => "free space on its disk",
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied,
        ) => "let this user write the file and its folder",
        Some(ErrorCode::CannotOpen) => {
            "its folder has to exist, and this user has to be allowed to write there"
        }
        Some(ErrorCode::NotADatabase) => "the file is no SQLite database: give another path",
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged: stop all processes, restore it from a backup, or delete it with its -wal and -shm"
        }
        Some(ErrorCode::SystemIoFailure) => "see the log of the operating system about its disk",
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}

/// Whether the error may end by itself in moments.
pub(crate) fn is_busy(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether the connection can be used after the error: nothing is wrong with it, or with the file.
pub(crate) fn is_harmless(error: &Error) -> bool {
    is_busy(error) || error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}
