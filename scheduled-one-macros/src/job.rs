//! The model: one annotated function, all of it checked.

use std::time::Duration;

use proc_macro2::Ident;
use scheduled_one_schedule::policy::Policies;
use syn::{Attribute, Path, Type};

pub(crate) struct Job {
    pub(crate) name: Name,
    pub(crate) when: When,
    pub(crate) policies: Policies,
    pub(crate) enabled: Option<bool>,
    /// The environment variable that says whether it is enabled.
    pub(crate) enabled_env: Option<String>,
    pub(crate) description: Option<String>,
    /// Where the runtime is found.
    pub(crate) runtime: Path,
    pub(crate) function: Function,
}

pub(crate) enum Name {
    Given(String),
    /// `module::path::function`.
    OfFunction,
}

pub(crate) enum When {
    Cron {
        expression: String,
        zone: Option<String>,
        /// The environment variable that overrides the expression.
        variable: Option<String>,
    },
    Every {
        period: Duration,
        offset: Option<Duration>,
    },
}

/// What the registration has to know of the function.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) arguments: Vec<Type>,
    pub(crate) output: Option<Type>,
    /// `#[cfg]` and lint levels: they hold for the registration, too.
    pub(crate) attributes: Vec<Attribute>,
}
