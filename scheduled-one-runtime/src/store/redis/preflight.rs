//! Looks at a Redis before the first job depends on it, and says what is wrong
//! with it in words that somebody can act on. Writes nothing.

use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value, cmd, from_redis_value};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::StoreError;
use super::super::protocol::NewerProtocol;
use super::connect_error::ConnectError;
use super::connection::Link;
use super::doctor::{self, Facts, Info, Script, Stored, Verdict};
use super::fault::{self, Fault, Kind};
use super::keys::Keys;
use super::needs::Needs;
use super::url::Address;
use super::way::Way;
use crate::doctor::{Finding, Severity};

/// Bound of the whole look.
const BOUND: Duration = Duration::from_secs(3);

/// Bound of the first answer, after which what is there is no Redis, or hangs.
const FIRST_ANSWER: Duration = Duration::from_millis(1500);

/// What the look has shown.
pub(super) struct Looked {
    /// `None` if it may not be asked.
    pub(super) info: Option<Info>,
    pub(super) verdicts: Vec<Verdict>,
}

impl Looked {
    /// Whether it makes sense to ask more: not of a server that does not
    /// answer, is too old, or is still loading.
    pub(super) fn may_go_on(&self) -> bool {
        const IN_VAIN: [&str; 5] = ["reachable", "login", "certificate", "server", "loading"];
        let in_vain = |verdict: &Verdict| {
            verdict.refusal.is_some() && IN_VAIN.contains(&verdict.finding.check)
        };
        !self.verdicts.iter().any(in_vain)
    }

    fn refuse(&mut self, error: ConnectError) {
        self.verdicts
            .push(Verdict::refused(check_of(&error), error));
    }
}

/// Looks at everything that would make jobs fail later. The warnings are what
/// somebody should know although jobs run.
pub(super) async fn check(
    link: &Link,
    address: &Address,
    keys: &Keys,
) -> Result<Vec<Finding>, ConnectError> {
    let Looked { info, mut verdicts } = look(link, address, keys).await;
    if let Some(info) = &info {
        // Without the settings, for which a right would be needed.
        verdicts.push(doctor::persistence(info, None).into());
        verdicts.push(doctor::replicas(info, None, address.expects()).into());
    }
    doctor::to_start(verdicts)
}

/// What a start looks at, too. Takes 3 s at most.
pub(super) async fn look(link: &Link, address: &Address, keys: &Keys) -> Looked {
    let deadline = Instant::now() + BOUND;
    let mut looked = Looked {
        info: None,
        verdicts: Vec::new(),
    };
    let looking = look_until(&mut looked, link, address, keys, deadline);
    let error = match timeout_at(deadline, looking).await {
        Ok(Ok(())) => return looked,
        Ok(Err(error)) => error,
        Err(_) => ConnectError::Unreachable {
            place: address.place.clone(),
            why: format!("its answers took more than {BOUND:?}"),
        },
    };
    looked.refuse(error);
    looked
}

async fn look_until(
    looked: &mut Looked,
    link: &Link,
    address: &Address,
    keys: &Keys,
    deadline: Instant,
) -> Result<(), ConnectError> {
    looked.info = info(link, address).await?;
    match &looked.info {
        Some(info) => {
            let names_cluster = matches!(address.way, Way::Cluster { .. });
            looked.verdicts = doctor::judge_info(&address.place, info, names_cluster);
        }
        // That right is named below, with all others.
        None => {
            let found = "INFO may not be asked";
            let finding = Finding::new(Severity::Info, "server", found, "");
            looked.verdicts.push(finding.into());
        }
    }
    if !looked.may_go_on() {
        return Ok(());
    }
    let answers = link
        .send_all("preflight", &probes(keys, address.needs()), deadline)
        .await
        .map_err(|fault| broken(fault, address))?;
    let facts = facts(answers, keys, address);
    looked.verdicts.extend(doctor::judge_probes(&facts));
    Ok(())
}

/// What `INFO` tells; `None` if it may not be asked.
async fn info(link: &Link, address: &Address) -> Result<Option<Info>, ConnectError> {
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
    Ok(Some(Info::parse(&text)))
}

/// The name of the look that an error belongs to.
pub(super) fn check_of(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::BadUrl(_) | ConnectError::BadOption { .. } => "url",
        ConnectError::BadNamespace(_) | ConnectError::NewerProtocol(_) => "namespace",
        ConnectError::Login { .. } | ConnectError::SentinelLogin { .. } => "login",
        ConnectError::Certificate { .. } => "certificate",
        _ => "reachable",
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

/// Where the answers of `HMGET meta ver` and of two commands that write are
/// among those of [`rights`].
const META: usize = 5;
const WRITES: [usize; 2] = [7, 11];

/// Asks as `enter.lua` does which process serves. Behind those of [`rights`].
const WHO_SERVES: &str = "\
    local server, replication = redis.call('INFO', 'server'), redis.call('INFO', 'replication') \
    return (string.match(server, 'run_id:(%w+)') or '') \
    .. ':' .. (string.match(replication, 'master_replid:(%w+)') or '')";

fn probes(keys: &Keys, needs: Needs) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for (_, command) in rights(keys, needs) {
        pipeline.add_command(command);
    }
    pipeline.cmd("EVAL").arg(WHO_SERVES).arg(1).arg(&keys.probe);
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
pub(super) async fn missing_rights(
    link: &Link,
    address: &Address,
    keys: &Keys,
) -> Result<Vec<String>, Fault> {
    let deadline = Instant::now() + FIRST_ANSWER;
    let answers = link
        .send_all("rights", &probes(keys, address.needs()), deadline)
        .await;
    answers.map(|answers| missing(&answers, keys, address.needs()))
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

fn facts(answers: Vec<Result<Value, RedisError>>, keys: &Keys, address: &Address) -> Facts {
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

/// The version in the namespace, and errors that every command would meet.
fn stored(answer: Option<Result<Value, RedisError>>, keys: &Keys, address: &Address) -> Stored {
    let version = match answer {
        Some(Ok(Value::Array(mut fields))) => fields.pop(),
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
        _ => None,
    };
    match version {
        Some(Value::BulkString(text)) => {
            Stored::Version(String::from_utf8_lossy(&text).parse().unwrap_or(0))
        }
        _ => Stored::Nothing,
    }
}
