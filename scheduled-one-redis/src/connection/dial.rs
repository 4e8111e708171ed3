//! Makes connections to servers by address: TCP, TLS, login, database.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::io::tcp::TcpSettings;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, cmd,
};
use deadpool_redis::{
    Connection as PooledConnection, Hook, HookError, Manager, Pool, PoolConfig, PoolError, Runtime,
    Timeouts,
};
use scheduled_one_protocol::StoreError;
use tokio::time::timeout;

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::CONNECT_TIMEOUT;
use crate::encryption::Encryption;
use crate::login::Login;
use crate::topology::Endpoint;

/// Connections of a pool: one in use, one in the making, and reserve for those that are dropped while connecting.
const POOL_SIZE: usize = 4;

/// Most requests that wait to be written; further requests wait for space.
const PIPELINE: usize = 256;

/// Most servers with a pool; the oldest pool is dropped first.
const MAX_POOLS: usize = 16;

/// Login, database and encryption of connections to servers of one kind, and a pool for each server. It belongs to
/// the tokio runtime that connects.
pub(super) struct Dialer {
    login: Option<Arc<Login>>,
    db: i64,
    tls: Encryption,
    pools: Mutex<Vec<(Endpoint, Pool)>>,
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

    /// Makes a connection and logs in, within `bound`.
    pub(super) async fn dial(
        &self,
        to: &Endpoint,
        bound: Duration,
    ) -> Result<PooledConnection, RedisFailure> {
        let pool = self.pool(to).map_err(|why| RedisFailure {
            error: StoreError::Refused(format!("{to}: {why}")),
            kind: FailureKind::Broken,
        })?;
        match timeout(bound, pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(classify::of_connecting(to, &error)),
            Ok(Err(PoolError::PostCreateHook(HookError::Backend(error)))) => {
                Err(self.login_refused(classify::of_connecting(to, &error)))
            }
            Ok(Err(PoolError::PostCreateHook(HookError::Message(why)))) => {
                let text = format!("{to}: {why}");
                Err(RedisFailure::unavailable(FailureKind::Login, text))
            }
            Ok(Err(other)) => Err(RedisFailure::unavailable(
                FailureKind::Broken,
                format!("{to}: {other}"),
            )),
            Err(_) => {
                let text = format!("{to}: no connection within {bound:?}");
                Err(RedisFailure::unavailable(FailureKind::NoReply, text))
            }
        }
    }

    /// Removes the password from a login error. An error with a password from a file is temporary, because the file
    /// may be about to change.
    fn login_refused(&self, failure: RedisFailure) -> RedisFailure {
        let Some(login) = &self.login else {
            return failure;
        };
        let RedisFailure { mut error, kind } = failure;
        if let StoreError::Unknown(text)
        | StoreError::Unavailable(text)
        | StoreError::Refused(text) = &mut error
        {
            *text = login.redact(text);
        }
        error = match (kind, login.file(), error) {
            (FailureKind::Login, Some(file), StoreError::Refused(text)) => {
                let file = file.display();
                StoreError::Unavailable(format!("{text} (the password is that of {file})"))
            }
            (_, _, error) => error,
        };
        RedisFailure { error, kind }
    }

    fn pool(&self, to: &Endpoint) -> Result<Pool, RedisError> {
        if let Some((_, pool)) = self.pools().iter().find(|(known, _)| known == to) {
            return Ok(pool.clone());
        }
        let pool = make_pool(self.info(to)?, log_in(self.login.clone(), self.db))?;
        let mut pools = self.pools();
        if pools.len() >= MAX_POOLS {
            pools.remove(0);
        }
        pools.push((to.clone(), pool.clone()));
        Ok(pool)
    }

    /// The address and encryption of a server, without the login: [`log_in`] reports errors more exactly than the
    /// client.
    fn info(&self, to: &Endpoint) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (to.host.clone(), to.port);
        let address = match self.tls.is_on() {
            false => ConnectionAddr::Tcp(host, port),
            true => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        };
        let info = address
            .into_connection_info()?
            // The name of the client library is not sent: Redis before 7.2 would record a refused command for it.
            .set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name())
            // Without `TCP_NODELAY` a request may wait until the one before it is acknowledged.
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        self.tls.apply(info)
    }

    fn pools(&self) -> MutexGuard<'_, Vec<(Endpoint, Pool)>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_pool(info: ConnectionInfo, log_in: Hook) -> Result<Pool, RedisError> {
    // Callers have deadlines of their own, and distinguish "not sent" from "no reply".
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE);
    let manager = Manager::new_with_config(info, config)?;
    let mut limits = PoolConfig::new(POOL_SIZE);
    limits.timeouts = Timeouts::wait_millis(CONNECT_TIMEOUT.as_millis() as u64);
    let pool = Pool::builder(manager)
        .config(limits)
        .runtime(Runtime::Tokio1)
        .post_create(log_in)
        .build();
    // Building fails only without a tokio runtime.
    pool.map_err(|error| std::io::Error::other(error).into())
}

/// Logs a new connection in and selects its database. The client would report every refusal as a wrong password, even
/// that of a server with too many clients.
fn log_in(login: Option<Arc<Login>>, db: i64) -> Hook {
    Hook::async_fn(move |connection, _| {
        let login = login.clone();
        Box::pin(async move {
            let mut greeting: Vec<Cmd> = Vec::new();
            if let Some(login) = login {
                let password = login.password().await.map_err(HookError::message)?;
                let mut auth = cmd("AUTH");
                auth.arg(&login.user).arg(password);
                greeting.push(auth);
            }
            if db != 0 {
                let mut select = cmd("SELECT");
                select.arg(db);
                greeting.push(select);
            }
            for command in greeting.iter() {
                command
                    .exec_async(connection)
                    .await
                    .map_err(HookError::Backend)?;
            }
            Ok(())
        })
    })
}
