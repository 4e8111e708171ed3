//! What is asked of a Redis before the first job depends on it, and what the
//! answers show. Nothing of it writes.

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value, cmd};

use crate::connect_error::ConnectError;
use crate::doctor::{Facts, Script, Stored};
use crate::fault::{self, Kind};
use crate::keys::Keys;
use crate::needs::Needs;
use crate::preflight::broken;
use crate::url::Address;
use scheduled_one_protocol::machine::damage::MAX_EXACT;

/// All that is asked of Redis, by the name of the right it takes, as calls
/// that change nothing: on a key that does not exist and is not made by them.
/// Rights are checked before arguments are.
fn rights(keys: &Keys, needs: Needs) -> Vec<(&'static str, Cmd)> {
    let call = |name: &str, args: &[&str]| {
        let mut command = cmd(name);
        command.arg(args);
        command
    };
    let probe = keys.probe.as_str();
    let unknown_sha = "0".repeat(40);
    let mut rights = vec![
        ("eval", call("EVAL", &["return 1", "1", probe])),
        ("evalsha", call("EVALSHA", &[&unknown_sha, "1", probe])),
        ("info", call("INFO", &["server"])),
        ("time", call("TIME", &[])),
        ("type", call("TYPE", &[probe])),
        ("hmget", call("HMGET", &[&keys.meta, "ver", "buckets"])),
        // A field without a value: refused after its rights were looked at.
        ("hset", call("HSET", &[probe, "a", "1", "b"])),
        ("zadd", call("ZADD", &[probe, "XX", "1", "a"])),
        ("zrem", call("ZREM", &[probe, "a"])),
        (
            "zremrangebyscore",
            call("ZREMRANGEBYSCORE", &[probe, "1", "1"]),
        ),
        ("zrangebyscore", call("ZRANGEBYSCORE", &[probe, "1", "1"])),
        ("xadd", call("XADD", &[probe, "NOMKSTREAM", "*", "a", "1"])),
        (
            "xrevrange",
            call("XREVRANGE", &[probe, "+", "-", "COUNT", "1"]),
        ),
    ];
    if needs.db != 0 {
        rights.push(("select", call("SELECT", &[&needs.db.to_string()])));
    }
    if needs.cluster {
        rights.push(("cluster|slots", call("CLUSTER", &["SLOTS"])));
        rights.push(("asking", call("ASKING", &[])));
    }
    if needs.replicas {
        rights.push(("wait", call("WAIT", &["0", "1"])));
    }
    rights
}

/// Where the answers of `HMGET meta …` and of two commands that write are
/// among those of [`rights`].
const META: usize = 5;
const WRITES: [usize; 2] = [7, 11];

/// Asks as `enter.lua` does which process serves; fails where scripts have no
/// `cmsgpack`, which `claim.lua` needs. Behind those of [`rights`].
const WHO_SERVES: &str = "\
    cmsgpack.unpack('\\192') \
    local server, replication = redis.call('INFO', 'server'), redis.call('INFO', 'replication') \
    return (string.match(server, 'run_id:(%w+)') or '') \
    .. ':' .. (string.match(replication, 'master_replid:(%w+)') or '')";

pub(crate) fn probes(keys: &Keys, needs: Needs) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for (_, command) in rights(keys, needs) {
        pipeline.add_command(command);
    }
    pipeline.cmd("EVAL").arg(WHO_SERVES).arg(1).arg(&keys.probe);
    pipeline.ignore_errors();
    pipeline
}

/// The rights that are missing, as they are written in an ACL.
pub(crate) fn missing(
    answers: &[Result<Value, RedisError>],
    keys: &Keys,
    needs: Needs,
) -> Vec<String> {
    let mut missing = Vec::new();
    for ((right, _), answer) in rights(keys, needs).iter().zip(answers) {
        let Err(error) = answer else { continue };
        let detail = error.detail().unwrap_or_default();
        if !fault::is_denial(error.code().unwrap_or_default(), detail) {
            continue;
        }
        let right = match detail.contains(" to access ") {
            true => format!("~{}", keys.pattern()),
            false => format!("+{right}"),
        };
        if !missing.contains(&right) {
            missing.push(right);
        }
    }
    missing
}

