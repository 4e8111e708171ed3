//! Examines a server before the first job depends on it. Errors name the fault and the remedy.
//! Writes nothing but the keys of a trial of the scripts, which it deletes.

use std::time::Duration;

use deadpool_redis::redis::{cmd, from_redis_value};
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::machine::NewerProtocol;
use scheduled_one_protocol::{Finding, PreflightError, Severity};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::classify::{FailureKind, RedisFailure};
use crate::connect_error::ConnectError;
use crate::connection::Connection;
use crate::doctor::{self, Check, Diagnosis, Facts, Info};
use crate::keys::Keys;
use crate::probes::{facts, missing, probes};
use crate::topology::{Endpoint, Topology};
use crate::trial::Trial;
use crate::url::Address;

/// Longest time of the whole examination.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Longest time for the first reply. A server without one is no Redis, or hangs.
const FIRST_REPLY: Duration = Duration::from_millis(1500);

/// Longest time until a server accepts a connection, after it did not reply.
const ACCEPT_TIMEOUT: Duration = Duration::from_millis(500);

/// The results of an examination.
pub(crate) struct Examination {
    /// The reply to `INFO`; `None` without the permission.
    pub(crate) info: Option<Info>,
    pub(crate) diagnoses: Vec<Diagnosis>,
}

impl Examination {
    /// True if further checks make sense: the server replies, and is recent enough and loaded.
    pub(crate) fn may_continue(&self) -> bool {
        !self
            .diagnoses
            .iter()
            .any(|diagnosis| diagnosis.ends_examination)
    }

    fn refuse(&mut self, error: ConnectError) {
        self.diagnoses
            .push(Diagnosis::refused(check_of(&error), error));
    }
}

/// What is examined: a server, and the keys of one bucket on it.
pub(crate) struct Subject<'a> {
    pub(crate) address: &'a Address,
    pub(crate) keys: &'a Keys,
    pub(crate) trial: &'a Trial,
    /// The connection of the store.
    pub(crate) connection: &'a Connection,
    /// Another one, because each node holds two.
    pub(crate) second: &'a Connection,
}

/// Examines all that would make jobs fail later. Returns the warnings.
pub(crate) async fn check(subject: &Subject<'_>) -> Result<Vec<Finding>, ConnectError> {
    let Examination {
        info,
        mut diagnoses,
    } = examine(subject).await;
    if let Some(info) = &info {
        // Without the settings of the server, which need a permission that jobs do not need.
        diagnoses.push(doctor::persistence(info, None).into());
        diagnoses.push(doctor::replicas(info, None, subject.address.expects()).into());
    }
    doctor::start_result(diagnoses)
}

/// The examination at start, which the doctor makes, too. Takes 3 s at most.
pub(crate) async fn examine(subject: &Subject<'_>) -> Examination {
    let deadline = Instant::now() + TIME_LIMIT;
    let mut examination = Examination {
        info: None,
        diagnoses: Vec::new(),
    };
    let examining = examine_until(&mut examination, subject, deadline);
    let error = match timeout_at(deadline, examining).await {
        Ok(Ok(())) => return examination,
        Ok(Err(error)) => error,
        Err(_) => ConnectError::Unreachable {
            place: subject.address.servers.clone(),
            why: format!("its answers took more than {TIME_LIMIT:?}"),
        },
    };
    examination.refuse(error);
    examination
}

async fn examine_until(
    examination: &mut Examination,
    subject: &Subject<'_>,
    deadline: Instant,
) -> Result<(), ConnectError> {
    let Subject {
        address,
        connection,
        ..
    } = *subject;
    if address.accepts_any_certificate {
        examination.diagnoses.push(doctor::unverified().into());
    }
    examination.info = info(connection, address).await?;
    match &examination.info {
        Some(info) => {
            let names_cluster = matches!(address.topology, Topology::Cluster { .. });
            let judged = doctor::judge_info(&address.servers, info, names_cluster);
            examination.diagnoses.extend(judged);
        }
        // The missing permission is reported with all others by the probes.
        None => {
            let found = "INFO may not be asked";
            let finding = Finding::new(Severity::Info, Check::Server.name(), found, "");
            examination.diagnoses.push(finding.into());
        }
    }
    if !examination.may_continue() {
        return Ok(());
    }
    let facts = try_out(subject, deadline).await?;
    examination.diagnoses.extend(doctor::judge_probes(&facts));
    let second = open_second(subject, deadline).await;
    examination.diagnoses.push(second);
    Ok(())
}

