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

/// Result of a trial of the scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScriptResult {
    /// All scripts ran. The store identity that they saw, `run_id:master_replid`; one of the two may be empty.
    Serving(String),
    /// The scripts ran, and both parts are empty.
    Nameless,
    /// A script did not run, and repeating does not help.
    Refused(ScriptsRefused),
    /// The scripts were not tried, or the server was unable to run anything.
    Unknown,
}

impl ScriptResult {
    /// True if the server does not run the scripts as the store needs them.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, ScriptResult::Nameless | ScriptResult::Refused(_))
    }
}

/// A script that the server does not run, and what shorter scripts showed about the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScriptsRefused {
    /// The error of the server, or of a reply that cannot be decoded, with the name of the script.
    pub(crate) why: String,
    /// An ACL denies a command or a key.
    pub(crate) denied: bool,
    /// Commands that no script may call there.
    pub(crate) commands: Vec<&'static str>,
    /// No script runs at all.
    pub(crate) runs_none: bool,
    /// The server refuses scripts with another name for `redis.call`, or with a key in a variable.
    pub(crate) form: bool,
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
