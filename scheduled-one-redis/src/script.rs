//! The scripts: one file an operation, what they share in front.

use std::borrow::Cow;

use deadpool_redis::redis::{Cmd, Script, cmd};
use once_cell::sync::Lazy;

/// A script and the digest that Redis knows it by.
pub(crate) struct Operation {
    /// What it is called in error texts.
    pub(crate) name: &'static str,
    text: &'static str,
    sha: Lazy<String>,
}

macro_rules! operation {
    ($static:ident, $($file:literal),+) => {
        pub(crate) static $static: Operation = {
            const TEXT: &str = concat!($(include_str!(concat!($file, ".lua"))),+);
            Operation {
                // The last file is the operation, what stands before is shared.
                name: [$($file),+][[$($file),+].len() - 1],
                text: TEXT,
                sha: Lazy::new(|| Script::new(TEXT).get_hash().to_owned()),
            }
        };
    };
}

operation!(CLAIM, "enter", "claim");
operation!(RENEW, "enter", "unit", "renew");
operation!(FINISH, "enter", "unit", "finish");
operation!(ENROLL, "enter", "unit", "enroll");
operation!(WRITE_OFF, "enter", "unit", "write_off");
operation!(BEAT, "enter", "beat");
operation!(LOOK, "look");
operation!(RECORD, "enter", "record");
operation!(INSPECT, "enter", "unit", "inspect");

impl Operation {
    /// The call by digest: what every request is sent as.
    pub(crate) fn by_digest(&self, request: &Request<'_>) -> Cmd {
        self.call("EVALSHA", &self.sha, request)
    }

    /// The call by text, for a Redis that answered `NOSCRIPT`. It keeps the
    /// script, so that the next one by digest finds it.
    pub(crate) fn by_text(&self, request: &Request<'_>) -> Cmd {
        self.call("EVAL", self.text, request)
    }

    fn call(&self, verb: &str, script: &str, request: &Request<'_>) -> Cmd {
        let mut command = cmd(verb);
        command.arg(script).arg(request.keys.len());
        for key in &request.keys {
            command.arg(key);
        }
        for value in &request.values {
            match value {
                Arg::Text(text) => command.arg(text.as_bytes()),
                Arg::Int(int) => command.arg(int),
            };
        }
        command
    }
}

/// KEYS and ARGV of a call.
#[derive(Default)]
pub(crate) struct Request<'a> {
    pub(crate) keys: Vec<String>,
    values: Vec<Arg<'a>>,
}

enum Arg<'a> {
    Text(Cow<'a, str>),
    Int(i64),
}

impl<'a> Request<'a> {
    pub(crate) fn with_capacity(keys: usize, values: usize) -> Self {
        Request {
            keys: Vec::with_capacity(keys),
            values: Vec::with_capacity(values),
        }
    }

    pub(crate) fn key(&mut self, key: String) -> &mut Self {
        self.keys.push(key);
        self
    }

    pub(crate) fn text(&mut self, text: impl Into<Cow<'a, str>>) -> &mut Self {
        self.values.push(Arg::Text(text.into()));
        self
    }

    pub(crate) fn int(&mut self, int: i64) -> &mut Self {
        self.values.push(Arg::Int(int));
        self
    }
}
