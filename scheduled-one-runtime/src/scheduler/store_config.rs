//! Turns a URL into the store of a namespace. No other file knows which schemes there are.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::{Finding, PreflightError, Severity, Store, StoreError};
#[cfg(feature = "redis")]
use scheduled_one_redis::{ConnectOptions, RedisStore};
#[cfg(feature = "sqlite")]
use scheduled_one_sqlite::SqliteStore;

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
        let is_remote = |url: &String| !matches!(scheme(url).0.as_str(), "memory" | "sqlite");
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
        let (scheme, rest) = scheme(url);
        match scheme.as_str() {
            "memory" => {
                self.refuse_redis_options()?;
                let store = MemoryStore::named(rest, namespace, Arc::clone(clock));
                Ok(Arc::new(store))
            }
            "sqlite" => {
                self.refuse_redis_options()?;
                open_sqlite(&format!("{scheme}://{rest}"), namespace, clock)
            }
            "postgres" | "postgresql" => {
                self.refuse_redis_options()?;
                open_postgres(format!("{scheme}://{rest}"), namespace).await
            }
            _ => self.open_redis(url, namespace).await,
        }
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
        Err(without("redis://", "redis"))
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

#[cfg(feature = "sqlite")]
fn open_sqlite(
    url: &str,
    namespace: &str,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, PreflightError> {
    let store = SqliteStore::new(url, namespace, Arc::clone(clock))?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "sqlite"))]
fn open_sqlite(
    _url: &str,
    _namespace: &str,
    _clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, PreflightError> {
    Err(without("sqlite://", "sqlite"))
}

/// On a thread for blocking calls: files of certificates are read, and their disk may hang.
#[cfg(feature = "postgres")]
async fn open_postgres(url: String, namespace: &str) -> Result<Arc<dyn Store>, PreflightError> {
    let namespace = namespace.to_owned();
    let opening = tokio::task::spawn_blocking(move || PostgresStore::new(&url, &namespace));
    match opening.await {
        Ok(store) => Ok(Arc::new(store?)),
        Err(error) => Err(unusable("url", error.to_string())),
    }
}

#[cfg(not(feature = "postgres"))]
async fn open_postgres(_url: String, _namespace: &str) -> Result<Arc<dyn Store>, PreflightError> {
    Err(without("postgres://", "postgres"))
}

/// The scheme of a URL in small letters, and what follows it. White space around a URL does not count.
fn scheme(url: &str) -> (String, &str) {
    let (scheme, rest) = url.trim().split_once("://").unwrap_or_default();
    (scheme.to_ascii_lowercase(), rest)
}

/// The URL of a store that this build does not have.
#[cfg(not(all(feature = "redis", feature = "postgres", feature = "sqlite")))]
fn without(scheme: &str, feature: &str) -> PreflightError {
    unusable(
        "url",
        format!(
            "this build has no store for {scheme} URLs: give scheduled-one-runtime the feature `{feature}`, or a store \
             to `SchedulerBuilder::store`"
        ),
    )
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

#[cfg(test)]
mod tests {
    use super::scheme;

    #[test]
    fn capitals_and_white_space_do_not_count() {
        let cases = [
            (" memory://a \n", ("memory", "a")),
            ("SQLite:///A.db", ("sqlite", "/A.db")),
            ("Postgres://Ann@h/d", ("postgres", "Ann@h/d")),
            ("nonsense", ("", "")),
        ];
        for (url, (expected, rest)) in cases {
            assert_eq!(scheme(url), (expected.to_owned(), rest), "{url:?}");
        }
    }
}
