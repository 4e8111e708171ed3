//! Makes findings of the facts about a server. All functions are pure and are tested with replies of several servers.
//! `preflight` and `diagnose` collect the facts; the start fails with the first severe finding, the doctor reports
//! all findings.

mod check;
mod facts;
mod failover;
mod hints;
mod persistence;
mod remedy;
mod replicas;
mod scripts;
mod server;
#[cfg(test)]
mod tests;

use scheduled_one_protocol::machine::{NewerProtocol, VERSION};
use scheduled_one_protocol::{Finding, Severity};

use crate::connect_error::ConnectError;

pub(crate) use crate::doctor::check::Check;
pub(crate) use crate::doctor::facts::{Facts, Info, ScriptResult, ScriptsRefused, Stored};
pub(crate) use crate::doctor::failover::{Deployment, FailoverTiming, failover};
pub(crate) use crate::doctor::hints::{ClockFacts, HighWaterMark, clock, marks, round_trip};
pub(crate) use crate::doctor::persistence::persistence;
pub(crate) use crate::doctor::remedy::found_and_remedy;
pub(crate) use crate::doctor::replicas::{Expected, replicas};
pub(crate) use crate::doctor::scripts::refusal;

/// Settings of the server by name, from `CONFIG GET`; `None` without the permission, as in most managed services.
pub(crate) type Settings<'a> = Option<&'a std::collections::HashMap<String, String>>;

/// A finding, and the error at start that a severe one is.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) finding: Finding,
    /// The error of a severe finding.
    pub(crate) refusal: Option<ConnectError>,
    /// True if further checks of the server are pointless.
    pub(crate) ends_examination: bool,
}

impl From<Finding> for Diagnosis {
    fn from(finding: Finding) -> Self {
        Diagnosis {
            finding,
            refusal: None,
            ends_examination: false,
        }
    }
}

impl Diagnosis {
    /// A severe finding with the text of the error.
    pub(crate) fn refused(check: Check, error: ConnectError) -> Self {
        let (found, remedy) = found_and_remedy(&error);
        Diagnosis {
            finding: Finding::new(Severity::Severe, check.name(), found, remedy),
            refusal: Some(error),
            ends_examination: check.ends_examination(),
        }
    }
}

/// The finding about an option that turns the verification of certificates off.
pub(crate) fn unverified() -> Finding {
    Finding::new(
        Severity::Warning,
        Check::Certificate.name(),
        "`danger_accept_any_certificate`: the certificate of Redis is not verified, so anybody on the way to it can \
         read and change everything, the password included",
        "leave the option out, and name the authority of the certificate, or a certificate that signed itself, by \
         `tls_ca_file`",
    )
}

/// The findings from `INFO`, in the order in which a start checks them.
pub(crate) fn judge_info(address: &str, info: &Info, names_cluster: bool) -> Vec<Diagnosis> {
    let mut diagnoses = server::kind_and_version(address, info);
    diagnoses.extend([
        server::role(address, info),
        server::eviction(address, info),
        server::memory(info).into(),
        server::cluster_mode(info, names_cluster).into(),
    ]);
    diagnoses
}

/// The findings from the probes, in the order in which a start checks them.
pub(crate) fn judge_probes(facts: &Facts) -> Vec<Diagnosis> {
    vec![
        rights(facts),
        scripts::scripts(facts),
        namespace(facts),
        writes(facts),
    ]
}

fn rights(facts: &Facts) -> Diagnosis {
    if facts.missing.is_empty() {
        let found = format!("user {} may do all that is needed", facts.user);
        return Finding::ok(Check::Rights.name(), found).into();
    }
    Diagnosis::refused(
        Check::Rights,
        ConnectError::MissingRights {
            place: facts.address.clone(),
            user: facts.user.clone(),
            missing: facts.missing.join(" "),
            rule: facts.rule.clone(),
        },
    )
}

fn namespace(facts: &Facts) -> Diagnosis {
    match &facts.stored {
        Stored::Known { version, .. } if *version > VERSION => Diagnosis::refused(
            Check::Namespace,
            ConnectError::NewerProtocol(NewerProtocol { found: *version }),
        ),
        Stored::Known {
            buckets: Some(found),
            ..
        } if *found != facts.buckets => Diagnosis::refused(
            Check::Namespace,
            ConnectError::OtherBuckets {
                found: *found,
                ours: facts.buckets,
            },
        ),
        Stored::Nothing | Stored::Known { version: 0, .. } => Finding::new(
            Severity::Info,
            Check::Namespace.name(),
            "this Redis does not know it: the first scheduler to start waits once for its \
             longest lease and a second, because it may be a flushed one",
            "",
        )
        .into(),
        Stored::Known { version, .. } => Finding::ok(
            Check::Namespace.name(),
            format!("protocol version {version}"),
        )
        .into(),
        Stored::Unreadable(error) => Diagnosis::refused(Check::Namespace, error.clone()),
    }
}

/// Finding about writes: with `MISCONF`, `NOREPLICAS` and `OOM`, Redis refuses every write.
fn writes(facts: &Facts) -> Diagnosis {
    match &facts.write_refused {
        None => Finding::ok(Check::Writes.name(), "it takes writes").into(),
        Some(why) => Diagnosis::refused(
            Check::Writes,
            ConnectError::NoWrites {
                place: facts.address.clone(),
                why: why.clone(),
            },
        ),
    }
}

/// The first severe finding as an error, otherwise the warnings.
pub(crate) fn start_result(diagnoses: Vec<Diagnosis>) -> Result<Vec<Finding>, ConnectError> {
    let mut warnings = Vec::new();
    for Diagnosis {
        finding, refusal, ..
    } in diagnoses
    {
        match refusal {
            Some(error) => return Err(error),
            None if finding.severity == Severity::Warning => warnings.push(finding),
            None => {}
        }
    }
    Ok(warnings)
}
