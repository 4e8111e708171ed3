//! Which store the builder was given: a URL, the variable that has one, or a store. `scheduled-one-control` opens URLs.

use std::sync::Arc;

use scheduled_one_control::{StoreOptions, UnusableUrl, is_redis, is_remote, open_store};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{Finding, PreflightError, Severity, Store, StoreError};
#[cfg(feature = "redis")]
use scheduled_one_redis::ConnectOptions;

use crate::environment::variable;
use crate::error::Error;

/// Where the records of a namespace are kept, as the builder was given it.
pub(super) struct StoreConfig {
    /// The URL, or why there is none.
    url: Result<String, String>,
    /// A store that the caller made; it takes the place of the URL.
    pub(super) given: Option<Arc<dyn Store>>,
    #[cfg(feature = "redis")]
    pub(super) redis: ConnectOptions,
}

impl StoreConfig {
    pub(super) fn new(url: String) -> Self {
        Self::of(Ok(url))
    }

    /// The URL of an environment variable.
    pub(super) fn from_env(name: &str) -> Self {
        Self::of(match variable(name) {
            Ok(Some(url)) => Ok(url),
            Ok(None) => Err(format!(
                "the environment variable {name} is not set, so there is no store: set \
                 {name}=redis://host, the same for all replicas, or, for a single process, \
                 {name}=memory://"
            )),
            Err(why) => Err(why),
        })
    }

    fn of(url: Result<String, String>) -> Self {
        StoreConfig {
            url,
            given: None,
            #[cfg(feature = "redis")]
            redis: ConnectOptions::default(),
        }
    }

    /// Whether the store is a server. One that the program gave decides for itself how long it waits.
    pub(super) fn is_remote(&self) -> bool {
        let is_remote = |url: &String| is_remote(url);
        self.given.is_none() && self.url.as_ref().is_ok_and(is_remote)
    }

    /// Opens the first bucket of the namespace; the others are opened through it. Sends no request yet.
    pub(super) async fn open(
        &self,
        namespace: &str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Store>, PreflightError> {
        if let Some(store) = &self.given {
            self.refuse_redis_options()?;
            return Ok(Arc::clone(store));
        }
        let no_url = |why: &String| unusable("builder_from_env", why.clone());
        let url = self.url.as_ref().map_err(no_url)?;
        if !is_redis(url) {
            self.refuse_redis_options()?;
        }
        open_store(url, namespace, clock, &self.options()).await
    }

    fn options(&self) -> StoreOptions {
        StoreOptions {
            #[cfg(feature = "redis")]
            redis: self.redis.clone(),
        }
    }

    /// An option of Redis that another store would ignore is a mistake of the caller.
    #[cfg(feature = "redis")]
    fn refuse_redis_options(&self) -> Result<(), PreflightError> {
        match self.redis.first_set() {
            None => Ok(()),
            Some(setting) => Err(unusable(
                setting,
                "this store has no use for it: leave it out, or give the URL of a Redis".to_owned(),
            )),
        }
    }

    #[cfg(not(feature = "redis"))]
    fn refuse_redis_options(&self) -> Result<(), PreflightError> {
        Ok(())
    }
}

/// A setting of the builder with which no store can be opened.
fn unusable(setting: &'static str, message: String) -> PreflightError {
    let error = Error::Setting { setting, message };
    PreflightError {
        finding: Finding::new(Severity::Severe, "settings", error.to_string(), ""),
        cause: error.into(),
    }
}

/// An error of the store at start, as the caller of `start` gets it.
pub(super) fn start_error(error: PreflightError) -> Error {
    let cause = match error.cause.downcast::<Error>() {
        Ok(setting) => return *setting,
        Err(other) => other,
    };
    let cause = match cause.downcast::<UnusableUrl>() {
        Ok(url) => {
            return Error::Setting {
                setting: "url",
                message: url.message,
            };
        }
        Err(other) => other,
    };
    match cause.downcast_ref::<StoreError>() {
        Some(StoreError::OtherBuckets { .. }) => Error::Setting {
            setting: "buckets",
            message: cause.to_string(),
        },
        _ => Error::Connect(cause),
    }
}
