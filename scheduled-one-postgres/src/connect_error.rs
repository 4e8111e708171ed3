//! Errors of opening a store.

use scheduled_one_protocol::{Finding, PreflightError, Severity, StoreError};

/// The reason why a PostgreSQL cannot be the store.
///
/// Each text names the fault, the server and the remedy. No text contains a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be parsed. The text says why, and repeats no part of the URL.
    #[error(
        "the PostgreSQL URL cannot be used: {0}; the form is postgres://user:password@host[:port][,…]/database\
         [?sslmode=…&schema=…]"
    )]
    BadUrl(String),
    /// A file that the URL or the environment names cannot be used.
    #[error("{parameter}: {why}")]
    BadFile {
        /// The parameter that names the file.
        parameter: &'static str,
        /// The fault, with the path.
        why: String,
    },
    /// The name of the namespace cannot be used.
    #[error("the namespace {0:?} cannot be used: names are 1 to 128 of A-Z a-z 0-9 _ . : / -")]
    BadNamespace(String),
    /// No server replied at the address.
    #[error(
        "cannot reach PostgreSQL at {place}: {why}; is it running, is that its host and port, and does the network let \
         this machine through?"
    )]
    Unreachable {
        /// Hosts, ports and database.
        place: String,
        /// The error of the operating system or of the client.
        why: String,
    },
    /// The server does not encrypt, or its certificate is not trusted.
    #[error(
        "no encrypted connection to PostgreSQL at {place}: {why}; trusted are {trusted}, and sslrootcert=FILE names \
         others"
    )]
    Certificate {
        /// Hosts, ports and database.
        place: String,
        /// The fault.
        why: String,
        /// The authorities that are trusted.
        trusted: String,
    },
    /// User, password or database are wrong, or the server lets nobody in from here.
    #[error("PostgreSQL at {place} refuses the login: {why}")]
    Login {
        /// Hosts, ports and database.
        place: String,
        /// The error of the server.
        why: String,
    },
    /// The server is too old.
    #[error("PostgreSQL at {place} has version {version}; 13 or newer is needed: upgrade it")]
    TooOld {
        /// Hosts, ports and database.
        place: String,
        /// Version of the server.
        version: String,
    },
    /// The server is a standby, or takes no writes.
    #[error(
        "PostgreSQL at {place} takes no writes ({why}): name the primary, or all servers with commas between them, of \
         which the one that takes writes is used"
    )]
    ReadOnly {
        /// Hosts, ports and database.
        place: String,
        /// How that was seen.
        why: String,
    },
    /// The tables are missing or too old, and the user may not make them.
    #[error(
        "PostgreSQL at {place} has not all tables in the schema {schema}, and the user {user} may not make them \
         ({why}); let a user who may run this:\n{sql}"
    )]
    NoTables {
        /// Hosts, ports and database.
        place: String,
        /// The schema.
        schema: String,
        /// The user.
        user: String,
        /// The error of the server.
        why: String,
        /// The statements that make the tables.
        sql: String,
    },
    /// There are no tables yet, and the caller is no scheduler, whose start makes them.
    #[error(
        "there are no tables of a scheduler in the schema {schema} of PostgreSQL at {place}: a scheduler makes them when \
         it starts. Look at the host, the database and the schema"
    )]
    NoTablesYet {
        /// Hosts, ports and database.
        place: String,
        /// The schema.
        schema: String,
    },
    /// The tables are of an older version, and the caller is no scheduler, whose start completes them.
    #[error(
        "the tables in schema {schema} of PostgreSQL at {place} are of an older version: start a service of this version \
         first, which adds what they lack, or use the version of the services until then"
    )]
    OlderTables {
        /// Hosts, ports and database.
        place: String,
        /// The schema.
        schema: String,
    },
    /// Rights are missing.
    #[error(
        "the user {user} of PostgreSQL at {place} may not do all that is needed, missing: {missing}; this grants it:\n\
         {grant}"
    )]
    MissingRights {
        /// Hosts, ports and database.
        place: String,
        /// The user.
        user: String,
        /// The missing rights.
        missing: String,
        /// The statements that grant every right.
        grant: String,
    },
    /// The tables were made by a newer version of this crate.
    #[error(
        "the tables in schema {schema} of PostgreSQL at {place} have version {found}, this is version {ours}: upgrade \
         this service, or give it another schema"
    )]
    NewerSchema {
        /// Hosts, ports and database.
        place: String,
        /// The schema.
        schema: String,
        /// The version of the tables.
        found: i64,
        /// The version that this crate knows.
        ours: i64,
    },
    /// The server is not ready. Repeating helps.
    #[error("PostgreSQL at {place} is not ready: {why}; try again in a moment")]
    NotNow {
        /// Hosts, ports and database.
        place: String,
        /// The error of the server.
        why: String,
    },
    /// Any other fault that an operator has to correct.
    #[error("PostgreSQL at {place} cannot be the store: {why}")]
    Refused {
        /// Hosts, ports and database.
        place: String,
        /// The fault.
        why: String,
    },
}

impl ConnectError {
    /// Of the errors of several hosts, the heaviest says what an operator has to do.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            ConnectError::Login { .. } | ConnectError::Certificate { .. } => 4,
            ConnectError::Refused { .. } => 3,
            ConnectError::NotNow { .. } => 2,
            ConnectError::ReadOnly { .. } => 1,
            _ => 0,
        }
    }

    /// The check of the doctor that the error belongs to.
    fn check(&self) -> &'static str {
        match self {
            ConnectError::BadUrl(_) | ConnectError::BadFile { .. } => "url",
            ConnectError::BadNamespace(_) => "namespace",
            ConnectError::Unreachable { .. } | ConnectError::NotNow { .. } => "reachable",
            ConnectError::Certificate { .. } => "certificate",
            ConnectError::Login { .. } => "login",
            ConnectError::TooOld { .. } => "server",
            ConnectError::ReadOnly { .. } => "role",
            ConnectError::NoTables { .. }
            | ConnectError::NoTablesYet { .. }
            | ConnectError::OlderTables { .. }
            | ConnectError::NewerSchema { .. } => "tables",
            ConnectError::MissingRights { .. } => "rights",
            ConnectError::Refused { .. } => "server",
        }
    }

    /// The finding of the doctor.
    pub(crate) fn finding(&self) -> Finding {
        Finding::new(Severity::Severe, self.check(), self.to_string(), "")
    }
}

impl From<ConnectError> for StoreError {
    /// The error as one of a request. It ends when an operator has acted, so the request is repeated.
    fn from(error: ConnectError) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

impl From<ConnectError> for PreflightError {
    fn from(error: ConnectError) -> Self {
        PreflightError {
            finding: error.finding(),
            cause: error.into(),
        }
    }
}
