//! Turns a URL into the store of a namespace. No other file knows which schemes there are.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::{Finding, PreflightError, Severity, Store};
#[cfg(feature = "redis")]
use scheduled_one_redis::{ConnectOptions, RedisStore};
#[cfg(feature = "sqlite")]
use scheduled_one_sqlite::SqliteStore;

use crate::error_kind::ErrorKind;

/// Settings of a connection that are not in its URL.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Those of Redis; other stores have none.
    #[cfg(feature = "redis")]
    pub redis: ConnectOptions,
}

/// The URL of a store that this program cannot open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableUrl {
    /// Why not, and the way out.
    pub message: String,
}

impl fmt::Display for UnusableUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UnusableUrl {}

/// Whether the store of a URL is a server.
pub fn is_remote(url: &str) -> bool {
    !matches!(scheme(url).0.as_str(), "memory" | "sqlite")
}

/// Whether the store of a URL is inside one process.
pub(crate) fn is_memory(url: &str) -> bool {
    scheme(url).0 == "memory"
}

/// Whether the store of a URL is Redis, or no store has its scheme.
pub fn is_redis(url: &str) -> bool {
    let scheme = scheme(url).0;
    !matches!(
        scheme.as_str(),
        "memory" | "sqlite" | "postgres" | "postgresql"
    )
}

/// Whether the store of a URL is a file that is not there: opening it would make it.
pub(crate) fn is_missing_file(url: &str) -> bool {
    match scheme(url) {
        #[cfg(feature = "sqlite")]
        (scheme, rest) if scheme == "sqlite" => {
            !scheduled_one_sqlite::exists(&format!("sqlite://{rest}"))
        }
        _ => false,
    }
}

/// Opens the first bucket of a namespace; the others are opened through it. Sends no request yet.
///
/// # Errors
///
/// The URL cannot be used: the cause is the error of the store's crate, or [`UnusableUrl`].
pub async fn open_store(
    url: &str,
    namespace: &str,
    clock: &Arc<dyn Clock>,
    options: &StoreOptions,
) -> Result<Arc<dyn Store>, PreflightError> {
    let (scheme, rest) = scheme(url);
    match scheme.as_str() {
        "memory" => {
            let store = MemoryStore::named(rest, namespace, Arc::clone(clock));
            Ok(Arc::new(store))
        }
        "sqlite" => open_sqlite(&format!("{scheme}://{rest}"), namespace, clock),
        "postgres" | "postgresql" => open_postgres(format!("{scheme}://{rest}"), namespace).await,
        _ => open_redis(url, namespace, options).await,
    }
}

/// What an error of connecting means: each store has errors of its own.
pub(crate) fn connect_kind(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> ErrorKind {
    #[cfg(feature = "redis")]
    if let Some(error) = cause.downcast_ref::<scheduled_one_redis::ConnectError>() {
        use scheduled_one_redis::ConnectError as It;
        return match error {
            It::BadUrl(_) | It::BadOption { .. } | It::BadNamespace(_) => ErrorKind::Usage,
            It::Login { .. }
            | It::SentinelLogin { .. }
            | It::MissingRights { .. }
            | It::ScriptsRefused { .. }
            | It::TooOld { .. }
            | It::Evicts { .. }
            | It::NewerProtocol(_)
            | It::OtherBuckets { .. }
            | It::Refused { .. } => ErrorKind::Refused,
            _ => ErrorKind::Away,
        };
    }
    #[cfg(feature = "postgres")]
    if let Some(error) = cause.downcast_ref::<scheduled_one_postgres::ConnectError>() {
        use scheduled_one_postgres::ConnectError as It;
        return match error {
            It::BadUrl(_) | It::BadFile { .. } | It::BadNamespace(_) => ErrorKind::Usage,
            It::Unreachable { .. }
            | It::Certificate { .. }
            | It::ReadOnly { .. }
            | It::NotNow { .. } => ErrorKind::Away,
            It::NoTablesYet { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Refused,
        };
    }
    #[cfg(feature = "sqlite")]
    if let Some(error) = cause.downcast_ref::<scheduled_one_sqlite::OpenError>() {
        use scheduled_one_sqlite::OpenError as It;
        return match error {
            It::BadUrl(_) | It::BadNamespace(_) => ErrorKind::Usage,
            It::Unusable { .. } => ErrorKind::Away,
            _ => ErrorKind::Refused,
        };
    }
    match cause.is::<UnusableUrl>() {
        true => ErrorKind::Usage,
        false => ErrorKind::Away,
    }
}

#[cfg(feature = "redis")]
async fn open_redis(
    url: &str,
    namespace: &str,
    options: &StoreOptions,
) -> Result<Arc<dyn Store>, PreflightError> {
    let store = RedisStore::unchecked(url, namespace, &options.redis).await?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "redis"))]
async fn open_redis(
    _url: &str,
    _namespace: &str,
    _options: &StoreOptions,
) -> Result<Arc<dyn Store>, PreflightError> {
    Err(without("redis://", "redis"))
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
        Err(error) => Err(unusable(error.to_string())),
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
    unusable(format!(
        "this build has no store for {scheme} URLs: switch the feature `{feature}` of the scheduled-one crate on that \
         is given the URL, or, with scheduled-one-runtime, give a store to `SchedulerBuilder::store`"
    ))
}

#[cfg(any(
    feature = "postgres",
    not(all(feature = "redis", feature = "postgres", feature = "sqlite"))
))]
fn unusable(message: String) -> PreflightError {
    let finding = Finding::new(Severity::Severe, "settings", message.clone(), "");
    PreflightError {
        finding,
        cause: UnusableUrl { message }.into(),
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
