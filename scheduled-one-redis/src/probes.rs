//! The commands that examine the permissions of a user before the first job depends on them, and the facts in their
//! replies. They write nothing.

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value, cmd};
use scheduled_one_protocol::machine::damage::MAX_EXACT;

use crate::classify;
use crate::connect_error::ConnectError;
use crate::doctor::{Facts, ScriptResult, Stored};
use crate::keys::Keys;
use crate::permissions::RequiredPermissions;
use crate::preflight::connect_error;
use crate::url::Address;

/// A command that a store needs, called so that it changes nothing.
struct Probe {
    /// Name of the command in an ACL.
    permission: &'static str,
    command: Cmd,
    shows: Shows,
}

/// The fact that the reply to a probe shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The command is permitted or not.
    Permission,
    /// In addition: version and number of buckets of the namespace.
    Meta,
    /// In addition: Redis takes writes now or not.
    Writes,
}

/// The probes: every command that a store needs.
///
/// Commands that write are called on a key that does not exist and is not made by them. Redis checks permissions before
/// arguments, so that a call with wrong arguments is a probe, too.
fn needed(keys: &Keys, permissions: RequiredPermissions) -> Vec<Probe> {
    use Shows::{Meta, Permission, Writes};

    let probe = |name: &'static str, args: &[&str], shows| {
        let (command, subcommand) = name
            .split_once('|')
            .map_or((name, None), |(name, sub)| (name, Some(sub)));
        let mut command = cmd(&command.to_ascii_uppercase());
        if let Some(subcommand) = subcommand {
            command.arg(subcommand.to_ascii_uppercase());
        }
        command.arg(args);
        Probe {
            permission: name,
            command,
            shows,
        }
    };
    let key = keys.probe.as_str();
    let unknown_sha = "0".repeat(40);
    let mut needed = vec![
        probe("eval", &["return 1", "1", key], Permission),
        probe("evalsha", &[&unknown_sha, "1", key], Permission),
        probe("info", &["server"], Permission),
        probe("time", &[], Permission),
        probe("type", &[key], Permission),
        probe("hmget", &[&keys.meta, "ver", "buckets"], Meta),
        // The last field has no value: refused after the permission was checked.
        probe("hset", &[key, "a", "1", "b"], Permission),
        probe("hgetall", &[key], Permission),
        probe("hkeys", &[key], Permission),
        probe("hexists", &[key, "a"], Permission),
        probe("hdel", &[key, "a"], Permission),
        probe("zadd", &[key, "XX", "1", "a"], Writes),
        probe("zrem", &[key, "a"], Permission),
        probe("zremrangebyscore", &[key, "1", "1"], Permission),
        probe("zrangebyscore", &[key, "1", "1"], Permission),
        probe("xadd", &[key, "NOMKSTREAM", "*", "a", "1"], Writes),
        probe("xrevrange", &[key, "+", "-", "COUNT", "1"], Permission),
        probe("del", &[key], Permission),
    ];
    if permissions.db != 0 {
        needed.push(probe("select", &[&permissions.db.to_string()], Permission));
    }
    if permissions.cluster {
        needed.push(probe("cluster|slots", &[], Permission));
        needed.push(probe("asking", &[], Permission));
    }
    if permissions.replicas {
        needed.push(probe("wait", &["0", "1"], Permission));
    }
    needed
}

/// The probes, sent at once.
pub(crate) fn probes(keys: &Keys, permissions: RequiredPermissions) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for probe in needed(keys, permissions) {
        pipeline.add_command(probe.command);
    }
    pipeline.ignore_errors();
    pipeline
}

