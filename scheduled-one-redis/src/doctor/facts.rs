//! Facts about a server, before they are judged.

use std::collections::HashMap;
use std::str::FromStr;

use crate::connect_error::ConnectError;

/// The fields of `INFO` by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Info(
            lines
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field as a number; `None` if it is missing or no number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.trim().parse().ok()
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }
}

/// The facts in the replies to the probes.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Address of the server.
    pub(crate) address: String,
    /// User name of the connection.
    pub(crate) user: String,
    /// Missing permissions, as an ACL writes them.
    pub(crate) missing: Vec<String>,
    /// The rules of an ACL that grant every permission.
    pub(crate) rule: String,
    pub(crate) script: ScriptResult,
    /// Number of buckets that the caller is configured with.
    pub(crate) buckets: u32,
    pub(crate) stored: Stored,
    /// Code and text of the error if Redis takes no writes now.
    pub(crate) write_refused: Option<String>,
}

/// Result of a script that reads the store identity from `INFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScriptResult {
    /// The store identity, `run_id:master_replid`; one of the two may be empty.
    Serving(String),
    /// The script ran, and both parts are empty.
    Nameless,
    /// The script did not run, and repeating does not help. The text of the error.
    Refused(String),
    /// A permission is missing, or Redis was unable to run anything.
    Unknown,
}

/// The stored version and number of buckets of a namespace.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// Neither a version nor a number of buckets.
    Nothing,
    /// The namespace was used.
    Known {
        /// Version of the protocol; 0 if none is stored.
        version: u64,
        /// Number of buckets; `None` if none is stored.
        buckets: Option<u32>,
    },
    /// The key cannot be read, for a reason that every request would meet.
    Unreadable(ConnectError),
}
