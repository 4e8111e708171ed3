//! The Redis store of scheduled-one. No other crate knows Redis.
//!
#![doc = include_str!("../docs/redis.md")]

// Each operation of the protocol is one script (`*.lua`), a port of the pure machine; the constants of `prologue` stand
// in front of it. Scripts are atomic, and their clock is that of the server. In the order in which a request meets the
// modules: `encode` (the request), `script` (its name and text), `connection` (the server), `decode` (the reply),
// `fault` (its error).
mod codes;
mod connect_error;
mod connection;
mod decode;
mod doctor;
mod encode;
mod encryption;
mod examine;
mod fault;
#[cfg(feature = "internals")]
pub mod fuzzing;
mod keys;
mod login;
mod message_pack;
mod needs;
mod options;
mod preflight;
mod probes;
mod prologue;
mod replication;
mod script;
#[cfg(feature = "tls")]
mod tls;
mod url;
mod way;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Value, cmd};
use tokio::time::Instant;

use connection::{Link, Passage};
use encryption::Encryption;
use fault::{Fault, Kind};
use keys::Keys;
use needs::Needs;
use replication::Replication;
use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, Finish, Finished, Heartbeat, HeartbeatReply, OverdueRun, Recorded,
    Register, Renew, Renewed, Reply, UnitStatus, Watermarks, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Finding, JobNeeds, LedgerRecord, PreflightError, Report, Store,
    StoreError, UnitName,
};
use script::{Operation, Request};
use url::Address;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub use script::claim_script;

pub use connect_error::ConnectError;
pub use options::{ConnectOptions, MAX_REPLICAS};

/// How long a call waits for its answer, connecting included. Callers with
/// less patience drop the call: that is safe, and the next one takes a fresh
/// connection.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A namespace in a Redis, or one bucket of it.
///
/// A handle belongs to the tokio runtime that uses it first: its connection
/// lives there. For another runtime, [`Store::open`] another handle.
pub struct RedisStore {
    shared: Arc<Shared>,
    link: Link,
    replication: Replication,
}

#[derive(Clone)]
struct Shared {
    address: Address,
    tls: Encryption,
    keys: Keys,
}

impl RedisStore {
    /// Connects, and looks whether that Redis can be relied on: see
    /// [`ConnectError`] for what may be wrong. Takes 3 s at most, and writes
    /// nothing.
    ///
    /// The forms of the URL and the rights that the user needs are in the [crate's documentation](crate);
    /// [`RedisStore::acl_rule`] returns the rights.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and the way out.
    pub async fn connect(url: &str, namespace: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, namespace, &ConnectOptions::default()).await
    }

    /// As [`RedisStore::connect`], with what a URL does not tell.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and the way out.
    pub async fn connect_with(
        url: &str,
        namespace: &str,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let store = Self::unchecked(url, namespace, options).await?;
        store.check().await?;
        Ok(store)
    }

    /// As [`connect_with`](Self::connect_with), without a look at that Redis:
    /// [`check`](Self::check) is that.
    ///
    /// # Errors
    ///
    /// The URL, the namespace or a file of the options cannot be used.
    pub async fn unchecked(
        url: &str,
        namespace: &str,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let mut address = Address::of(url, options)?;
        address.complete(options).await?;
        let tls = Encryption::load(address.tls, options)?;
        if !keys::is_name(namespace) {
            return Err(ConnectError::BadNamespace(namespace.to_owned()));
        }
        let keys = Keys::new(namespace, Bucket::WHOLE);
        let link = Link::new(&address, &tls, &keys.meta);
        let shared = Arc::new(Shared { address, tls, keys });
        Ok(RedisStore::new(shared, link))
    }

    fn new(shared: Arc<Shared>, link: Link) -> Self {
        let replication = Replication::new(shared.address.replicas);
        RedisStore {
            shared,
            link,
            replication,
        }
    }

    /// One bucket of the same namespace, through connections of its own.
    #[must_use]
    pub fn in_bucket(&self, bucket: Bucket) -> Self {
        let shared = Shared {
            keys: self.shared.keys.of(bucket),
            ..Shared::clone(&self.shared)
        };
        let link = Link::new(&shared.address, &shared.tls, &shared.keys.meta);
        RedisStore::new(Arc::new(shared), link)
    }

    /// Looks whether that Redis can be relied on, and returns what somebody
    /// should know although jobs run.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn check(&self) -> Result<Vec<Finding>, ConnectError> {
        let Shared { address, keys, .. } = &*self.shared;
        preflight::check(&self.link, address, keys).await
    }

    /// The rights that a user of Redis needs for a namespace of database 0, as
    /// the rules of an ACL: `ACL SETUSER name on >password` and this. If it has
    /// several buckets, `~so:{shop+*}:*` is needed as well.
    pub fn acl_rule(namespace: &str) -> String {
        probes::acl_rule(&Keys::new(namespace, Bucket::WHOLE), Needs::default())
    }

    /// The same for a URL and options: another database, a cluster, and
    /// replicas to be waited for take more.
    ///
    /// # Errors
    ///
    /// The URL or the namespace cannot be used.
    pub fn acl_rule_for(
        url: &str,
        namespace: &str,
        options: &ConnectOptions,
    ) -> Result<String, ConnectError> {
        let mut address = Address::of(url, options)?;
        if !keys::is_name(namespace) {
            return Err(ConnectError::BadNamespace(namespace.to_owned()));
        }
        address.replicas = options.replicas;
        Ok(probes::acl_rule(
            &Keys::new(namespace, Bucket::WHOLE),
            address.needs(),
        ))
    }

    async fn run(&self, operation: &Operation, request: &Request<'_>) -> Result<Value, StoreError> {
        let answer = self.run_within(ANSWER_TIMEOUT, operation, request);
        let (value, _) = answer.await?;
        Ok(value)
    }

    async fn run_within(
        &self,
        bound: Duration,
        operation: &Operation,
        request: &Request<'_>,
    ) -> Result<(Value, Passage), StoreError> {
        let deadline = Instant::now() + bound;
        let name = operation.name;
        let by_digest = operation.by_digest(request);
        let mut answer = self.link.send_by(name, &by_digest, deadline).await;
        if matches!(&answer, Err(fault) if fault.kind == Kind::NoScript) {
            let by_text = operation.by_text(request);
            answer = self.link.send_by(name, &by_text, deadline).await;
        }
        match answer {
            Ok(value) => Ok(value),
            Err(fault) => Err(self.explain(fault).await),
        }
    }

    /// Names the missing right, which the error of Redis may not do. What is
    /// refused to whoever asks, and not because of what is asked for, ends when
    /// somebody puts it right: until then the store is as good as away.
    async fn explain(&self, fault: Fault) -> StoreError {
        let error = match fault.kind {
            Kind::Denied => {
                let Shared { address, keys, .. } = &*self.shared;
                let missing = preflight::missing_rights(&self.link, address, keys).await;
                // The rules may leave out keys of one job: then the others go on.
                let is_of_one_job = missing.as_ref().is_ok_and(Vec::is_empty);
                let missing = missing.unwrap_or_default();
                let rule = probes::acl_rule(keys, address.needs());
                let error = fault::denied(fault.error, address.user(), &missing, &rule);
                match is_of_one_job {
                    true => return error,
                    false => error,
                }
            }
            Kind::Login | Kind::SentinelLogin | Kind::Certificate => fault.error,
            _ => return fault.error,
        };
        match error {
            StoreError::Refused(text) => StoreError::Unavailable(text),
            other => other,
        }
    }

    fn keys(&self) -> &Keys {
        &self.shared.keys
    }
}

