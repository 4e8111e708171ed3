//! What an error of PostgreSQL, or of its client, means for a request.

use std::error::Error as _;

use scheduled_one_protocol::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::address::Address;
use crate::connect_error::ConnectError;
use crate::forget;

/// What follows from an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing was written, and the same step may succeed at once: a serialization failure, a deadlock, a row that
    /// another transaction inserted first.
    Repeat(StoreError),
    /// Tables are missing: somebody dropped them, or restored a backup without them.
    NoTables(StoreError),
    /// The server does not let us ask for its identity in this way.
    Identity(StoreError),
    /// The server is not to be used any longer: it says nothing, takes no writes, or was replaced.
    Leave(StoreError),
    /// The user lacks a right.
    Denied(StoreError),
    /// The request fails.
    Fatal(StoreError),
}

impl Failure {
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Failure::Repeat(error)
            | Failure::NoTables(error)
            | Failure::Identity(error)
            | Failure::Leave(error)
            | Failure::Denied(error)
            | Failure::Fatal(error) => error,
        }
    }
}

/// The statement that an error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before anything was sent that could end the transaction.
    Load,
    /// A statement that saves; the commit was sent right behind it.
    Save,
    /// The commit.
    Commit,
}

/// Sorts an error by what it means for the request.
pub(crate) fn failure(error: &Error, stage: Stage) -> Failure {
    let text = describe(error);
    let Some(code) = error.code() else {
        // The connection broke: a commit that was sent may have been carried out.
        return Failure::Fatal(match stage {
            Stage::Load => StoreError::Unavailable(text),
            Stage::Save | Stage::Commit => StoreError::Unknown(text),
        });
    };
    let unavailable = StoreError::Unavailable(with_remedy(code, text.clone()));
    if is_conflict(code) {
        return Failure::Repeat(unavailable);
    }
    match stage {
        // A server that is stopped while it waits for a standby has committed by itself.
        Stage::Commit => Failure::Fatal(StoreError::Unknown(text)),
        _ if *code == SqlState::UNDEFINED_TABLE
            || *code == SqlState::INVALID_SCHEMA_NAME
            || *code == SqlState::UNDEFINED_COLUMN =>
        {
            Failure::NoTables(unavailable)
        }
        _ if text.contains("pg_control_system")
            || text.contains("pg_current_wal_flush_lsn")
            || text.contains("pg_walfile_name") =>
        {
            Failure::Identity(unavailable)
        }
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Failure::Leave(unavailable),
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Failure::Denied(unavailable),
        _ => Failure::Fatal(unavailable),
    }
}

/// What an error of a heartbeat in one statement means. Such a statement commits by itself, and says nothing of a
/// commit that it waits for when the server stops, or when the connection breaks.
pub(crate) fn failure_of_beat(error: &Error) -> Failure {
    let is_stopped = |code: &SqlState| code.code().starts_with("57P");
    failure(
        error,
        match error.code().is_none_or(is_stopped) {
            true => Stage::Commit,
            false => Stage::Load,
        },
    )
}

/// Class 40 is a transaction that was rolled back because of others; a unique violation can only come of a row that
/// another transaction inserted since this one looked.
fn is_conflict(code: &SqlState) -> bool {
    code.code().starts_with("40") || *code == SqlState::UNIQUE_VIOLATION
}

fn with_remedy(code: &SqlState, text: String) -> String {
    let remedy = match code.code() {
        "42501" => "the rights that are needed are in the documentation of PostgreSQL as the store",
        "53100" => "free space on the disk of the server",
        "53300" => "raise max_connections, or let a pooler share them",
        "55P03" => "somebody holds a lock on the tables of scheduled-one for long",
        "57014" => "the statement took too long, or somebody cancelled it",
        "25006" => "the server takes no writes now",
        _ => return text,
    };
    format!("{text}; {remedy}")
}

/// The text of an error, with its code, and without the values of rows.
pub(crate) fn describe(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        let code = error.code().code();
        return match error.hint() {
            Some(hint) => format!("{} ({code}): {hint}", error.message()),
            None => format!("{} ({code})", error.message()),
        };
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The error of a viewer who wants to change something.
pub(crate) fn changes_nothing(address: &Address) -> StoreError {
    StoreError::Refused(format!(
        "the user {} of PostgreSQL may look and change nothing; use a user with the rights of an operator \
         (`scheduled_one_postgres::grant_operator` has them)",
        address.user()
    ))
}

/// The error of a user who lacks the rights to forget jobs.
pub(crate) fn may_not_forget(address: &Address, denied: &StoreError) -> StoreError {
    let (schema, user) = (&address.schema, address.user());
    StoreError::Refused(format!(
        "the user {user} of PostgreSQL may not forget jobs: {denied}; that takes the rights of a scheduler, and:\n{}",
        forget::grants(schema, user)
    ))
}

/// The error of an operator who wants what takes more rights.
pub(crate) fn takes_more(address: &Address, denied: &StoreError) -> StoreError {
    StoreError::Refused(format!(
        "the user {} of PostgreSQL has the rights of an operator, and this takes those of a scheduler: {denied}",
        address.user()
    ))
}

/// The error of an attempt to connect.
pub(crate) fn connect_error(error: &Error, address: &Address) -> ConnectError {
    let (place, why) = (address.to_string(), describe(error));
    let Some(code) = error.code() else {
        return match &why {
            why if why.contains("TLS") => certificate(place, why.clone(), address),
            why if why.contains("password missing") => ConnectError::Login {
                place,
                why: format!(
                    "it wants a password, and there is none: in the URL, in PGPASSWORD, or in a line of the password \
                     file{} for this host, database and user",
                    match address.password.file() {
                        Some(path) => format!(" {}", path.display()),
                        None => String::new(),
                    }
                ),
            },
            why if why.contains("session is not writable")
                || why.contains("does not allow writes")
                || why.contains("database does not allow") =>
            {
                let why = why.clone();
                ConnectError::ReadOnly { place, why }
            }
            _ => ConnectError::Unreachable { place, why },
        };
    };
    match code.code() {
        "28000" | "28P01" | "3D000" | "42501" => ConnectError::Login { place, why },
        code if code.starts_with("53") || code.starts_with("57") => {
            ConnectError::NotNow { place, why }
        }
        _ => ConnectError::Refused { place, why },
    }
}

fn certificate(place: String, why: String, address: &Address) -> ConnectError {
    let trusted = match &address.encryption.root_cert {
        Some(path) => format!("the authorities in {}", path.display()),
        None => "the authorities of the system".to_owned(),
    };
    ConnectError::Certificate {
        place,
        why,
        trusted,
    }
}