/// Probes the permissions, and tries the scripts if nothing that is found stands against it.
async fn try_out(subject: &Subject<'_>, deadline: Instant) -> Result<Facts, ConnectError> {
    let Subject {
        address,
        connection,
        keys,
        trial,
        ..
    } = *subject;
    let probes = probes(keys, address.required_permissions());
    let replies = connection.send_all("preflight", &probes, deadline).await;
    let replies = replies.map_err(|failure| connect_error(failure, address))?;
    let mut facts = facts(replies, keys, address);
    if facts.missing.is_empty() && facts.write_refused.is_none() {
        let result = trial.run(connection, deadline).await;
        facts.script = result.map_err(|failure| connect_error(failure, address))?;
    }
    Ok(facts)
}

/// Opens the second connection, while the first is open. A permission that is missing is reported by the probes.
async fn open_second(subject: &Subject<'_>, deadline: Instant) -> Diagnosis {
    let place = subject.address.servers.clone();
    let time = || async { subject.second.send("TIME", &cmd("TIME"), deadline).await };
    let mut reply = time().await;
    if matches!(&reply, Err(failure) if failure.kind == FailureKind::NoReply) {
        // The next sentinel may name another server.
        reply = time().await;
    }
    match reply {
        Err(failure) if failure.kind.gives_up_connection() => {
            let why = failure.text();
            let error = ConnectError::SecondConnection { place, why };
            Diagnosis::refused(Check::Connections, error)
        }
        _ => {
            let found = "it takes both connections of a node";
            Finding::ok(Check::Connections.name(), found).into()
        }
    }
}

/// Requests `INFO`; `None` without the permission.
async fn info(connection: &Connection, address: &Address) -> Result<Option<Info>, ConnectError> {
    let first = || async {
        let deadline = Instant::now() + FIRST_REPLY;
        connection.send("INFO", &cmd("INFO"), deadline).await
    };
    let mut reply = first().await;
    if let (Err(failure), Topology::Sentinel { sentinels, .. }) = (&reply, &address.topology)
        && failure.kind == FailureKind::NoReply
        && failure.named.is_some()
        && sentinels.len() > 1
    {
        // The next sentinel may name another server.
        reply = first().await;
    }
    let reply = match reply {
        Ok(reply) => reply,
        Err(failure) if failure.kind == FailureKind::Denied => return Ok(None),
        Err(failure) => return Err(no_reply(failure, address).await),
    };
    let text: String = from_redis_value(reply).map_err(|_| ConnectError::NotRedis {
        place: address.servers.clone(),
        why: "it does not answer INFO with a text".to_owned(),
    })?;
    Ok(Some(Info::parse(&text)))
}

/// The check that an error belongs to.
fn check_of(error: &ConnectError) -> Check {
    match error {
        ConnectError::BadUrl(_) | ConnectError::BadOption { .. } => Check::Url,
        ConnectError::BadNamespace(_)
        | ConnectError::NewerProtocol(_)
        | ConnectError::OtherBuckets { .. } => Check::Namespace,
        ConnectError::Login { .. } | ConnectError::SentinelLogin { .. } => Check::Login,
        ConnectError::Certificate { .. } => Check::Certificate,
        ConnectError::ScriptsRefused { .. } => Check::Scripts,
        ConnectError::SecondConnection { .. } => Check::Connections,
        _ => Check::Reachable,
    }
}

