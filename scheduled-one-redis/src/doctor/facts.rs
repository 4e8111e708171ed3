//! What a look at a Redis has found, before anybody judges it.

use std::collections::HashMap;
use std::str::FromStr;

use crate::connect_error::ConnectError;

/// What `INFO` tells, by name.
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

    /// `None`, too, if it is no number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.trim().parse().ok()
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }
}

/// What the probes have shown.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Host and port.
    pub(crate) address: String,
    /// Who asked.
    pub(crate) user: String,
    /// The rights that are missing, as an ACL writes them.
    pub(crate) missing: Vec<String>,
    /// The rule of an ACL that grants everything.
    pub(crate) rule: String,
    pub(crate) script: Script,
    /// How many buckets the caller believes in.
    pub(crate) buckets: u32,
    pub(crate) stored: Stored,
    /// Why Redis takes no writes now.
    pub(crate) write_refused: Option<String>,
}

/// What came of a script that asks `INFO` which process serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// `run_id:master_replid`; one of them may be empty.
    Serving(String),
    /// It ran, and both were empty.
    Nameless,
    /// It did not run, and that will not pass.
    Refused(String),
    /// A right is missing, or Redis could not do anything then.
    Unknown,
}

/// What is stored in the namespace.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    Nothing,
    Known {
        /// Of the protocol; 0 if it says none.
        version: u64,
        /// How many there are; `None` if it says nothing about that.
        buckets: Option<u32>,
    },
    /// It cannot be read, for a reason that each command would meet.
    Unreadable(ConnectError),
}
