//! The store that replicas share: Redis. The only place that knows it.
//!
//! Each operation of the protocol is one script (`*.lua`, in front of each
//! `enter.lua`), a port of `protocol`; scripts are atomic, and their clock is
//! that of the server. In the order a request meets them: `encode` (what is
//! sent), `script` (by which name), `connection` (which way), `decode` (what it
//! means), `fault` (what if not).

mod connect_error;
mod connection;
mod decode;
mod encode;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod keys;
mod preflight;
mod script;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Value, cmd};
use tokio::time::Instant;

use super::message::{
    Beat, Caller, Claim, Claimed, Enroll, Finish, Finished, Inspected, LedgerRecord, Marks, Pulse,
    Renew, Renewed, Reply, Watched, WrittenOff,
};
use super::{Answer, Store, StoreError};
use connection::Link;
use fault::{Fault, Kind};
use keys::Keys;
use script::{Operation, Request};
use url::{Address, BadUrl};

pub use connect_error::ConnectError;

/// How long a call waits for its answer, connecting included. Callers with
/// less patience drop the call: that is safe, and the next one takes a fresh
/// connection.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A namespace in a Redis.
///
/// A handle belongs to the tokio runtime that uses it first: its connection
/// lives there. For another runtime, [`Store::open`] another handle.
pub struct RedisStore {
    shared: Arc<Shared>,
    link: Link,
}

struct Shared {
    address: Address,
    keys: Keys,
}

impl RedisStore {
    /// Connects, and looks whether that Redis can be relied on: see
    /// [`ConnectError`] for what may be wrong. Takes 3 s at most, and writes
    /// nothing.
    ///
    /// The URL is `redis://[user:password@]host[:port][/db]`, or `rediss://`
    /// for TLS, which trusts the certificates of the system, or those of the
    /// file that the environment variable `SSL_CERT_FILE` names.
    ///
    /// The user needs the rights of [`RedisStore::acl_rule`]; for `shop`:
    ///
    /// ```text
    /// ACL SETUSER jobs on >password ~so:{shop}:* -@all +eval +evalsha +info +time +type +hmget
    ///   +hset +zadd +zrem +zremrangebyscore +zrangebyscore +xadd +xrevrange
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong, where, and the way out.
    pub async fn connect(url: &str, namespace: &str) -> Result<Self, ConnectError> {
        let address = Address::parse(url).map_err(|BadUrl(why)| ConnectError::BadUrl(why))?;
        if !keys::is_name(namespace) {
            return Err(ConnectError::BadNamespace(namespace.to_owned()));
        }
        let keys = Keys::new(namespace);
        let link = Link::new(&address);
        preflight::check(&link, &address, &keys).await?;
        let shared = Arc::new(Shared { address, keys });
        Ok(RedisStore { shared, link })
    }

    /// The rights that a user of Redis needs for a namespace of database 0, as
    /// the rules of an ACL: `ACL SETUSER name on >password` and this.
    pub fn acl_rule(namespace: &str) -> String {
        preflight::acl_rule(&Keys::new(namespace), 0)
    }

    async fn run(&self, operation: &Operation, request: &Request<'_>) -> Result<Value, StoreError> {
        self.run_within(ANSWER_TIMEOUT, operation, request).await
    }

    async fn run_within(
        &self,
        bound: Duration,
        operation: &Operation,
        request: &Request<'_>,
    ) -> Result<Value, StoreError> {
        let deadline = Instant::now() + bound;
        let name = operation.name;
        let by_digest = operation.by_digest(request);
        let mut answer = self.link.send(name, &by_digest, deadline).await;
        if matches!(&answer, Err(fault) if fault.kind == Kind::NoScript) {
            let by_text = operation.by_text(request);
            answer = self.link.send(name, &by_text, deadline).await;
        }
        match answer {
            Ok(value) => Ok(value),
            Err(fault) => Err(self.explain(fault).await),
        }
    }

    /// Names the missing right, which the error of Redis may not do.
    async fn explain(&self, fault: Fault) -> StoreError {
        if fault.kind != Kind::Denied {
            return fault.error;
        }
        let Shared { address, keys } = &*self.shared;
        let missing = preflight::missing_rights(&self.link, address, keys).await;
        let rule = preflight::acl_rule(keys, address.db);
        fault::denied(fault.error, address.user(), &missing, &rule)
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
            decode::claim(self.run(&script::CLAIM, &request).await?, claims)
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
            let reply = self.run_within(bound, &script::RENEW, &request).await?;
            decode::renew(reply, renewals)
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

    fn enroll<'a>(
        &'a self,
        caller: &'a Caller,
        enrolls: &'a [Enroll],
    ) -> Answer<'a, Reply<Vec<Marks>>> {
        Box::pin(async move {
            let request = encode::enroll(self.keys(), caller, enrolls)?;
            decode::enroll(self.run(&script::ENROLL, &request).await?, enrolls)
        })
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [Watched],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        Box::pin(async move {
            let request = encode::write_off(self.keys(), caller, runs)?;
            decode::write_off(self.run(&script::WRITE_OFF, &request).await?, runs)
        })
    }

    fn beat<'a>(&'a self, caller: &'a Caller, beat: Beat) -> Answer<'a, Reply<Pulse>> {
        Box::pin(async move {
            let request = encode::beat(self.keys(), caller, &beat)?;
            let (mut reply, units) = decode::beat(self.run(&script::BEAT, &request).await?)?;
            // Rare: nothing is overdue while the nodes live.
            if !units.is_empty() {
                let now_ms = (reply.head.now_us / 1000) as i64;
                let request = encode::look(self.keys(), now_ms, &units);
                let value = self.run(&script::LOOK, &request).await?;
                reply.body.overdue = decode::look(value, &units)?;
            }
            Ok(reply)
        })
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<()>> {
        Box::pin(async move {
            let request = encode::record(self.keys(), caller, lines)?;
            decode::record(self.run(&script::RECORD, &request).await?)
        })
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [String],
    ) -> Answer<'a, Reply<Vec<Inspected>>> {
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

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(RedisStore {
            shared: self.shared.clone(),
            link: Link::new(&self.shared.address),
        })
    }
}
