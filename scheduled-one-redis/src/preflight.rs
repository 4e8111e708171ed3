//! Looks at a Redis before the first job depends on it, and says what is wrong
//! with it in words that somebody can act on. Writes nothing.

use std::time::Duration;

use deadpool_redis::redis::{cmd, from_redis_value};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect_error::ConnectError;
use crate::connection::Link;
use crate::doctor::{self, Info, Verdict};
use crate::fault::{Fault, Kind};
use crate::keys::Keys;
use crate::probes::{facts, missing, probes};
use crate::url::Address;
use crate::way::Way;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::machine::NewerProtocol;
use scheduled_one_protocol::{Finding, PreflightError, Severity};

/// Bound of the whole look.
const BOUND: Duration = Duration::from_secs(3);

/// Bound of the first answer, after which what is there is no Redis, or hangs.
const FIRST_ANSWER: Duration = Duration::from_millis(1500);

/// What the look has shown.
pub(crate) struct Looked {
    /// `None` if it may not be asked.
    pub(crate) info: Option<Info>,
    pub(crate) verdicts: Vec<Verdict>,
}

impl Looked {
    /// Whether it makes sense to ask more: not of a server that does not
    /// answer, is too old, or is still loading.
    pub(crate) fn may_go_on(&self) -> bool {
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
pub(crate) async fn check(
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
pub(crate) async fn look(link: &Link, address: &Address, keys: &Keys) -> Looked {
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

pub(crate) fn broken(fault: Fault, address: &Address) -> ConnectError {
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
        (_, StoreError::OtherBuckets { found, ours }) => ConnectError::OtherBuckets { found, ours },
        (Kind::NotNow, StoreError::Unavailable(why)) => ConnectError::NotNow { place, why },
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
