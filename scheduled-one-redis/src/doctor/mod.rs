//! Judges what a look at a Redis has found: pure, so that it can be held
//! against what servers say. `preflight` looks; a start takes the
//! severe findings for errors, `examine` asks some more and reports them all.

mod facts;
mod failover;
mod hints;
mod persistence;
mod remedy;
mod replicas;
mod server;
#[cfg(test)]
mod tests;

use scheduled_one_protocol::machine::{NewerProtocol, VERSION};
use scheduled_one_protocol::{Finding, Severity};

use crate::connect_error::ConnectError;

pub(super) use facts::{Facts, Info, Script, Stored};
pub(super) use failover::{Deployment, FailoverTiming, failover};
pub(super) use hints::{ClockFacts, Mark, clock, marks, round_trip};
pub(super) use persistence::persistence;
pub(super) use remedy::found_and_remedy;
pub(super) use replicas::{Expected, replicas};

/// Settings of the server that `CONFIG GET` tells, by name; `None` where it may
/// not be asked, as in most managed services.
pub(super) type Settings<'a> = Option<&'a std::collections::HashMap<String, String>>;

/// A finding, and the error that a start makes of it.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) finding: Finding,
    /// Of severe findings alone.
    pub(super) refusal: Option<ConnectError>,
}

impl From<Finding> for Diagnosis {
    fn from(finding: Finding) -> Self {
        Diagnosis {
            finding,
            refusal: None,
        }
    }
}

impl Diagnosis {
    /// Severe, in the words of the error.
    pub(super) fn refused(check: &'static str, error: ConnectError) -> Self {
        let (found, remedy) = found_and_remedy(&error);
        Diagnosis {
            finding: Finding::new(Severity::Severe, check, found, remedy),
            refusal: Some(error),
        }
    }
}

/// What `INFO` alone shows, in the order in which a start complains.
pub(super) fn judge_info(address: &str, info: &Info, names_cluster: bool) -> Vec<Diagnosis> {
    let mut diagnoses = server::kind_and_version(address, info);
    diagnoses.extend([
        server::role(address, info),
        server::eviction(address, info),
        server::memory(info).into(),
        server::cluster_mode(info, names_cluster).into(),
    ]);
    diagnoses
}

/// What the answers to the probes show.
pub(super) fn judge_probes(facts: &Facts) -> Vec<Diagnosis> {
    vec![
        rights(facts),
        scripts(facts),
        namespace(facts),
        writes(facts),
    ]
}

fn rights(facts: &Facts) -> Diagnosis {
    if facts.missing.is_empty() {
        let found = format!("user {} may do all that is needed", facts.user);
        return Finding::ok("rights", found).into();
    }
    Diagnosis::refused(
        "rights",
        ConnectError::MissingRights {
            place: facts.address.clone(),
            user: facts.user.clone(),
            missing: facts.missing.join(" "),
            rule: facts.rule.clone(),
        },
    )
}

/// Each script asks `INFO` which process serves it: that is how a store that
/// restarted, or failed over, is noticed.
fn scripts(facts: &Facts) -> Diagnosis {
    let refused = |why: String| {
        let place = facts.address.clone();
        Diagnosis::refused("scripts", ConnectError::Refused { place, why })
    };
    match &facts.script {
        Script::Serving(_) => Finding::ok(
            "scripts",
            "scripts run, and see which process serves them, so a restart is noticed",
        )
        .into(),
        Script::Nameless => refused(
            "INFO has neither run_id nor master_replid in scripts there, so a restart that \
             forgot which ticks have run would not be noticed; use Redis, Valkey or Dragonfly"
                .to_owned(),
        ),
        Script::Refused(answer) => refused(format!(
            "a script that calls INFO does not run there ({answer}); the scheduler is made of \
             scripts, and they tell by INFO a server that restarted from one that did not; use \
             Redis, Valkey or Dragonfly, and do not rename INFO"
        )),
        Script::Unknown => Finding::new(
            Severity::Info,
            "scripts",
            "whether scripts may call INFO could not be tried",
            "",
        )
        .into(),
    }
}

fn namespace(facts: &Facts) -> Diagnosis {
    match &facts.stored {
        Stored::Known { version, .. } if *version > VERSION => Diagnosis::refused(
            "namespace",
            ConnectError::NewerProtocol(NewerProtocol { found: *version }),
        ),
        Stored::Known {
            buckets: Some(found),
            ..
        } if *found != facts.buckets => Diagnosis::refused(
            "namespace",
            ConnectError::OtherBuckets {
                found: *found,
                ours: facts.buckets,
            },
        ),
        Stored::Nothing | Stored::Known { version: 0, .. } => Finding::new(
            Severity::Info,
            "namespace",
            "this Redis does not know it: the first scheduler to start waits once for its \
             longest lease and a second, because it may be a flushed one",
            "",
        )
        .into(),
        Stored::Known { version, .. } => {
            Finding::ok("namespace", format!("protocol version {version}")).into()
        }
        Stored::Unreadable(error) => Diagnosis::refused("namespace", error.clone()),
    }
}

/// Whether Redis takes writes now: `MISCONF`, `NOREPLICAS` and `OOM` are
/// answers to whatever writes.
fn writes(facts: &Facts) -> Diagnosis {
    match &facts.write_refused {
        None => Finding::ok("writes", "it takes writes").into(),
        Some(why) => Diagnosis::refused(
            "writes",
            ConnectError::NoWrites {
                place: facts.address.clone(),
                why: why.clone(),
            },
        ),
    }
}

/// The first severe finding as an error, or the warnings.
pub(super) fn to_start(diagnoses: Vec<Diagnosis>) -> Result<Vec<Finding>, ConnectError> {
    let mut warnings = Vec::new();
    for Diagnosis { finding, refusal } in diagnoses {
        match refusal {
            Some(error) => return Err(error),
            None if finding.severity == Severity::Warning => warnings.push(finding),
            None => {}
        }
    }
    Ok(warnings)
}
