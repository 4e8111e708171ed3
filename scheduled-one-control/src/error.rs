//! Why something could not be controlled, and the way out.

use std::fmt;

use scheduled_one_protocol::message::MAX_WAITING_REQUESTS;
use scheduled_one_protocol::{ALL_JOBS, Directive, StoreError};

use crate::error_kind::ErrorKind;
use crate::rights::Action;
use crate::store_url::connect_kind;

/// Why something could not be controlled. No variant holds a secret. `Debug` shows the same text as `Display`: it is
/// what a program prints whose `main` returns the error.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be used. Holds the error of the store's own crate.
    #[error(transparent)]
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// An argument cannot be used.
    #[error("`{argument}`: {message}")]
    Argument {
        /// The method that was given it.
        argument: &'static str,
        /// What is wrong, and the way out.
        message: String,
    },
    /// The rights of the handle ([`Control::with_rights`](crate::Control::with_rights)) do not allow it.
    #[error(
        "the right to {action} {} is missing: ask somebody who gives rights",
        with_job(.job)
    )]
    Forbidden {
        /// The right that is missing.
        action: Action,
        /// The job, or `*` for all of them.
        job: String,
    },
    /// Nothing is stored of the namespace.
    #[error(
        "nothing is stored of the namespace {namespace:?}: either no scheduler has started in it, or the store was \
         emptied a moment ago and its nodes have not returned yet. Look at the spelling, or ask again in a few seconds"
    )]
    EmptyNamespace {
        /// The namespace.
        namespace: String,
    },
    /// No node has a job of that name, and nothing is stored of one.
    #[error("there is no job `{job}`{}", did_you_mean(.nearest))]
    UnknownJob {
        /// The name asked for.
        job: String,
        /// Known names that are spelled nearly like it, the nearest first.
        nearest: Vec<String>,
    },
    /// The directive has another version than the caller expected.
    #[error("{}", conflict(.subject, .now, *.at_ms))]
    Conflict {
        /// The job, or `*`.
        subject: String,
        /// The directive as it is now: that of the job, or of its backfill.
        now: Box<Directive>,
        /// When it was so, by the store's clock.
        at_ms: i64,
    },
    /// Nodes of an older release live, which know nothing of what is asked for: nothing is changed.
    #[error(
        "nodes of an older release live, which would ignore that: {}. Deploy this release to them first; or force the \
         change: they stop then",
        .nodes.join(", ")
    )]
    OlderNodes {
        /// Their labels.
        nodes: Vec<String>,
    },
    /// Runs of several shards have the fencing token that was to name one.
    #[error(
        "runs of several shards of {job} have the token {token}: {}. Name the shard of the run that is meant",
        numbers(.shards)
    )]
    ManyRuns {
        /// The job.
        job: String,
        /// The fencing token.
        token: u64,
        /// The shards, from 0.
        shards: Vec<u32>,
    },
    /// As many requests for a job wait as may wait, or for some of its shards.
    #[error("{}", too_many(.job, .id, .full, .taken))]
    TooMany {
        /// The job.
        job: String,
        /// The id of the request: asked for again with it, nothing runs twice.
        id: String,
        /// The shards, from 0, of which it was not taken.
        full: Vec<u32>,
        /// Those of which it was taken, now or before: there it runs.
        taken: Vec<u32>,
    },
    /// A request has not ended in time.
    #[error(
        "the request {id} has not ended: it {state}. It goes on; wait again, or cancel its run"
    )]
    NotFinished {
        /// The id of the request.
        id: String,
        /// What it does.
        state: &'static str,
    },
    /// The store knows nothing of a request that it had taken.
    #[error(
        "the store knows nothing of the request {id} any more: it lost its memory, or the ledger keeps no line that old. \
         Look whether what it was to do is done, before you ask again"
    )]
    Unknown {
        /// The id of the request.
        id: String,
    },
    /// Living nodes have the job, so it is not forgotten.
    #[error(
        "{job} is a job of living nodes, or of some that have not said yet which jobs they have: {}. Stop these nodes,          or deploy a release without the job to them, and ask again",
        .nodes.join(", ")
    )]
    NotGone {
        /// The job.
        job: String,
        /// Their labels.
        nodes: Vec<String>,
    },
    /// What is stored of the job is needed for a while.
    #[error("{job} cannot be forgotten now: {why}. Ask again in a while")]
    NotYet {
        /// The job.
        job: String,
        /// What it is needed for.
        why: String,
    },
    /// This process cannot compute the ticks of a job.
    #[error("the ticks of {job} cannot be computed here: {why}")]
    Schedule {
        /// The job.
        job: String,
        /// The reason, with the way out.
        why: String,
    },
    /// The store did not reply, or refused.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Error {
    /// What the error means for whoever asked.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Connect(cause) => connect_kind(&**cause),
            Error::Argument { .. } => ErrorKind::Usage,
            Error::EmptyNamespace { .. } | Error::UnknownJob { .. } | Error::Unknown { .. } => {
                ErrorKind::NotFound
            }
            Error::Conflict { .. }
            | Error::ManyRuns { .. }
            | Error::TooMany { .. }
            | Error::NotGone { .. }
            | Error::NotYet { .. } => ErrorKind::Conflict,
            Error::NotFinished { .. } => ErrorKind::NotFinished,
            Error::Store(StoreError::Unknown(_) | StoreError::Unavailable(_)) => ErrorKind::Away,
            Error::Store(_)
            | Error::Schedule { .. }
            | Error::OlderNodes { .. }
            | Error::Forbidden { .. } => ErrorKind::Refused,
        }
    }
}

