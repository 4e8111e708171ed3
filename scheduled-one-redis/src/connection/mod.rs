//! One connection, established for as long as it is good.
//!
//! A checkout from a pool costs a round trip, and does not notice a server
//! that was demoted. So the connection is taken once and shared: its requests
//! are pipelined. Whoever meets an error that may mean a broken connection or
//! another server gives it up, and the next call makes a fresh one: `route`
//! finds the server anew (`sentinel`, `cluster`), `dial` connects.

mod cluster;
mod dial;
mod hash_slot;
mod route;
mod sentinel;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::Connection as PooledConnection;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout, timeout_at};

use crate::classify::{self, FailureKind, RedisFailure};
use crate::doctor::FailoverTiming;
use crate::encryption::Encryption;
use crate::topology::Endpoint;
use crate::url::Address;
use route::{Reached, Redirect, Route};
use scheduled_one_protocol::StoreError;

/// Bound of connecting, with name resolution, TLS, login, and asking who it is
/// to connect to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the nodes of a cluster may send one request on to another.
const MAX_REDIRECTS: u32 = 3;

/// How often sentinels are asked whether a connection in use leads to the
/// right server.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The way to a server. It belongs to the runtime that makes its connections.
pub(super) struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    route: Route,
    servers: String,
    state: Mutex<State>,
    /// Established by the one call that connects; the others wait for its result.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    established: Option<Established>,
    /// How many attempts to connect have ended.
    attempts: u64,
    /// What came of the last one, if it failed.
    failure: Option<RedisFailure>,
}

struct Established {
    /// The attempt that number it: tells it from its successor.
    number: u64,
    connection: PooledConnection,
    endpoint: Endpoint,
    /// When its server was last known to be the right one.
    checked: Instant,
}

/// What a request goes out on.
struct Checkout {
    number: u64,
    connection: MultiplexedConnection,
    endpoint: Endpoint,
}

/// What is asked for in one request.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    One(&'a Cmd),
    All(&'a Pipeline),
}

/// The connection on which a request was answered; `None` if it was another
/// one than that which is established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ConnectionId(Option<u64>);

type Answers = Vec<Result<Value, RedisError>>;

impl Connection {
    /// `key` is one of the namespace: all are in one slot of a cluster.
    pub(super) fn new(address: &Address, tls: &Encryption, key: &str) -> Self {
        let inner = Inner {
            route: Route::new(address, tls, key),
            servers: address.servers.clone(),
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        };
        Connection {
            inner: Arc::new(inner),
        }
    }

