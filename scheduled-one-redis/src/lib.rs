//! The Redis store of scheduled-one. No other crate knows Redis.
//!
#![doc = include_str!("../docs/redis.md")]

// Each operation of the protocol is one script (`*.lua`), a port of the pure machine, behind the constants of
// `prologue`. Scripts are atomic, and their clock is the server's. The modules are listed in reading order.

// Where Redis is and how to log in.
mod encryption;
mod login;
mod options;
#[cfg(feature = "tls")]
mod tls;
mod topology;
mod url;

// The examination of a server, at start and by the doctor.
mod connect_error;
mod diagnose;
mod doctor;
mod limited;
mod permissions;
mod preflight;
mod probes;
mod trial;

// The operations of the store, each a request to a script and its reply.
mod store;

// A request, and the script that it calls.
mod encode;
mod keys;
mod message_pack;
mod prologue;
mod script;

// The connection that carries the request, and the replicas that confirm it.
mod connection;
mod replication;

// The reply, or the error.
mod classify;
mod codes;
mod decode;

// Entry points for tests.
#[cfg(feature = "internals")]
pub mod fuzzing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_redis::redis::Value;
use scheduled_one_protocol::{Bucket, Finding, StoreError};
use tokio::time::Instant;

use crate::classify::{FailureKind, RedisFailure};
use crate::connection::{Connection, ConnectionId};
use crate::doctor::ScriptResult;
use crate::encryption::Encryption;
use crate::keys::Keys;
use crate::permissions::RequiredPermissions;
use crate::preflight::Subject;
use crate::replication::Replication;
use crate::script::{Operation, Request};
use crate::trial::Trial;
use crate::url::Address;

pub use crate::connect_error::ConnectError;
pub use crate::options::{ConnectOptions, MAX_REPLICAS};
#[cfg(feature = "internals")]
#[doc(hidden)]
pub use crate::script::{claim_script, claim_script_without_control};

/// Longest time that a call waits for its reply, connecting included.
///
/// A call may be dropped earlier. Its request may have been carried out then, and the next call takes a fresh
/// connection.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A namespace in Redis, or one bucket of it.
///
/// The connection of a handle lives in the tokio runtime that uses the handle first.
/// Another runtime needs another handle, from [`in_bucket`](Self::in_bucket) or [`Store::open`].
///
/// The operations of the protocol are the methods of [`Store`].
///
/// # Limits
///
/// A call waits for each reply for [`ANSWER_TIMEOUT`] at most. Most calls send one request. A heartbeat sends a second
/// one if runs are overdue, a claim sends a `WAIT` of at most half a second if it waits for replicas, a call that
/// Redis denies examines the permissions, and one that it refuses without a reason of ours tries the scripts. A renewal
/// waits for a quarter of its shortest lease, and for half a second at least. A request has at most [`MAX_BATCH`]
/// items.
///
/// # Cancel safety
///
/// Dropping the future of a call is safe. The request may have been carried out; a repetition with the same nonce is
/// recognized.
///
/// [`MAX_BATCH`]: scheduled_one_protocol::message::MAX_BATCH
/// [`Store`]: scheduled_one_protocol::Store
/// [`Store::open`]: scheduled_one_protocol::Store::open
pub struct RedisStore {
    shared: Arc<Shared>,
    connection: Connection,
    replication: Replication,
    trial: Trial,
}

/// Address, encryption and keys of a handle.
#[derive(Clone)]
struct Shared {
    address: Address,
    tls: Encryption,
    keys: Keys,
    /// The user may only read.
    reads: Arc<AtomicBool>,
    /// The user has fewer rights than a scheduler: what it may not do concerns that request, and not all.
    is_limited: Arc<AtomicBool>,
}

