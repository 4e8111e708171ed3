//! One connection, held for as long as it is good.
//!
//! A checkout from a pool costs a round trip, and does not notice a server
//! that was demoted. So the connection is taken once and shared: its requests
//! are pipelined. Whoever meets an error that may mean a broken connection or
//! another server gives it up, and the next call makes a fresh one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, Value, cmd};
use deadpool_redis::{
    Connection, Hook, HookError, Manager, Pool, PoolConfig, PoolError, Runtime, Timeouts,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::StoreError;
use super::fault::{self, Fault, Kind};
use super::url::Address;

/// Bound of connecting, with name resolution, TLS and login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// One is held, one may be in the making; the rest is for those that are
/// dropped while they are made.
const POOL_SIZE: usize = 4;

/// Requests that may wait to be written; more wait for their turn.
const PIPELINE: usize = 256;

/// The way to a server. It belongs to the runtime that makes its connections.
pub(super) struct Link {
    /// An error is one of configuration, told with the first request.
    pool: Result<Pool, StoreError>,
    place: String,
    /// What no error text may hold.
    password: Option<String>,
    state: Mutex<State>,
    /// Held by the one call that connects; the others wait for its result.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// How many attempts to connect have ended.
    attempts: u64,
    /// What came of the last one, if it failed.
    failure: Option<Fault>,
}

struct Held {
    /// The attempt that made it: tells it from its successor.
    made: u64,
    connection: Connection,
}

impl Link {
    pub(super) fn new(address: &Address) -> Self {
        Link {
            pool: pool(address),
            place: address.place.clone(),
            password: address.login.as_ref().map(|login| login.password.clone()),
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        }
    }

    /// Sends a command and waits for its answer until `deadline`. `what` names
    /// it in errors.
    pub(super) async fn send(
        &self,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, Fault> {
        self.with(what, deadline, async |connection| {
            match connection.send_packed_command(command).await? {
                Value::ServerError(error) => Err(error.into()),
                value => Ok(value),
            }
        })
        .await
    }

    /// Sends several commands at once; each has an answer or an error of its own.
    pub(super) async fn send_all(
        &self,
        what: &str,
        commands: &Pipeline,
        deadline: Instant,
    ) -> Result<Vec<Result<Value, RedisError>>, Fault> {
        self.with(what, deadline, async |connection| {
            commands.query_async(connection).await
        })
        .await
    }

    async fn with<T>(
        &self,
        what: &str,
        deadline: Instant,
        request: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Fault> {
        let (made, mut connection) = match timeout_at(deadline, self.connection()).await {
            Ok(connection) => connection?,
            Err(_) => {
                let text = format!("{}: not connected in time", self.place);
                return Err(Fault::unavailable(Kind::Silent, text));
            }
        };
        let suspect = Suspect { link: self, made };
        let fault = match timeout_at(deadline, request(&mut connection)).await {
            Ok(Ok(answer)) => {
                suspect.clear();
                return Ok(answer);
            }
            Ok(Err(error)) => fault::of_request(what, &error),
            Err(_) => Fault {
                error: StoreError::Unknown(format!(
                    "{what}: {} did not answer in time",
                    self.place
                )),
                kind: Kind::Silent,
            },
        };
        if !fault.kind.gives_up_connection() {
            suspect.clear();
        }
        Err(fault)
    }

    /// The connection that is held, or a fresh one. Of all calls that need one
    /// at a time, one connects; if it fails, it failed for all that waited.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Fault> {
        let seen = {
            let state = self.state();
            if let Some(connection) = state.connection() {
                return Ok(connection);
            }
            state.attempts
        };
        let _turn = self.connecting.lock().await;
        {
            let state = self.state();
            if let Some(connection) = state.connection() {
                return Ok(connection);
            }
            if let (true, Some(fault)) = (state.attempts != seen, &state.failure) {
                return Err(fault.clone());
            }
        }
        let made = self.connect().await;
        let mut state = self.state();
        state.attempts += 1;
        match made {
            Ok(connection) => {
                let made = state.attempts;
                let usable = MultiplexedConnection::clone(&connection);
                state.failure = None;
                state.held = Some(Held { made, connection });
                Ok((made, usable))
            }
            Err(fault) => {
                state.failure = Some(fault.clone());
                Err(fault)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let pool = self.pool.as_ref().map_err(|error| Fault {
            error: error.clone(),
            kind: Kind::Broken,
        })?;
        match timeout(CONNECT_TIMEOUT, pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(fault::of_connecting(&self.place, &error)),
            Ok(Err(PoolError::PostCreateHook(HookError::Backend(error)))) => {
                let fault = fault::of_connecting(&self.place, &error);
                Err(fault.without(self.password.as_deref()))
            }
            Ok(Err(other)) => {
                let text = format!("{}: {other}", self.place);
                Err(Fault::unavailable(Kind::Broken, text))
            }
            Err(_) => {
                let text = format!("{}: no connection within {CONNECT_TIMEOUT:?}", self.place);
                Err(Fault::unavailable(Kind::Silent, text))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn connection(&self) -> Option<(u64, MultiplexedConnection)> {
        let held = self.held.as_ref()?;
        Some((held.made, MultiplexedConnection::clone(&held.connection)))
    }
}

/// A request under way. Dropped before the answer came, whether by an error or
/// by a caller that lost its patience, it gives the connection up: what is
/// stuck behind it would only time out as well.
struct Suspect<'a> {
    link: &'a Link,
    made: u64,
}

impl Suspect<'_> {
    fn clear(self) {
        std::mem::forget(self);
    }
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        let mut state = self.link.state();
        if state
            .held
            .as_ref()
            .is_some_and(|held| held.made == self.made)
        {
            let held = state.held.take();
            drop(state);
            // Not back into the pool, which would hand it out again.
            drop(held.map(|held| Connection::take(held.connection)));
        }
    }
}

fn pool(address: &Address) -> Result<Pool, StoreError> {
    if address.tls {
        install_crypto_provider();
    }
    // Calls bound their own time, and tell "not sent" from "not answered".
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE);
    let refused = |why: String| StoreError::Refused(format!("{}: {why}", address.place));
    let manager = Manager::new_with_config(address.info.clone(), config)
        .map_err(|error| refused(error.to_string()))?;
    let mut limits = PoolConfig::new(POOL_SIZE);
    limits.timeouts = Timeouts::wait_millis(CONNECT_TIMEOUT.as_millis() as u64);
    Pool::builder(manager)
        .config(limits)
        .runtime(Runtime::Tokio1)
        .post_create(log_in(address))
        .build()
        .map_err(|error| refused(error.to_string()))
}

/// Logs a new connection in and selects its database. Not left to the client,
/// which calls each refusal a wrong password, even that of a full server.
fn log_in(address: &Address) -> Hook {
    let (login, db) = (address.login.clone(), address.db);
    let mut greeting: Vec<Cmd> = Vec::new();
    if let Some(login) = login {
        let mut auth = cmd("AUTH");
        auth.arg(login.user).arg(login.password);
        greeting.push(auth);
    }
    if db != 0 {
        let mut select = cmd("SELECT");
        select.arg(db);
        greeting.push(select);
    }
    let greeting = std::sync::Arc::new(greeting);
    Hook::async_fn(move |connection, _| {
        let greeting = greeting.clone();
        Box::pin(async move {
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

/// rustls needs a provider of cryptography, which the program chooses; without
/// a choice it panics. So, as a default: ring, because it builds with a plain C
/// compiler (aws-lc-rs wants more tools on some platforms).
fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails if another thread was faster: then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
