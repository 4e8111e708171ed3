//! The model: one annotated function, checked.

use std::time::Duration;

use proc_macro2::Ident;
use scheduled_one_schedule::alert::JobRules;
use scheduled_one_schedule::policy::Policies;
use syn::{Attribute, Path, Type};

/// The job to be registered.
pub(crate) struct Job {
    pub(crate) name: Name,
    pub(crate) when: When,
    pub(crate) restriction: Restriction,
    pub(crate) policies: Policies,
    pub(crate) enabled: Option<bool>,
    /// Environment variable that says whether the job is enabled.
    pub(crate) enabled_env: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) alert: Option<JobRules>,
    /// Labels of the nodes that run it.
    pub(crate) on: Option<Vec<String>>,
    /// Path of the runtime crate.
    pub(crate) runtime: Path,
    pub(crate) function: Function,
}

/// The name of a job.
pub(crate) enum Name {
    /// The value of `name`.
    Given(String),
    /// The path of the function, `module::path::function`.
    OfFunction,
}

/// The schedule of a job.
pub(crate) enum When {
    Cron {
        expression: String,
        /// Environment variable that overrides the expression.
        variable: Option<String>,
    },
    /// Only if somebody asks for a run.
    Manual,
    Every {
        period: Duration,
        offset: Option<Duration>,
    },
}

/// What is taken from the schedule, as it was written.
pub(crate) struct Restriction {
    /// The time zone, also of the expression.
    pub(crate) zone: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) within: Option<String>,
    pub(crate) except: Option<Vec<String>>,
}

/// The parts of the function that the registration needs.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) arguments: Vec<Type>,
    pub(crate) output: Option<Type>,
    /// `#[cfg]` and lint levels, which hold for the registration, too.
    pub(crate) attributes: Vec<Attribute>,
}
