//! One connection, held for as long as it is good.
//!
//! A checkout from a pool costs a round trip, and does not notice a server
//! that was demoted. So the connection is taken once and shared: its requests
//! are pipelined. Whoever meets an error that may mean a broken connection or
//! another server gives it up, and the next call makes a fresh one: `route`
//! finds the server anew (`sentinel`, `cluster`), `dial` connects.

mod cluster;
mod dial;
mod route;
mod sentinel;
mod slot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::Connection;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout, timeout_at};

use crate::doctor::Watch;
use crate::encryption::Encryption;
use crate::fault::{self, Fault, Kind};
use crate::url::Address;
use crate::way::Endpoint;
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
pub(super) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    route: Route,
    place: String,
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
    endpoint: Endpoint,
    /// When its server was last known to be the right one.
    checked: Instant,
}

/// What a request goes out on.
struct Line {
    made: u64,
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
/// one than that which is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passage(Option<u64>);

type Answers = Vec<Result<Value, RedisError>>;

impl Link {
    /// `key` is one of the namespace: all are in one slot of a cluster.
    pub(super) fn new(address: &Address, tls: &Encryption, key: &str) -> Self {
        let inner = Inner {
            route: Route::new(address, tls, key),
            place: address.place.clone(),
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        };
        Link {
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
    ) -> Result<Value, Fault> {
        let (value, _) = self.send_by(what, command, deadline).await?;
        Ok(value)
    }

    /// The same, and tells which way it went.
    pub(super) async fn send_by(
        &self,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<(Value, Passage), Fault> {
        let (answers, passage) = self.ask(what, Wanted::One(command), deadline).await?;
        match answers.into_iter().next() {
            Some(Ok(value)) => Ok((value, passage)),
            Some(Err(error)) => Err(fault::of_request(what, &error)),
            None => Ok((Value::Nil, passage)),
        }
    }

    /// Sends a command behind one that went this way, and no other way.
    pub(super) async fn send_on(
        &self,
        passage: Passage,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, Fault> {
        let line = self.inner.state().line();
        let Some(mut line) = line.filter(|line| passage == Passage(Some(line.made))) else {
            let text = format!("{what}: the connection to {} is gone", self.inner.place);
            return Err(Fault::unavailable(Kind::Broken, text));
        };
        let suspect = Suspect {
            inner: &self.inner,
            made: line.made,
        };
        let answer = Wanted::One(command).ask(&mut line.connection);
        match timeout_at(deadline, answer).await {
            Ok(Ok(answers)) => {
                suspect.clear();
                Ok(answers
                    .into_iter()
                    .find_map(Result::ok)
                    .unwrap_or(Value::Nil))
            }
            Ok(Err(error)) => {
                let fault = fault::of_request(what, &error);
                if !fault.kind.gives_up_connection() {
                    suspect.clear();
                }
                Err(fault)
            }
            Err(_) => Err(silent(what, &self.inner.place)),
        }
    }

    /// Sends several commands at once; each has an answer or an error of its own.
    pub(super) async fn send_all(
        &self,
        what: &str,
        commands: &Pipeline,
        deadline: Instant,
    ) -> Result<Answers, Fault> {
        let (answers, _) = self.ask(what, Wanted::All(commands), deadline).await?;
        Ok(answers)
    }

    /// How sentinels watch the master, if there are any and they tell.
    pub(super) async fn watch(&self) -> Option<Watch> {
        self.inner.route.watch().await
    }

    /// Asks the server that is held; in a cluster, the one it sends us to. A
    /// request that is sent on was certainly not carried out.
    async fn ask(
        &self,
        what: &str,
        wanted: Wanted<'_>,
        deadline: Instant,
    ) -> Result<(Answers, Passage), Fault> {
        let inner = &self.inner;
        let mut redirects = 0;
        loop {
            let mut line = match timeout_at(deadline, inner.line()).await {
                Ok(line) => line?,
                Err(_) => {
                    let text = format!("{}: not connected in time", inner.place);
                    return Err(Fault::unavailable(Kind::Silent, text));
                }
            };
            self.check_now_and_then(line.made);
            let suspect = Suspect {
                inner,
                made: line.made,
            };
            let error = match timeout_at(deadline, wanted.ask(&mut line.connection)).await {
                Ok(Ok(answers)) => match redirect_in(&answers) {
                    Some(error) => error.clone(),
                    None => {
                        suspect.clear();
                        return Ok((answers, Passage(Some(line.made))));
                    }
                },
                Ok(Err(error)) => error,
                Err(_) => return Err(silent(what, &inner.place)),
            };
            match inner.route.follow(&error, &line.endpoint) {
                Some(Redirect::Moved) if redirects < MAX_REDIRECTS => redirects += 1,
                Some(Redirect::Ask(to)) => {
                    suspect.clear();
                    let asked = inner.route.ask_at(&to, wanted);
                    return match timeout_at(deadline, asked).await {
                        Ok(Ok(answers)) => match redirect_in(&answers) {
                            None => Ok((answers, Passage(None))),
                            // The slot has moved on meanwhile: who has it, the next
                            // connection finds out.
                            Some(error) => {
                                inner.give_up(line.made);
                                let text = format!("{what}: {to} sends it on: {error}");
                                Err(Fault::unavailable(Kind::NotNow, text))
                            }
                        },
                        Ok(Err(fault)) => Err(fault),
                        Err(_) => Err(silent(what, &to.to_string())),
                    };
                }
                Some(Redirect::Moved) => {
                    let text = format!("{what}: the nodes of {} disagree: {error}", inner.place);
                    return Err(Fault::unavailable(Kind::NotNow, text));
                }
                None => {
                    let fault = fault::of_request(what, &error);
                    if !fault.kind.gives_up_connection() {
                        suspect.clear();
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// A primary that was deposed while it lived goes on answering. So sentinels
    /// are asked about a connection in use once a second; the request at hand
    /// does not wait for it.
    fn check_now_and_then(&self, made: u64) {
        let inner = &self.inner;
        if !inner.route.needs_checks() {
            return;
        }
        let endpoint = match &mut inner.state().held {
            Some(held) if held.made == made && held.checked.elapsed() >= CHECK_EVERY => {
                held.checked = Instant::now();
                held.endpoint.clone()
            }
            _ => return,
        };
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let deposed = inner.route.is_deposed(&endpoint);
            if timeout(CONNECT_TIMEOUT, deposed).await == Ok(true) {
                inner.give_up(made);
            }
        });
    }
}

impl Inner {
    /// The connection that is held, or a fresh one. Of all calls that need one
    /// at a time, one connects; if it fails, it failed for all that waited.
    async fn line(&self) -> Result<Line, Fault> {
        let seen = {
            let state = self.state();
            if let Some(line) = state.line() {
                return Ok(line);
            }
            state.attempts
        };
        let _turn = self.connecting.lock().await;
        {
            let state = self.state();
            if let Some(line) = state.line() {
                return Ok(line);
            }
            if let (true, Some(fault)) = (state.attempts != seen, &state.failure) {
                return Err(fault.clone());
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
                let held = Held {
                    made: state.attempts,
                    connection,
                    endpoint,
                    checked: Instant::now(),
                };
                let line = held.line();
                state.failure = None;
                state.held = Some(held);
                Ok(line)
            }
            Err(fault) => {
                state.failure = Some(fault.clone());
                Err(fault)
            }
        }
    }

    async fn connect(&self) -> Result<Reached, Fault> {
        match timeout(CONNECT_TIMEOUT, self.route.connect()).await {
            Ok(reached) => reached,
            Err(_) => {
                let text = format!("{}: no connection within {CONNECT_TIMEOUT:?}", self.place);
                Err(Fault::unavailable(Kind::Silent, text))
            }
        }
    }

    fn give_up(&self, made: u64) {
        let mut state = self.state();
        if state.held.as_ref().is_some_and(|held| held.made == made) {
            let held = state.held.take();
            drop(state);
            // Not back into the pool, which would hand it out again.
            drop(held.map(|held| Connection::take(held.connection)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&self) -> Option<Line> {
        self.held.as_ref().map(Held::line)
    }
}

impl Held {
    fn line(&self) -> Line {
        Line {
            made: self.made,
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
fn silent(what: &str, place: &str) -> Fault {
    Fault {
        error: StoreError::Unknown(format!("{what}: {place} did not answer in time")),
        kind: Kind::Silent,
    }
}

/// A request under way. Dropped before the answer came, whether by an error or
/// by a caller that lost its patience, it gives the connection up: what is
/// stuck behind it would only time out as well.
struct Suspect<'a> {
    inner: &'a Inner,
    made: u64,
}

impl Suspect<'_> {
    fn clear(self) {
        std::mem::forget(self);
    }
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        self.inner.give_up(self.made);
    }
}