    /// Sends a command and waits for its answer until `deadline`. `what` names
    /// it in errors.
    pub(super) async fn send(
        &self,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, RedisFailure> {
        let (value, _) = self.send_by(what, command, deadline).await?;
        Ok(value)
    }

    /// The same, and tells which way it went.
    pub(super) async fn send_by(
        &self,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<(Value, ConnectionId), RedisFailure> {
        let (answers, connection_id) = self.ask(what, Wanted::One(command), deadline).await?;
        match answers.into_iter().next() {
            Some(Ok(value)) => Ok((value, connection_id)),
            Some(Err(error)) => Err(classify::of_request(what, &error)),
            None => Ok((Value::Nil, connection_id)),
        }
    }

    /// Sends a command behind one that went this way, and no other way.
    pub(super) async fn send_on(
        &self,
        connection_id: ConnectionId,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, RedisFailure> {
        let checkout = self.inner.state().checkout();
        let Some(mut checkout) =
            checkout.filter(|checkout| connection_id == ConnectionId(Some(checkout.number)))
        else {
            let text = format!("{what}: the connection to {} is gone", self.inner.servers);
            return Err(RedisFailure::unavailable(FailureKind::Broken, text));
        };
        let in_flight = InFlight {
            inner: &self.inner,
            number: checkout.number,
        };
        let answer = Wanted::One(command).ask(&mut checkout.connection);
        match timeout_at(deadline, answer).await {
            Ok(Ok(answers)) => {
                in_flight.complete();
                Ok(answers
                    .into_iter()
                    .find_map(Result::ok)
                    .unwrap_or(Value::Nil))
            }
            Ok(Err(error)) => {
                let failure = classify::of_request(what, &error);
                if !failure.kind.gives_up_connection() {
                    in_flight.complete();
                }
                Err(failure)
            }
            Err(_) => Err(silent(what, &self.inner.servers)),
        }
    }

    /// Sends several commands at once; each has an answer or an error of its own.
    pub(super) async fn send_all(
        &self,
        what: &str,
        commands: &Pipeline,
        deadline: Instant,
    ) -> Result<Answers, RedisFailure> {
        let (answers, _) = self.ask(what, Wanted::All(commands), deadline).await?;
        Ok(answers)
    }

    /// How sentinels timing the master, if there are any and they tell.
    pub(super) async fn failover_timing(&self) -> Option<FailoverTiming> {
        self.inner.route.failover_timing().await
    }

    /// Asks the server that is established; in a cluster, the one it sends us to. A
    /// request that is sent on was certainly not carried out.
    async fn ask(
        &self,
        what: &str,
        wanted: Wanted<'_>,
        deadline: Instant,
    ) -> Result<(Answers, ConnectionId), RedisFailure> {
        let inner = &self.inner;
        let mut redirects = 0;
        loop {
            let mut checkout = match timeout_at(deadline, inner.checkout()).await {
                Ok(checkout) => checkout?,
                Err(_) => {
                    let text = format!("{}: not connected in time", inner.servers);
                    return Err(RedisFailure::unavailable(FailureKind::Silent, text));
                }
            };
            self.check_now_and_then(checkout.number);
            let in_flight = InFlight {
                inner,
                number: checkout.number,
            };
            let error = match timeout_at(deadline, wanted.ask(&mut checkout.connection)).await {
                Ok(Ok(answers)) => match redirect_in(&answers) {
                    Some(error) => error.clone(),
                    None => {
                        in_flight.complete();
                        return Ok((answers, ConnectionId(Some(checkout.number))));
                    }
                },
                Ok(Err(error)) => error,
                Err(_) => return Err(silent(what, &inner.servers)),
            };
            match inner.route.follow(&error, &checkout.endpoint) {
                Some(Redirect::Moved) if redirects < MAX_REDIRECTS => redirects += 1,
                Some(Redirect::Ask(to)) => {
                    in_flight.complete();
                    let asked = inner.route.ask_at(&to, wanted);
                    return match timeout_at(deadline, asked).await {
                        Ok(Ok(answers)) => match redirect_in(&answers) {
                            None => Ok((answers, ConnectionId(None))),
                            // The slot has moved on meanwhile: who has it, the next
                            // connection finds out.
                            Some(error) => {
                                inner.give_up(checkout.number);
                                let text = format!("{what}: {to} sends it on: {error}");
                                Err(RedisFailure::unavailable(FailureKind::NotNow, text))
                            }
                        },
                        Ok(Err(failure)) => Err(failure),
                        Err(_) => Err(silent(what, &to.to_string())),
                    };
                }
                Some(Redirect::Moved) => {
                    let text = format!("{what}: the nodes of {} disagree: {error}", inner.servers);
                    return Err(RedisFailure::unavailable(FailureKind::NotNow, text));
                }
                None => {
                    let failure = classify::of_request(what, &error);
                    if !failure.kind.gives_up_connection() {
                        in_flight.complete();
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// A primary that was deposed while it lived goes on answering. So sentinels
    /// are asked about a connection in use once a second; the request at hand
    /// does not wait for it.
    fn check_now_and_then(&self, number: u64) {
        let inner = &self.inner;
        if !inner.route.needs_checks() {
            return;
        }
        let endpoint = match &mut inner.state().established {
            Some(established)
                if established.number == number && established.checked.elapsed() >= CHECK_EVERY =>
            {
                established.checked = Instant::now();
                established.endpoint.clone()
            }
            _ => return,
        };
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let deposed = inner.route.is_deposed(&endpoint);
            if timeout(CONNECT_TIMEOUT, deposed).await == Ok(true) {
                inner.give_up(number);
            }
        });
    }
}

impl Inner {
    /// The connection that is established, or a fresh one. Of all calls that need one
    /// at a time, one connects; if it fails, it failed for all that waited.
    async fn checkout(&self) -> Result<Checkout, RedisFailure> {
        let seen = {
            let state = self.state();
            if let Some(checkout) = state.checkout() {
                return Ok(checkout);
            }
            state.attempts
        };
        let _turn = self.connecting.lock().await;
        {
            let state = self.state();
            if let Some(checkout) = state.checkout() {
                return Ok(checkout);
            }
            if let (true, Some(failure)) = (state.attempts != seen, &state.failure) {
                return Err(failure.clone());
            }
        }
        let reached = self.connect().await;
        let mut state = self.state();
        state.attempts += 1;
        match reached {
            Ok(Reached {
                connection,
                endpoint,
            }) => {
                let established = Established {
                    number: state.attempts,
                    connection,
                    endpoint,
                    checked: Instant::now(),
                };
                let checkout = established.checkout();
                state.failure = None;
                state.established = Some(established);
                Ok(checkout)
            }
            Err(failure) => {
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn connect(&self) -> Result<Reached, RedisFailure> {
        match timeout(CONNECT_TIMEOUT, self.route.connect()).await {
            Ok(reached) => reached,
            Err(_) => {
                let text = format!("{}: no connection within {CONNECT_TIMEOUT:?}", self.servers);
                Err(RedisFailure::unavailable(FailureKind::Silent, text))
            }
        }
    }

    fn give_up(&self, number: u64) {
        let mut state = self.state();
        if state
            .established
            .as_ref()
            .is_some_and(|established| established.number == number)
        {
            let established = state.established.take();
            drop(state);
            // Not back into the pool, which would hand it out again.
            drop(established.map(|established| PooledConnection::take(established.connection)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn checkout(&self) -> Option<Checkout> {
        self.established.as_ref().map(Established::checkout)
    }
}

impl Established {
    fn checkout(&self) -> Checkout {
        Checkout {
            number: self.number,
            connection: MultiplexedConnection::clone(&self.connection),
            endpoint: self.endpoint.clone(),
        }
    }
}

impl Wanted<'_> {
    /// Of one command, the error of Redis is the error of all.
    async fn ask(self, connection: &mut MultiplexedConnection) -> Result<Answers, RedisError> {
        match self {
            Wanted::One(command) => match connection.send_packed_command(command).await? {
                Value::ServerError(error) => Err(error.into()),
                value => Ok(vec![Ok(value)]),
            },
            Wanted::All(commands) => commands.query_async(connection).await,
        }
    }
}

/// The first error of several answers, if it sends the request on.
fn redirect_in(answers: &Answers) -> Option<&RedisError> {
    let error = answers.iter().find_map(|answer| answer.as_ref().err());
    error.filter(|error| route::is_redirect(error))
}

/// The request may have been carried out, or may still be.
fn silent(what: &str, address: &str) -> RedisFailure {
    RedisFailure {
        error: StoreError::Unknown(format!("{what}: {address} did not answer in time")),
        kind: FailureKind::Silent,
    }
}

/// A request under way. Dropped before the answer came, whether by an error or
/// by a caller that lost its patience, it gives the connection up: what is
/// stuck behind it would only time out as well.
struct InFlight<'a> {
    inner: &'a Inner,
    number: u64,
}

impl InFlight<'_> {
    fn complete(self) {
        std::mem::forget(self);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.inner.give_up(self.number);
    }
}
