//! What can go wrong, one variant for each step, and the way out of it.

use std::fmt;
use std::panic::Location;

use crate::state::MissingState;
use scheduled_one_protocol::StoreError;

/// Why a scheduler did not start, or could not answer.
///
/// No variant holds a secret: URLs are shown without user and password.
///
/// `Debug` shows the same text as `Display`: it is what a program prints whose
/// `main` returns the error.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be used as it is; nothing was started.
    ///
    /// Holds the error of the store's own crate: with the feature `redis`, a
    /// [`ConnectError`](crate::ConnectError), which `downcast_ref` gives.
    #[error(transparent)]
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// A setting of the scheduler cannot be used.
    #[error("scheduler setting `{setting}`: {message}")]
    Setting {
        /// The method of the builder.
        setting: &'static str,
        /// What is wrong, and the way out.
        message: String,
    },
    /// A job cannot be used.
    #[error("job `{job}` ({declared_at}): {message}")]
    Job {
        /// The job.
        job: String,
        /// Where it is declared.
        declared_at: &'static Location<'static>,
        /// What is wrong, and the way out.
        message: String,
    },
    /// Two jobs have one name, and so would share one lock.
    #[error(
        "two jobs are named `{job}`: one at {first}, one at {second}; a name is the job's \
         identity in the cluster, so give one of them another (`name = \"…\"`)"
    )]
    DuplicateJob {
        /// The name.
        job: String,
        /// Where the one is declared.
        first: &'static Location<'static>,
        /// Where the other is declared.
        second: &'static Location<'static>,
    },
    /// A job takes a `State<T>` that nobody gave.
    #[error("job `{job}`: {missing}")]
    State {
        /// The job.
        job: String,
        /// The type it needs.
        missing: MissingState,
    },
    /// There is nothing to run.
    #[error(
        "no job is registered. If they are in another crate of yours, that crate is not linked \
         until something refers to it: put `use that_crate as _;` beside `main`. Jobs made by \
         hand are given with `.job(…)`"
    )]
    NoJobs,
    /// There is no job of that name.
    #[error("there is no job `{job}`; there are: {known}")]
    UnknownJob {
        /// The name asked for.
        job: String,
        /// The names there are, at most ten.
        known: String,
    },
    /// The store did not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The scheduler cannot listen for signals of the operating system.
    #[error("cannot listen for SIGINT and SIGTERM: {0}")]
    Signal(#[source] std::io::Error),
    /// The watchdog, which renews leases, cannot be started.
    #[error("cannot start the watchdog thread: {0}")]
    Watchdog(#[source] std::io::Error),
    /// The operating system gives no random numbers for the node's identity.
    #[error("cannot make a random identity for this node: {0}")]
    Identity(String),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
