//! Looks at a Redis before the first job depends on it, and says what is wrong
//! with it in words that somebody can act on. Writes nothing.

use std::time::Duration;

use deadpool_redis::redis::{cmd, from_redis_value};
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::machine::NewerProtocol;
use scheduled_one_protocol::{Finding, PreflightError, Severity};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::classify::{FailureKind, RedisFailure};
use crate::connect_error::ConnectError;
use crate::connection::Connection;
use crate::doctor::{self, Diagnosis, Info};
use crate::keys::Keys;
use crate::probes::{facts, missing, probes};
use crate::topology::Topology;
use crate::url::Address;

/// Bound of the whole look.
const BOUND: Duration = Duration::from_secs(3);

/// Bound of the first answer, after which what is there is no Redis, or hangs.
const FIRST_ANSWER: Duration = Duration::from_millis(1500);

/// What the look has shown.
pub(crate) struct Looked {
    /// `None` if it may not be asked.
    pub(crate) info: Option<Info>,
    pub(crate) diagnoses: Vec<Diagnosis>,
}

impl Looked {
    /// Whether it makes sense to ask more: not of a server that does not
    /// answer, is too old, or is still loading.
    pub(crate) fn may_go_on(&self) -> bool {
        const IN_VAIN: [&str; 5] = ["reachable", "login", "certificate", "server", "loading"];
        let in_vain = |diagnosis: &Diagnosis| {
            diagnosis.refusal.is_some() && IN_VAIN.contains(&diagnosis.finding.check)
        };
        !self.diagnoses.iter().any(in_vain)
    }

    fn refuse(&mut self, error: ConnectError) {
        self.diagnoses
            .push(Diagnosis::refused(check_of(&error), error));
    }
}

/// Looks at everything that would make jobs fail later. The warnings are what
/// somebody should know although jobs run.
pub(crate) async fn check(
    connection: &Connection,
    address: &Address,
    keys: &Keys,
) -> Result<Vec<Finding>, ConnectError> {
    let Looked {
        info,
        mut diagnoses,
    } = look(connection, address, keys).await;
    if let Some(info) = &info {
        // Without the settings, for which a right would be needed.
        diagnoses.push(doctor::persistence(info, None).into());
        diagnoses.push(doctor::replicas(info, None, address.expects()).into());
    }
    doctor::to_start(diagnoses)
}

/// What a start looks at, too. Takes 3 s at most.
pub(crate) async fn look(connection: &Connection, address: &Address, keys: &Keys) -> Looked {
    let deadline = Instant::now() + BOUND;
    let mut looked = Looked {
        info: None,
        diagnoses: Vec::new(),
    };
    let looking = look_until(&mut looked, connection, address, keys, deadline);
    let error = match timeout_at(deadline, looking).await {
        Ok(Ok(())) => return looked,
        Ok(Err(error)) => error,
        Err(_) => ConnectError::Unreachable {
            place: address.servers.clone(),
            why: format!("its answers took more than {BOUND:?}"),
        },
    };
    looked.refuse(error);
    looked
}

async fn look_until(
    looked: &mut Looked,
    connection: &Connection,
    address: &Address,
    keys: &Keys,
    deadline: Instant,
) -> Result<(), ConnectError> {
    looked.info = info(connection, address).await?;
    match &looked.info {
        Some(info) => {
            let names_cluster = matches!(address.topology, Topology::Cluster { .. });
            looked.diagnoses = doctor::judge_info(&address.servers, info, names_cluster);
        }
        // That right is named below, with all others.
        None => {
            let found = "INFO may not be asked";
            let finding = Finding::new(Severity::Info, "server", found, "");
            looked.diagnoses.push(finding.into());
        }
    }
    if !looked.may_go_on() {
        return Ok(());
    }
    let answers = connection
        .send_all(
            "preflight",
            &probes(keys, address.required_permissions()),
            deadline,
        )
        .await
        .map_err(|failure| broken(failure, address))?;
    let facts = facts(answers, keys, address);
    looked.diagnoses.extend(doctor::judge_probes(&facts));
    Ok(())
}

/// What `INFO` tells; `None` if it may not be asked.
async fn info(connection: &Connection, address: &Address) -> Result<Option<Info>, ConnectError> {
    let asked = Instant::now() + FIRST_ANSWER;
    let reply = match connection.send("INFO", &cmd("INFO"), asked).await {
        Ok(reply) => reply,
        Err(failure) if failure.kind == FailureKind::Denied => return Ok(None),
        Err(failure) => return Err(not_answered(failure, address).await),
    };
    let text: String = from_redis_value(reply).map_err(|_| ConnectError::NotRedis {
        place: address.servers.clone(),
        why: "it does not answer INFO with a text".to_owned(),
    })?;
    Ok(Some(Info::parse(&text)))
}

/// The name of the look that an error belongs to.
pub(crate) fn check_of(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::BadUrl(_) | ConnectError::BadOption { .. } => "url",
        ConnectError::BadNamespace(_)
        | ConnectError::NewerProtocol(_)
        | ConnectError::OtherBuckets { .. } => "namespace",
        ConnectError::Login { .. } | ConnectError::SentinelLogin { .. } => "login",
        ConnectError::Certificate { .. } => "certificate",
        _ => "reachable",
    }
}

/// Tells a Redis that is not there from something else that is.
async fn not_answered(failure: RedisFailure, address: &Address) -> ConnectError {
    let not_redis = match (&failure.kind, &failure.error) {
        (FailureKind::Garbled, _) => true,
        // The connection came about, and then it was closed, or nothing came.
        (FailureKind::Broken | FailureKind::Silent, StoreError::Unknown(_)) => true,
        (FailureKind::Silent, _) if matches!(address.topology, Topology::Standalone(_)) => {
            let target = (address.host.as_str(), address.port);
            let open = timeout(Duration::from_millis(500), TcpStream::connect(target)).await;
            matches!(open, Ok(Ok(_)))
        }
        _ => false,
    };
    let error = broken(failure, address);
    match error {
        ConnectError::Unreachable { place, why } if not_redis => {
            ConnectError::NotRedis { place, why }
        }
        error => error,
    }
}

pub(crate) fn broken(failure: RedisFailure, address: &Address) -> ConnectError {
    let place = address.servers.clone();
    match (failure.kind, failure.error) {
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
                user: address.user().to_owned(),
                why,
            }
        }
        (_, StoreError::Refused(why)) => ConnectError::Refused { place, why },
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

/// The rights that are missing now.
pub(crate) async fn missing_rights(
    connection: &Connection,
    address: &Address,
    keys: &Keys,
) -> Result<Vec<String>, RedisFailure> {
    let deadline = Instant::now() + FIRST_ANSWER;
    let answers = connection
        .send_all(
            "rights",
            &probes(keys, address.required_permissions()),
            deadline,
        )
        .await;
    answers.map(|answers| missing(&answers, keys, address.required_permissions()))
}

/// What a start refuses is what the doctor calls severe.
impl From<ConnectError> for PreflightError {
    fn from(error: ConnectError) -> Self {
        let (found, remedy) = doctor::found_and_remedy(&error);
        PreflightError {
            finding: Finding::new(Severity::Severe, check_of(&error), found, remedy),
            cause: match error {
                ConnectError::OtherBuckets { found, ours } => {
                    StoreError::OtherBuckets { found, ours }.into()
                }
                error => error.into(),
            },
        }
    }
}
