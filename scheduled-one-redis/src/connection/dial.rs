//! Makes connections to servers by host and port: TLS, login, database.

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

/// One is held, one may be in the making; the rest is for those that are
/// dropped while they are made.
const POOL_SIZE: usize = 4;

/// Requests that may wait to be written; more wait for their turn.
const PIPELINE: usize = 256;

/// Servers whose pools are kept; the oldest goes first.
const MAX_POOLS: usize = 16;

/// What all connections to servers of one kind have in common. It belongs to
/// the runtime that makes its connections.
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

    /// A fresh connection, logged in.
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
                Err(self.not_let_in(classify::of_connecting(to, &error)))
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
                Err(RedisFailure::unavailable(FailureKind::Silent, text))
            }
        }
    }

    /// A refusal at login, without the password. One that comes from a file
    /// may be about to change there, so that heals by itself.
    fn not_let_in(&self, failure: RedisFailure) -> RedisFailure {
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

    /// Without the login: the client logs in with less to say about why not.
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
            // Nobody needs to know the client library, and a Redis before 7.2
            // would note a refused command for it.
            .set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name())
            // Else a request may wait until the one before it is acknowledged.
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        self.tls.apply(info)
    }

    fn pools(&self) -> MutexGuard<'_, Vec<(Endpoint, Pool)>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_pool(info: ConnectionInfo, log_in: Hook) -> Result<Pool, RedisError> {
    // Calls bound their own time, and tell "not sent" from "not answered".
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
    // It fails only without a runtime.
    pool.map_err(|error| std::io::Error::other(error).into())
}

/// Logs a new connection in and selects its database. Not left to the client,
/// which calls each refusal a wrong password, even that of a full server.
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
