//! Pools of connections to servers, by address.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool::Runtime;
use deadpool::managed::{Pool, PoolConfig, PoolError, Timeouts};
use deadpool_redis::redis::RedisError;
use tokio::time::{Instant, timeout_at};

use crate::classify::{FailureKind, RedisFailure};
use crate::connection::session::{Connector, PooledSession};
use crate::connection::{CONNECT_TIMEOUT, hang_up};
use crate::encryption::Encryption;
use crate::login::Login;
use crate::topology::Endpoint;

/// Connections of a pool: one in use, one in the making, and reserve for those that are dropped while connecting.
const POOL_SIZE: usize = 4;

/// Most servers with a pool; the oldest pool is dropped first.
const MAX_POOLS: usize = 16;

/// Login, database and encryption of connections to servers of one kind, and a pool for each server. It belongs to
/// the tokio runtime that connects.
pub(super) struct Dialer {
    login: Option<Arc<Login>>,
    db: i64,
    tls: Encryption,
    pools: Mutex<Vec<(Endpoint, Pool<Connector>)>>,
}

impl Dialer {
    pub(super) fn new(login: Option<Login>, db: i64, tls: Encryption) -> Self {
        Dialer {
            login: login.map(Arc::new),
            db,
            tls,
            pools: Mutex::default(),
        }
    }

    /// Makes a connection and logs in, until `deadline`.
    pub(super) async fn dial(
        &self,
        to: &Endpoint,
        deadline: Instant,
    ) -> Result<PooledSession, RedisFailure> {
        let begun = Instant::now();
        let broken =
            |why: String| RedisFailure::unavailable(FailureKind::Broken, format!("{to}: {why}"));
        let pool = self.pool(to).map_err(broken)?;
        match timeout_at(deadline, pool.get()).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(PoolError::Backend(failure))) => Err(failure),
            Ok(Err(other)) => Err(broken(other.to_string())),
            Err(_) => {
                let waited = deadline.duration_since(begun);
                let text = format!("{to}: no connection within {} ms", waited.as_millis());
                Err(RedisFailure::unavailable(FailureKind::NoReply, text))
            }
        }
    }

    /// The failure of a request on a new connection, with the reason that the server gives if it has closed it.
    pub(super) async fn not_connected(&self, to: &Endpoint, error: &RedisError) -> RedisFailure {
        hang_up::of_connecting(to, &self.tls, error).await
    }

    /// The reason of a server that closes each new connection, after `error` on one of them.
    pub(super) async fn reason_of_hang_up(
        &self,
        to: &Endpoint,
        error: &RedisError,
    ) -> Option<RedisFailure> {
        hang_up::reason_after(to, &self.tls, error).await
    }

    fn pool(&self, to: &Endpoint) -> Result<Pool<Connector>, String> {
        if let Some((_, pool)) = self.pools().iter().find(|(known, _)| known == to) {
            return Ok(pool.clone());
        }
        let pool = make_pool(Connector {
            to: to.clone(),
            tls: self.tls.clone(),
            login: self.login.clone(),
            db: self.db,
        })?;
        let mut pools = self.pools();
        if pools.len() >= MAX_POOLS {
            pools.remove(0);
        }
        pools.push((to.clone(), pool.clone()));
        Ok(pool)
    }

    fn pools(&self) -> MutexGuard<'_, Vec<(Endpoint, Pool<Connector>)>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_pool(connector: Connector) -> Result<Pool<Connector>, String> {
    let mut limits = PoolConfig::new(POOL_SIZE);
    limits.timeouts = Timeouts::wait_millis(CONNECT_TIMEOUT.as_millis() as u64);
    let pool = Pool::builder(connector)
        .config(limits)
        .runtime(Runtime::Tokio1)
        .build();
    // Building fails only without a tokio runtime.
    pool.map_err(|error| error.to_string())
}
