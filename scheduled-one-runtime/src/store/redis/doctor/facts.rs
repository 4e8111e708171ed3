//! What a look at a Redis has found, before anybody judges it.

use std::collections::HashMap;
use std::str::FromStr;

use super::super::connect_error::ConnectError;

/// What `INFO` tells, by name.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Info(HashMap<String, String>);

impl Info {
    pub(in super::super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Info(
            lines
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
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
pub(in super::super) struct Facts {
    /// Host and port.
    pub(in super::super) place: String,
    /// Who asked.
    pub(in super::super) user: String,
    /// The rights that are missing, as an ACL writes them.
    pub(in super::super) missing: Vec<String>,
    /// The rule of an ACL that grants everything.
    pub(in super::super) rule: String,
    pub(in super::super) script: Script,
    /// How many buckets the caller believes in.
    pub(in super::super) buckets: u32,
    pub(in super::super) stored: Stored,
    /// Why Redis takes no writes now.
    pub(in super::super) write_refused: Option<String>,
}

/// What came of a script that asks `INFO` which process serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Script {
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
pub(in super::super) enum Stored {
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