/// The rule of an ACL that grants everything a scheduler needs, and no more.
pub(crate) fn acl_rule(keys: &Keys, needs: Needs) -> String {
    let mut rule = String::new();
    for pattern in keys.patterns() {
        rule.push_str(&format!("~{pattern} "));
    }
    rule.push_str("-@all");
    for (right, _) in rights(keys, needs) {
        rule.push_str(" +");
        rule.push_str(right);
    }
    rule
}

/// What all answers together show.
pub(crate) fn facts(
    answers: Vec<Result<Value, RedisError>>,
    keys: &Keys,
    address: &Address,
) -> Facts {
    let missing = missing(&answers, keys, address.needs());
    let write_refused = WRITES
        .iter()
        .find_map(|at| refused_write(answers.get(*at)?));
    let script = script(answers.last());
    Facts {
        place: address.place.clone(),
        user: address.user().to_owned(),
        missing,
        rule: acl_rule(keys, address.needs()),
        script,
        buckets: keys.buckets(),
        stored: stored(answers.into_iter().nth(META), keys, address),
        write_refused,
    }
}

/// Codes that answer whatever writes, before anything else is looked at.
fn refused_write(answer: &Result<Value, RedisError>) -> Option<String> {
    let error = answer.as_ref().err()?;
    let code = error.code()?;
    ["MISCONF", "NOREPLICAS", "OOM"]
        .contains(&code)
        .then(|| format!("{code} {}", error.detail().unwrap_or_default()))
}

fn script(answer: Option<&Result<Value, RedisError>>) -> Script {
    match answer {
        Some(Ok(Value::BulkString(text))) => match String::from_utf8_lossy(text).as_ref() {
            ":" => Script::Nameless,
            serving => Script::Serving(serving.to_owned()),
        },
        Some(Ok(_)) => Script::Nameless,
        Some(Err(error)) => {
            let fault = fault::of_request("EVAL", error);
            match fault.kind {
                Kind::Answered => Script::Refused(error.to_string()),
                _ => Script::Unknown,
            }
        }
        None => Script::Unknown,
    }
}

/// What is in the namespace, and errors that every command would meet.
fn stored(answer: Option<Result<Value, RedisError>>, keys: &Keys, address: &Address) -> Stored {
    let fields = match answer {
        Some(Ok(Value::Array(fields))) => fields,
        Some(Err(error)) if error.code() == Some("WRONGTYPE") => {
            return Stored::Unreadable(ConnectError::Refused {
                place: address.place.clone(),
                why: format!(
                    "the key {} is not of this program: delete it, or choose another namespace",
                    keys.meta
                ),
            });
        }
        Some(Err(error)) => {
            return Stored::Unreadable(broken(fault::of_request("HMGET", &error), address));
        }
        _ => Vec::new(),
    };
    let mut texts = fields.iter().map(|field| match field {
        Value::BulkString(text) => Some(String::from_utf8_lossy(text)),
        _ => None,
    });
    let (version, buckets) = (texts.next().flatten(), texts.next().flatten());
    if version.is_none() && buckets.is_none() {
        return Stored::Nothing;
    }
    let version = version.map_or(0, |text| text.parse().unwrap_or(0));
    let buckets = match buckets {
        Some(text) => count(&text),
        // Used before they were counted.
        None => (version > 0).then_some(1),
    };
    Stored::Known { version, buckets }
}

/// A stored number of buckets, read as `enter.lua` reads it: rubbish says
/// nothing, and a number that there cannot be is one all the same.
fn count(text: &str) -> Option<u32> {
    let number: f64 = text.trim().parse().ok()?;
    let is_integer = number.abs() <= MAX_EXACT as f64 && number.fract() == 0.0;
    (is_integer && number != 0.0).then(|| u32::try_from(number as i64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_buckets_is_read_as_the_script_reads_it() {
        for (text, meant) in [
            ("4", Some(4)),
            (" 4.0", Some(4)),
            ("-4", Some(0)),
            ("5000000000", Some(0)),
            ("0", None),
            ("", None),
            ("four", None),
            ("4.5", None),
            ("nan", None),
            ("1e300", None),
        ] {
            assert_eq!(count(text), meant, "{text:?}");
        }
    }
}
