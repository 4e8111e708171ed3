//! The scripts. Each operation has a file of its own, behind files that several share and behind the prologue.

use std::borrow::Cow;

use deadpool_redis::redis::{Cmd, Script, cmd};
use once_cell::sync::Lazy;

use crate::codes::{
    AskCode, CancelCode, ChangeCode, CheckpointCode, ClaimCode, FinishCode, ForgetCode,
    InspectCode, Named, OverdueCode, RenewCode, WriteOffCode,
};
use crate::prologue::prologue;

/// A script and its digest.
pub(crate) struct Operation {
    /// Name of the operation in error texts.
    pub(crate) name: &'static str,
    /// Number of ARGV values for each item of a batch.
    pub(crate) values: usize,
    text: Lazy<String>,
    sha: Lazy<String>,
}

/// Defines operations: name, number of values of an item, codes of the reply, and files. The last file is the
/// operation's own and gives its name.
macro_rules! operations {
    ($($static:ident: $values:literal, $codes:expr, $($file:ident)+;)+) => {
        $(pub(crate) static $static: Operation = {
            const CODES: &[&[Named]] = $codes;
            const NAMES: &[&str] = &[$(stringify!($file)),+];
            const FILES: &str = concat!($(include_str!(concat!(stringify!($file), ".lua"))),+);
            fn text() -> String {
                prologue(NAMES[NAMES.len() - 1], $values, CODES) + FILES
            }
            Operation {
                name: NAMES[NAMES.len() - 1],
                values: $values,
                text: Lazy::new(text),
                sha: Lazy::new(|| Script::new(&$static.text).get_hash().to_owned()),
            }
        };)+

        #[cfg(test)]
        pub(crate) fn all() -> impl Iterator<Item = &'static Operation> {
            [$(&$static),+].into_iter()
        }
    };
}

operations! {
    CLAIM: 8, ClaimCode::NAMES, shared enter directives ledger unit claim_reads claim_runs claim;
    RENEW: 9, &[RenewCode::NAMED], shared enter unit settle renew;
    FINISH: 14, FinishCode::NAMES, shared enter ledger unit settle finish;
    REGISTER: 13, &[], shared enter unit settle requests register;
    WRITE_OFF: 2, &[WriteOffCode::NAMED], shared enter ledger unit settle write_off;
    HEARTBEAT: 0, &[], shared enter heartbeat;
    READ_OVERDUE: 1, &[OverdueCode::NAMED], shared read_overdue;
    CONTROL: 0, &[ChangeCode::NAMED], shared enter directives trail control;
    RECORD: 16, &[], shared enter ledger record;
    INSPECT: 0, &[InspectCode::NAMED], shared enter unit inspect;
    ASK: 2, &[AskCode::NAMED], shared enter unit settle requests trail ask;
    TAKE: 10, ClaimCode::NAMES, shared enter directives ledger unit settle take;
    CANCEL: 4, &[CancelCode::NAMED], shared enter unit trail cancel;
    CHECKPOINT: 3, &[CheckpointCode::NAMED], shared enter unit checkpoint;
    FORGET: 7, &[ForgetCode::NAMED], shared enter directives unit trail forget;
}

/// The text of the claim script, for benchmarks.
#[cfg(feature = "internals")]
pub fn claim_script() -> &'static str {
    &CLAIM.text
}

/// The text of the claim script without what operators need, for a benchmark of what that costs while nobody uses it:
/// directives, lanes and requests for runs.
///
/// # Errors
///
/// The first of these parts that the script does not have any more as it is written here.
#[cfg(feature = "internals")]
pub fn claim_script_without_control() -> Result<String, &'static str> {
    // What the script has, and what is there instead.
    const PARTS: [(&str, &str); 12] = [
        (", 'buckets', 'cv')", ", 'buckets')"),
        ("= int(meta[6])", "= 0"),
        (
            "= control_version > 0 or version >= CONTROL_VERSION",
            "= false",
        ),
        ("'sch', 'ask', 'q')", "'sch', 'q')"),
        ("'sch', 'ask')", "'sch')"),
        (
            "v, v[9], v[7])\n  if v[8] == '1' then\n    r.ask = true\n  end\n",
            "v, v[8], v[7])\n",
        ),
        (" + (ask.lane and 1 or 0)", ""),
        (" or read_directives()", ""),
        ("  merge_lane()\n", ""),
        (
            "  if directs or ask.control > 0 then\n    local stays = forbidden()\n    if stays then\n      \
             return stays\n    end\n  end\n",
            "",
        ),
        (
            "  elseif r.ask and not ask.lane and ask.intent ~= 'mark_missed' then\n    return LANE\n",
            "",
        ),
        ("free_slot(lane_blocks() and 1 or 0)", "free_slot(0)"),
    ];
    let mut text = claim_script().to_owned();
    for (part, instead) in PARTS {
        if !text.contains(part) {
            return Err(part);
        }
        text = text.replace(part, instead);
    }
    Ok(text)
}