/// How long a renewal waits, connecting included: a connection that is dead
/// without knowing it must be left while the lease can still be saved.
fn renewal_timeout(renewals: &[Renew]) -> Duration {
    const LEAST: Duration = Duration::from_millis(500);
    let leases = renewals
        .iter()
        .map(|renew| renew.run.lease_ms.max(0) as u64);
    let shortest = leases.min().map(Duration::from_millis);
    shortest.map_or(ANSWER_TIMEOUT, |lease| {
        (lease / 4).clamp(LEAST, ANSWER_TIMEOUT)
    })
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.shared.address)
            .field("namespace", &self.shared.keys)
            .finish()
    }
}

impl Store for RedisStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        Box::pin(async move {
            let request = encode::claim(self.keys(), caller, claims)?;
            let answer = self.run_within(ANSWER_TIMEOUT, &script::CLAIM, &request);
            let (value, passage) = answer.await?;
            let mut reply = decode::claim(value, claims)?;
            let Self {
                replication, link, ..
            } = self;
            let confirmed = replication.confirm(link, passage, claims, &mut reply.body);
            match confirmed.await {
                Ok(()) => Ok(reply),
                Err(fault) => Err(self.explain(fault).await),
            }
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        Box::pin(async move {
            let request = encode::renew(self.keys(), caller, renewals)?;
            let bound = renewal_timeout(renewals);
            let (value, _) = self.run_within(bound, &script::RENEW, &request).await?;
            decode::renew(value, renewals)
        })
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        Box::pin(async move {
            let request = encode::finish(self.keys(), caller, finishes)?;
            decode::finish(self.run(&script::FINISH, &request).await?, finishes)
        })
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<Watermarks>>> {
        Box::pin(async move {
            let request = encode::register(self.keys(), caller, registrations)?;
            decode::register(self.run(&script::REGISTER, &request).await?, registrations)
        })
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        Box::pin(async move {
            let request = encode::write_off(self.keys(), caller, runs)?;
            decode::write_off(self.run(&script::WRITE_OFF, &request).await?, runs)
        })
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        Box::pin(async move {
            let request = encode::heartbeat(self.keys(), caller, heartbeat)?;
            let (mut reply, units) =
                decode::heartbeat(self.run(&script::HEARTBEAT, &request).await?)?;
            // Rare: nothing is overdue while the nodes live.
            if !units.is_empty() {
                let now_ms = (reply.head.now_us / 1000) as i64;
                let request = encode::read_overdue(self.keys(), now_ms, &units);
                let value = self.run(&script::READ_OVERDUE, &request).await?;
                reply.body.overdue = decode::read_overdue(value, &units)?;
            }
            Ok(reply)
        })
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        Box::pin(async move {
            let request = encode::record(self.keys(), caller, lines)?;
            decode::record(self.run(&script::RECORD, &request).await?, lines)
        })
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        Box::pin(async move {
            let request = encode::inspect(self.keys(), caller, units)?;
            decode::inspect(self.run(&script::INSPECT, &request).await?, units)
        })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Box::pin(async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let key = self.keys().log(job);
            let mut command = cmd("XREVRANGE");
            command.arg(&key).arg("+").arg("-").arg("COUNT").arg(limit);
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            match self.link.send("XREVRANGE", &command, deadline).await {
                Ok(value) => decode::ledger(job, &key, value),
                Err(fault) => Err(self.explain(fault.of_type(&key, "stream")).await),
            }
        })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(self.in_bucket(bucket))
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async move { self.check().await.map_err(PreflightError::from) })
    }

    fn diagnose<'a>(&'a self, needs: &'a JobNeeds) -> BoxFuture<'a, Report> {
        Box::pin(async move {
            let Shared { address, keys, .. } = &*self.shared;
            let findings = examine::examine(&self.link, address, keys, needs).await;
            Report::new(format!("{address}, namespace {keys:?}"), findings)
        })
    }
}
