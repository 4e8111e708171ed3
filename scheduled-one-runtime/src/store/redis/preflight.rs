//! Looks at a Redis before the first job depends on it, and says what is wrong
//! with it in words that somebody can act on. Writes nothing.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value, cmd, from_redis_value};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::StoreError;
use super::super::protocol::{NewerProtocol, VERSION};
use super::connect_error::ConnectError;
use super::connection::Link;
use super::fault::{self, Fault, Kind};
use super::keys::Keys;
use super::needs::Needs;
use super::url::Address;
use super::way::Way;

/// Bound of the whole look.
const BOUND: Duration = Duration::from_secs(3);

/// Bound of the first answer, after which what is there is no Redis, or hangs.
const FIRST_ANSWER: Duration = Duration::from_millis(1500);

/// `LIMIT`, `XADD NOMKSTREAM` and exact trimming the way the scripts use them.
const OLDEST: (u32, u32) = (6, 2);

/// Looks at everything that would make jobs fail later.
pub(super) async fn check(link: &Link, address: &Address, keys: &Keys) -> Result<(), ConnectError> {
    let deadline = Instant::now() + BOUND;
    match timeout_at(deadline, look(link, address, keys, deadline)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Unreachable {
            place: address.place.clone(),
            why: format!("its answers took more than {BOUND:?}"),
        }),
    }
}

async fn look(
    link: &Link,
    address: &Address,
    keys: &Keys,
    deadline: Instant,
) -> Result<(), ConnectError> {
    // Without the right to ask, that right is named below, with all others.
    if let Some(info) = info(link, address).await? {
        check_server(&info, address)?;
    }
    let answers = link
        .send_all("preflight", &probes(keys, address.needs()), deadline)
        .await
        .map_err(|fault| broken(fault, address))?;
    let missing = missing(&answers, keys, address.needs());
    if !missing.is_empty() {
        return Err(ConnectError::MissingRights {
            place: address.place.clone(),
            user: address.user().to_owned(),
            missing: missing.join(" "),
            rule: acl_rule(keys, address.needs()),
        });
    }
    check_namespace(answers, keys, address)
}

/// What `INFO` tells, by name; `None` if it may not be asked.
async fn info(
    link: &Link,
    address: &Address,
) -> Result<Option<HashMap<String, String>>, ConnectError> {
    let asked = Instant::now() + FIRST_ANSWER;
    let reply = match link.send("INFO", &cmd("INFO"), asked).await {
        Ok(reply) => reply,
        Err(fault) if fault.kind == Kind::Denied => return Ok(None),
        Err(fault) => return Err(not_answered(fault, address).await),
    };
    let text: String = from_redis_value(reply).map_err(|_| ConnectError::NotRedis {
        place: address.place.clone(),
        why: "it does not answer INFO with a text".to_owned(),
    })?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    Ok(Some(
        lines.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    ))
}

