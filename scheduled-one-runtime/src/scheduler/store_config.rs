//! Turns a URL into the store of a namespace. No other file knows which schemes there are.

use std::sync::Arc;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::{Finding, PreflightError, Severity, Store, StoreError};
#[cfg(feature = "redis")]
use scheduled_one_redis::{ConnectOptions, RedisStore};

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
        let is_remote = |url: &String| memory_name(url).is_none();
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
        if let Some(name) = memory_name(url) {
            self.refuse_redis_options()?;
            let store = MemoryStore::named(name, namespace, Arc::clone(clock));
            return Ok(Arc::new(store));
        }
        self.open_redis(url, namespace).await
    }

    #[cfg(feature = "redis")]
    async fn open_redis(
        &self,
        url: &str,
        namespace: &str,
    ) -> Result<Arc<dyn Store>, PreflightError> {
        let store = RedisStore::unchecked(url, namespace, &self.redis).await?;
        Ok(Arc::new(store))
    }

    #[cfg(not(feature = "redis"))]
    async fn open_redis(
        &self,
        _url: &str,
        _namespace: &str,
    ) -> Result<Arc<dyn Store>, PreflightError> {
        Err(unusable(
            "url",
            "this build has no store but `memory://`: give scheduled-one-runtime the feature `redis`, or a store to \
             `SchedulerBuilder::store`"
                .to_owned(),
        ))
    }

    /// An option that the embedded store would ignore is a mistake of the caller.
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

/// The name of the embedded store, if the URL is that of one. White space around a URL and capitals in its scheme do
/// not count.
fn memory_name(url: &str) -> Option<&str> {
    let (scheme, name) = url.trim().split_once("://")?;
    scheme.eq_ignore_ascii_case("memory").then_some(name)
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
    match cause.downcast_ref::<StoreError>() {
        Some(StoreError::OtherBuckets { .. }) => Error::Setting {
            setting: "buckets",
            message: cause.to_string(),
        },
        _ => Error::Connect(cause),
    }
}