impl Operation {
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The call by digest, the usual one; `reads`: with the command for users who may only read.
    pub(crate) fn by_digest(&self, request: &Request<'_>, reads: bool) -> Cmd {
        let verb = if reads { "EVALSHA_RO" } else { "EVALSHA" };
        self.call(verb, &self.sha, request)
    }

    /// The call by text, for a Redis that replied `NOSCRIPT`. Redis keeps the script for later calls by digest.
    pub(crate) fn by_text(&self, request: &Request<'_>, reads: bool) -> Cmd {
        let verb = if reads { "EVAL_RO" } else { "EVAL" };
        self.call(verb, &self.text, request)
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
                Arg::Bytes(bytes) => command.arg(bytes),
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
    Bytes(Vec<u8>),
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

    pub(crate) fn bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.values.push(Arg::Bytes(bytes));
        self
    }

    pub(crate) fn int(&mut self, int: i64) -> &mut Self {
        self.values.push(Arg::Int(int));
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The lines of a script without comments and quoted texts.
    fn code(text: &str) -> impl Iterator<Item = String> {
        text.lines().map(|line| {
            let quoted = line.replace('"', "'");
            let parts = quoted.split('\'').step_by(2);
            let code = parts.collect::<Vec<_>>().join(" ");
            code.split("--").next().unwrap_or_default().to_owned()
        })
    }

    fn words(line: &str) -> impl Iterator<Item = &str> {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
    }

    fn is_constant(word: &&str) -> bool {
        let in_capitals = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        word.len() > 1 && word.chars().all(in_capitals) && word.starts_with(char::is_alphabetic)
    }

    /// Names in capitals that are no constants of the prologue: variables of Redis, and codes of errors.
    const OTHERS: [&str; 7] = [
        "KEYS",
        "ARGV",
        "OOM",
        "MISCONF",
        "NOREPLICAS",
        "READONLY",
        "NOPERM",
    ];

    /// A script that declares a constant again hides that of the prologue, and an undeclared name is nil, which Redis
    /// reports only when the line runs.
    #[test]
    fn each_constant_of_a_script_is_declared_once() {
        for operation in all() {
            let mut declared = BTreeSet::new();
            let lines: Vec<String> = code(&operation.text).collect();
            for line in &lines {
                let names = line.trim_start().strip_prefix("local ").unwrap_or_default();
                let names = names.split('=').next().unwrap_or_default();
                for name in words(names).filter(is_constant) {
                    let first = declared.insert(name) || OTHERS.contains(&name);
                    assert!(first, "{name} is declared twice");
                }
                for name in words(line).filter(is_constant) {
                    let known = declared.contains(name) || OTHERS.contains(&name);
                    assert!(known, "{name} is not declared: {line}");
                }
            }
        }
    }

    /// Numbers of the protocol come from Rust. Allowed in a script are indices of keys and values, and the parts of a
    /// second and of a whole.
    #[test]
    fn no_script_has_a_number_of_its_own() {
        const PARTS: [&str; 3] = ["100", "1000", "1000000"];
        for operation in all() {
            let (_, files) = operation
                .text
                .split_once("\n-- ")
                .expect("files behind the prologue");
            for line in code(files) {
                let is_number = |word: &&str| word.len() > 2 && word.parse::<u64>().is_ok();
                for number in words(&line).filter(is_number) {
                    assert!(PARTS.contains(&number), "{number} in {line}");
                }
            }
        }
    }
}