impl RedisStore {
    /// Connects, and examines whether the server can be relied on. Takes 3 s at most.
    ///
    /// The examination runs each script of the store on keys `so:{namespace}:probe:…` of its own, and deletes them. It
    /// writes nothing else.
    ///
    /// The forms of the URL and the permissions that the user needs are in the [crate's documentation](crate);
    /// [`acl_rule`](Self::acl_rule) returns the permissions.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names the fault, the server and the remedy.
    pub async fn connect(url: &str, namespace: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, namespace, &ConnectOptions::default()).await
    }

    /// As [`connect`](Self::connect), with options that are not part of the URL.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names the fault, the server and the remedy.
    pub async fn connect_with(
        url: &str,
        namespace: &str,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let store = Self::unchecked(url, namespace, options).await?;
        store.check().await?;
        Ok(store)
    }

    /// As [`connect_with`](Self::connect_with), without examining the server: [`check`](Self::check) does that.
    /// The first request connects.
    ///
    /// # Errors
    ///
    /// The URL, the namespace or a file of the options cannot be used.
    pub async fn unchecked(
        url: &str,
        namespace: &str,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let mut address = Address::new(url, options)?;
        address.complete(options).await?;
        let tls = Encryption::load(address.tls, options)?;
        if !keys::is_name(namespace) {
            return Err(ConnectError::BadNamespace(namespace.to_owned()));
        }
        let keys = Keys::new(namespace, Bucket::WHOLE);
        let connection = Connection::new(&address, &tls, &keys.meta);
        let shared = Arc::new(Shared {
            address,
            tls,
            keys,
            reads: Arc::default(),
            is_limited: Arc::default(),
        });
        Ok(RedisStore::new(shared, connection))
    }

    fn new(shared: Arc<Shared>, connection: Connection) -> Self {
        let replication = Replication::new(shared.address.replicas);
        RedisStore {
            trial: Trial::new(&shared.keys),
            shared,
            connection,
            replication,
        }
    }

    /// A handle to one bucket of the same namespace, with a connection of its own.
    #[must_use]
    pub fn in_bucket(&self, bucket: Bucket) -> Self {
        let shared = Shared {
            keys: self.shared.keys.in_bucket(bucket),
            ..Shared::clone(&self.shared)
        };
        let connection = Connection::new(&shared.address, &shared.tls, &shared.keys.meta);
        RedisStore::new(Arc::new(shared), connection)
    }

    /// Examines whether the server can be relied on, as [`connect`](Self::connect) does. Takes 3 s at most.
    /// Returns the warnings: settings that let jobs run and may cost ticks later.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn check(&self) -> Result<Vec<Finding>, ConnectError> {
        let second = self.another_connection();
        preflight::check(&self.subject(&second)).await
    }

    /// The permissions that a user of Redis needs for a namespace of database 0, as rules of an ACL:
    /// the arguments of `ACL SETUSER name on >password`.
    /// A namespace with several buckets needs `~so:{shop+*}:*` in addition (for the namespace `shop`).
    pub fn acl_rule(namespace: &str) -> String {
        probes::acl_rule(
            &Keys::new(namespace, Bucket::WHOLE),
            RequiredPermissions::default(),
        )
    }

    /// As [`acl_rule`](Self::acl_rule), for a URL and options: another database, a cluster and waiting for replicas
    /// need more permissions.
    ///
    /// # Errors
    ///
    /// The URL or the namespace cannot be used.
    pub fn acl_rule_for(
        url: &str,
        namespace: &str,
        options: &ConnectOptions,
    ) -> Result<String, ConnectError> {
        let mut address = Address::new(url, options)?;
        if !keys::is_name(namespace) {
            return Err(ConnectError::BadNamespace(namespace.to_owned()));
        }
        address.replicas = options.replicas;
        Ok(probes::acl_rule(
            &Keys::new(namespace, Bucket::WHOLE),
            address.required_permissions(),
        ))
    }

    /// What the doctor and the start examine.
    fn subject<'a>(&'a self, second: &'a Connection) -> Subject<'a> {
        let Shared { address, keys, .. } = &*self.shared;
        Subject {
            address,
            keys,
            trial: &self.trial,
            connection: &self.connection,
            second,
        }
    }

    /// A connection to the same server that is not established.
    fn another_connection(&self) -> Connection {
        let Shared {
            address, tls, keys, ..
        } = &*self.shared;
        Connection::new(address, tls, &keys.meta)
    }

    /// Calls a script, within [`ANSWER_TIMEOUT`].
    async fn run(&self, operation: &Operation, request: &Request<'_>) -> Result<Value, StoreError> {
        let reply = self.run_within(ANSWER_TIMEOUT, operation, request);
        let (value, _) = reply.await?;
        Ok(value)
    }

    /// Calls a script by its digest, and by its text if Redis does not have it. Returns the reply and the connection
    /// that it came from.
    async fn run_within(
        &self,
        bound: Duration,
        operation: &Operation,
        request: &Request<'_>,
    ) -> Result<(Value, ConnectionId), StoreError> {
        match self.call(bound, operation, request).await {
            Ok(value) => Ok(value),
            Err(failure) => Err(self.explain(failure).await),
        }
    }

    /// The same, with the failure as it came.
    async fn call(
        &self,
        bound: Duration,
        operation: &Operation,
        request: &Request<'_>,
    ) -> Result<(Value, ConnectionId), RedisFailure> {
        let deadline = Instant::now() + bound;
        let (name, reads) = (operation.name, self.shared.reads.load(Ordering::Relaxed));
        let by_digest = operation.by_digest(request, reads);
        let mut reply = self.connection.send_by(name, &by_digest, deadline).await;
        if matches!(&reply, Err(failure) if failure.kind == FailureKind::NoScript) {
            let by_text = operation.by_text(request, reads);
            reply = self.connection.send_by(name, &by_text, deadline).await;
        }
        reply
    }

    /// The error of a request, completed: which permission is missing, and whether the store refuses one request or
    /// all of them.
    ///
    /// A refusal that does not depend on the request ends when an operator corrects it: such an error is returned as
    /// [`StoreError::Unavailable`], so that the request is repeated.
    async fn explain(&self, failure: RedisFailure) -> StoreError {
        match failure.kind {
            FailureKind::Denied => self.explain_denial(failure.error).await,
            FailureKind::Unexplained => self.explain_refusal(failure.error).await,
            // The login, the certificate and the server are those of all requests.
            FailureKind::Login
            | FailureKind::SentinelLogin
            | FailureKind::Certificate
            | FailureKind::Broken => of_all_requests(failure.error),
            _ => failure.error,
        }
    }

    /// Adds the missing permission to a denial, whose text may not name it.
    async fn explain_denial(&self, error: StoreError) -> StoreError {
        let Shared { address, keys, .. } = &*self.shared;
        if self.may_only_read() {
            return self.changes_nothing();
        }
        let missing = preflight::missing_rights(&self.connection, address, keys).await;
        // The ACL may lack the keys of one job only: the jobs with other keys continue.
        let is_of_one_job = missing.as_ref().is_ok_and(Vec::is_empty);
        let is_limited = self.shared.is_limited.load(Ordering::Relaxed);
        let missing = missing.unwrap_or_default();
        let rule = probes::acl_rule(keys, address.required_permissions());
        let error = classify::denied(error, address.user(), &missing, &rule);
        match is_of_one_job || is_limited {
            true => error,
            false => of_all_requests(error),
        }
    }

    /// Tries the scripts after a refusal that does not say what it concerns. If they run on keys of their own, it
    /// concerns the request.
    async fn explain_refusal(&self, error: StoreError) -> StoreError {
        let Shared { address, keys, .. } = &*self.shared;
        let result = self.trial.after_refusal(&self.connection).await;
        let rule = probes::acl_rule(keys, address.required_permissions());
        match doctor::refusal(&result, &address.servers, address.user(), &rule) {
            Some(of_all) => StoreError::Unavailable(of_all.to_string()),
            None if result == ScriptResult::Unknown => of_all_requests(error),
            None => error,
        }
    }

    fn keys(&self) -> &Keys {
        &self.shared.keys
    }
}

/// A refusal that every request meets: it is repeated until an operator corrects what it names.
fn of_all_requests(error: StoreError) -> StoreError {
    match error {
        StoreError::Refused(text) => StoreError::Unavailable(text),
        other => other,
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.shared.address)
            .field("namespace", &self.shared.keys)
            .finish()
    }
}