fn check_server(info: &HashMap<String, String>, address: &Address) -> Result<(), ConnectError> {
    let place = address.place.clone();
    let get = |name: &str| info.get(name).map(String::as_str);
    let Some(version) = get("redis_version") else {
        return Err(ConnectError::NotRedis {
            place,
            why: "its INFO has no redis_version".to_owned(),
        });
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let major_minor = (parts.next().flatten(), parts.next().flatten());
    if let (Some(major), Some(minor)) = major_minor
        && (major, minor) < OLDEST
    {
        return Err(ConnectError::TooOld {
            place,
            version: version.to_owned(),
        });
    }
    if get("loading") == Some("1") {
        return Err(ConnectError::NotNow {
            place,
            why: "it is still loading its data".to_owned(),
        });
    }
    if get("role") == Some("slave") {
        let host = get("master_host").unwrap_or("?");
        return Err(ConnectError::Replica {
            place,
            primary: format!("{host}:{}", get("master_port").unwrap_or("?")),
        });
    }
    match get("maxmemory_policy") {
        Some(policy) if policy.starts_with("allkeys") => Err(ConnectError::Evicts {
            place,
            policy: policy.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Tells a Redis that is not there from something else that is.
async fn not_answered(fault: Fault, address: &Address) -> ConnectError {
    let not_redis = match (&fault.kind, &fault.error) {
        (Kind::Garbled, _) => true,
        // The connection came about, and then it was closed, or nothing came.
        (Kind::Broken | Kind::Silent, StoreError::Unknown(_)) => true,
        (Kind::Silent, _) if matches!(address.way, Way::Single(_)) => {
            let target = (address.host.as_str(), address.port);
            let open = timeout(Duration::from_millis(500), TcpStream::connect(target)).await;
            matches!(open, Ok(Ok(_)))
        }
        _ => false,
    };
    let error = broken(fault, address);
    match error {
        ConnectError::Unreachable { place, why } if not_redis => {
            ConnectError::NotRedis { place, why }
        }
        error => error,
    }
}

fn broken(fault: Fault, address: &Address) -> ConnectError {
    let place = address.place.clone();
    match (fault.kind, fault.error) {
        (_, StoreError::NewerProtocol { found }) => {
            ConnectError::NewerProtocol(NewerProtocol { found })
        }
        (
            Kind::Certificate,
            StoreError::Refused(why) | StoreError::Unknown(why) | StoreError::Unavailable(why),
        ) => ConnectError::Certificate { place, why },
        (Kind::NoSentinel, StoreError::Unavailable(why)) => ConnectError::NoSentinel { place, why },
        (Kind::UnknownMaster, StoreError::Unavailable(why)) => {
            ConnectError::UnknownMaster { place, why }
        }
        (Kind::SentinelLogin, StoreError::Unavailable(why)) => {
            ConnectError::SentinelLogin { place, why }
        }
        (Kind::Login, StoreError::Refused(why) | StoreError::Unavailable(why)) => {
            ConnectError::Login {
                place,
                user: address.user().to_owned(),
                why,
            }
        }
        (_, StoreError::Refused(why)) => ConnectError::Refused { place, why },
        // Only scripts look at it, and none is part of this.
        (_, error @ StoreError::OtherBuckets { .. }) => ConnectError::Refused {
            place,
            why: error.to_string(),
        },
        (Kind::NotNow, StoreError::Unavailable(why)) => ConnectError::NotNow { place, why },
        (_, StoreError::Unavailable(why) | StoreError::Unknown(why)) => {
            let hint = match address.tls {
                true => " (rediss:// needs a port that speaks TLS)",
                false => "",
            };
            let why = why + hint;
            ConnectError::Unreachable { place, why }
        }
    }
}

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
        ("hmget", call("HMGET", &[&keys.meta, "ver"])),
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

/// Where the answer of `HMGET meta ver` is among those of [`rights`].
const META: usize = 5;

fn probes(keys: &Keys, needs: Needs) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for (_, command) in rights(keys, needs) {
        pipeline.add_command(command);
    }
    pipeline.ignore_errors();
    pipeline
}

/// The rights that are missing, as they are written in an ACL.
fn missing(answers: &[Result<Value, RedisError>], keys: &Keys, needs: Needs) -> Vec<String> {
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

/// The rights that are missing now; empty if nobody can tell.
pub(super) async fn missing_rights(link: &Link, address: &Address, keys: &Keys) -> Vec<String> {
    let deadline = Instant::now() + FIRST_ANSWER;
    let answers = link
        .send_all("rights", &probes(keys, address.needs()), deadline)
        .await;
    answers.map_or_else(
        |_| Vec::new(),
        |answers| missing(&answers, keys, address.needs()),
    )
}

/// The rule of an ACL that grants everything a scheduler needs, and no more.
pub(super) fn acl_rule(keys: &Keys, needs: Needs) -> String {
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

/// The version in the namespace, and errors that every command would meet.
fn check_namespace(
    answers: Vec<Result<Value, RedisError>>,
    keys: &Keys,
    address: &Address,
) -> Result<(), ConnectError> {
    let mut answers = answers.into_iter();
    let version = match answers.nth(META) {
        Some(Ok(Value::Array(mut fields))) => fields.pop(),
        Some(Err(error)) if error.code() == Some("WRONGTYPE") => {
            return Err(ConnectError::Refused {
                place: address.place.clone(),
                why: format!(
                    "the key {} is not of this program: delete it, or choose another namespace",
                    keys.meta
                ),
            });
        }
        Some(Err(error)) => return Err(broken(fault::of_request("HMGET", &error), address)),
        _ => None,
    };
    let found = match version {
        Some(Value::BulkString(text)) => String::from_utf8_lossy(&text).parse().unwrap_or(0),
        _ => 0,
    };
    if found > VERSION {
        return Err(ConnectError::NewerProtocol(NewerProtocol { found }));
    }
    Ok(())
}