fn with_job(job: &str) -> String {
    match job {
        ALL_JOBS => "with all jobs".to_owned(),
        job => format!("with `{job}`"),
    }
}

fn too_many(job: &str, id: &str, full: &[u32], taken: &[u32]) -> String {
    let many = MAX_WAITING_REQUESTS;
    match taken.is_empty() {
        true => format!(
            "{many} requests for `{job}` wait: no more are taken. See why they do not start (`describe`), and ask again \
             when they have"
        ),
        false => format!(
            "{many} requests wait in these shards of `{job}`, which take no more: {}. The other {} have the request {id}. \
             See why those do not start (`describe`), and ask again with the id {id} when they have: nothing runs twice",
            numbers(full),
            taken.len()
        ),
    }
}

fn numbers(shards: &[u32]) -> String {
    let numbers: Vec<String> = shards.iter().map(u32::to_string).collect();
    numbers.join(", ")
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest.is_empty() {
        true => "; `jobs()` lists those there are".to_owned(),
        false => format!("; did you mean {}?", nearest.join(", ")),
    }
}

fn conflict(subject: &str, now: &Directive, at_ms: i64) -> String {
    let subject = match subject {
        ALL_JOBS => "the directive for all jobs".to_owned(),
        job => format!("`{job}`"),
    };
    if let Some(backfill) = &now.backfill {
        return format!(
            "a backfill of {subject} goes on, {}: {} of {} ticks were asked for. Wait until it is over, or stop it first",
            asked_by(&now.asked_by, &now.asked_note),
            backfill.asked,
            backfill.total
        );
    }
    if now.version == 0 {
        return format!(
            "nobody has asked for anything of {subject} yet: its version is 0; ask again with that version"
        );
    }
    let pause = match now.is_paused(at_ms) {
        true => format!("paused, {}", asked_by(&now.asked_by, &now.asked_note)),
        false => "not paused".to_owned(),
    };
    let schedule = match &now.schedule {
        Some(own) if own.is_reset() => ", and has the schedule in its code again".to_owned(),
        Some(own) => format!(
            ", and is to have the schedule `{}` in {}, {}",
            own.text,
            own.zone,
            asked_by(&own.by, "")
        ),
        None => String::new(),
    };
    format!(
        "somebody else was faster: {subject} is {pause}{schedule}; its version is {} since the last change, {}. Look at \
         it, and ask again with that version",
        now.version,
        asked_by(&now.by, &now.note)
    )
}

fn asked_by(by: &str, note: &str) -> String {
    let by = match by {
        "" => "somebody",
        by => by,
    };
    match note {
        "" => format!("by {by}"),
        note => format!("by {by} ({note:?})"),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