/// The error of a server that did not reply to the first request: unreachable, or no Redis.
async fn no_reply(failure: RedisFailure, address: &Address) -> ConnectError {
    let not_redis = match (&failure.kind, &failure.error) {
        (FailureKind::Malformed, _) => true,
        // The connection was established and then closed, or no reply came.
        (FailureKind::Broken | FailureKind::NoReply, StoreError::Unknown(_)) => true,
        (FailureKind::NoReply, _) => match (&failure.named, &address.topology) {
            (Some(named), _) => accepts(&named.endpoint).await,
            (None, Topology::Standalone(endpoint)) => accepts(endpoint).await,
            _ => false,
        },
        _ => false,
    };
    let error = connect_error(failure, address);
    match error {
        ConnectError::Unreachable { place, why } if not_redis => {
            ConnectError::NotRedis { place, why }
        }
        error => error,
    }
}

/// True if something accepts connections there.
async fn accepts(endpoint: &Endpoint) -> bool {
    let connected = timeout(ACCEPT_TIMEOUT, async {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                TcpStream::connect((host.as_str(), *port)).await.map(drop)
            }
            Endpoint::Unix(path) => UnixStream::connect(path).await.map(drop),
        }
    });
    matches!(connected.await, Ok(Ok(())))
}

/// The error of connecting that a failure amounts to.
pub(crate) fn connect_error(failure: RedisFailure, address: &Address) -> ConnectError {
    let place = match &failure.named {
        Some(named) => named.to_string(),
        None => address.servers.clone(),
    };
    let mut error = failure.error;
    if let StoreError::Refused(why) | StoreError::Unknown(why) | StoreError::Unavailable(why) =
        &mut error
        && let Some(rest) = why.strip_prefix(&format!("{place}: "))
    {
        *why = rest.to_owned();
    }
    match (failure.kind, error) {
        (_, StoreError::NewerProtocol { found }) => {
            ConnectError::NewerProtocol(NewerProtocol { found })
        }
        (
            FailureKind::Certificate,
            StoreError::Refused(why) | StoreError::Unknown(why) | StoreError::Unavailable(why),
        ) => ConnectError::Certificate { place, why },
        (FailureKind::NoSentinel, StoreError::Unavailable(why)) => {
            ConnectError::NoSentinel { place, why }
        }
        (FailureKind::UnknownMaster, StoreError::Unavailable(why)) => {
            ConnectError::UnknownMaster { place, why }
        }
        (FailureKind::SentinelLogin, StoreError::Unavailable(why)) => {
            ConnectError::SentinelLogin { place, why }
        }
        (FailureKind::Login, StoreError::Refused(why) | StoreError::Unavailable(why)) => {
            ConnectError::Login {
                place,
                user: address.user_of_login(),
                why,
            }
        }
        (FailureKind::TurnedAway, StoreError::Unavailable(why)) | (_, StoreError::Refused(why)) => {
            ConnectError::Refused { place, why }
        }
        (_, StoreError::OtherBuckets { found, ours }) => ConnectError::OtherBuckets { found, ours },
        (FailureKind::NotNow, StoreError::Unavailable(why)) => ConnectError::NotNow { place, why },
        (_, StoreError::Unavailable(why) | StoreError::Unknown(why)) => {
            let hint = match address.tls {
                true => " (rediss:// needs a port that speaks TLS)",
                false => "",
            };
            let why = why + hint;
            ConnectError::Unreachable { place, why }
        }
        (_, error) => ConnectError::Refused {
            place,
            why: error.to_string(),
        },
    }
}

/// Examines which permissions are missing now.
pub(crate) async fn missing_rights(
    connection: &Connection,
    address: &Address,
    keys: &Keys,
) -> Result<Vec<String>, RedisFailure> {
    let deadline = Instant::now() + FIRST_REPLY;
    let replies = connection
        .send_all(
            "rights",
            &probes(keys, address.required_permissions()),
            deadline,
        )
        .await;
    replies.map(|replies| missing(&replies, keys, address.required_permissions()))
}

/// An error at start is a severe finding of the doctor.
impl From<ConnectError> for PreflightError {
    fn from(error: ConnectError) -> Self {
        let (found, remedy) = doctor::found_and_remedy(&error);
        PreflightError {
            finding: Finding::new(Severity::Severe, check_of(&error).name(), found, remedy),
            cause: match error {
                ConnectError::OtherBuckets { found, ours } => {
                    StoreError::OtherBuckets { found, ours }.into()
                }
                error => error.into(),
            },
        }
    }
}