/// The missing permissions, as an ACL writes them.
pub(crate) fn missing(
    replies: &[Result<Value, RedisError>],
    keys: &Keys,
    permissions: RequiredPermissions,
) -> Vec<String> {
    let mut missing = Vec::new();
    for (probe, reply) in needed(keys, permissions).iter().zip(replies) {
        let Err(error) = reply else { continue };
        let detail = error.detail().unwrap_or_default();
        if !classify::is_denial(error.code().unwrap_or_default(), detail) {
            continue;
        }
        let permission = match detail.contains(" to access ") {
            true => format!("~{}", keys.pattern()),
            false => format!("+{}", probe.permission),
        };
        if !missing.contains(&permission) {
            missing.push(permission);
        }
    }
    missing
}

/// The rules of an ACL that grant every permission a scheduler needs, and no more.
pub(crate) fn acl_rule(keys: &Keys, permissions: RequiredPermissions) -> String {
    let mut rule = String::new();
    for pattern in keys.patterns() {
        rule.push_str(&format!("~{pattern} "));
    }
    rule.push_str("-@all");
    for probe in needed(keys, permissions) {
        rule.push_str(" +");
        rule.push_str(probe.permission);
    }
    rule
}

/// The facts in the replies to [`probes`].
pub(crate) fn facts(
    replies: Vec<Result<Value, RedisError>>,
    keys: &Keys,
    address: &Address,
) -> Facts {
    let permissions = address.required_permissions();
    let needed = needed(keys, permissions);
    let missing = missing(&replies, keys, permissions);
    let (mut meta, mut write_refused) = (None, None);
    for (probe, reply) in needed.iter().zip(replies) {
        match probe.shows {
            Shows::Permission => {}
            Shows::Meta => meta = Some(reply),
            Shows::Writes => write_refused = write_refused.or(refused_write(&reply)),
        }
    }
    Facts {
        address: address.servers.clone(),
        user: address.user().to_owned(),
        missing,
        rule: acl_rule(keys, permissions),
        script: ScriptResult::Unknown,
        buckets: keys.buckets(),
        stored: stored(meta, keys, address),
        write_refused,
    }
}

/// The error of a probe that writes, if its code says that Redis refuses all writes. Redis checks that first.
fn refused_write(reply: &Result<Value, RedisError>) -> Option<String> {
    let error = reply.as_ref().err()?;
    let code = error.code()?;
    ["MISCONF", "NOREPLICAS", "OOM"]
        .contains(&code)
        .then(|| format!("{code} {}", error.detail().unwrap_or_default()))
}

/// The content of the namespace, or the error that every request would meet.
fn stored(reply: Option<Result<Value, RedisError>>, keys: &Keys, address: &Address) -> Stored {
    let fields = match reply {
        Some(Ok(Value::Array(fields))) => fields,
        Some(Err(error)) if error.code() == Some("WRONGTYPE") => {
            return Stored::Unreadable(ConnectError::Refused {
                place: address.servers.clone(),
                why: format!(
                    "the key {} is not of this program: delete it, or choose another namespace",
                    keys.meta
                ),
            });
        }
        Some(Err(error)) => {
            return Stored::Unreadable(connect_error(
                classify::of_request("HMGET", &error),
                address,
            ));
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
        // A namespace from before the number of buckets was stored has one bucket.
        None => (version > 0).then_some(1),
    };
    Stored::Known { version, buckets }
}

/// Reads a stored number of buckets as `enter.lua` does. A text that is no positive or negative integer counts as
/// nothing stored; an integer that cannot be a number of buckets counts as 0, which matches no configuration.
fn count(text: &str) -> Option<u32> {
    let number: f64 = text.trim().parse().ok()?;
    let is_integer = number.abs() <= MAX_EXACT as f64 && number.fract() == 0.0;
    (is_integer && number != 0.0).then(|| u32::try_from(number as i64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_rule_is_that_of_the_probes() {
        let keys = Keys::new("default", scheduled_one_protocol::Bucket::WHOLE);
        let rule = acl_rule(&keys, RequiredPermissions::default());
        let documented = format!("ACL SETUSER jobs on >password {rule}\n");
        assert!(
            include_str!("../docs/redis.md").contains(&documented),
            "{rule}"
        );
    }

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
