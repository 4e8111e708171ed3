//! One connection that all requests of a store share until it has to be replaced.
//!
//! A checkout from a pool costs a round trip, and does not notice that a server was demoted.
//! So one connection is taken from the pool and shared, and its requests are pipelined.
//! An error that may mean a broken connection or another primary gives the connection up, and the next request makes a
//! new one: `route` finds the server (by `sentinel` or `cluster`), `dial` has a pool for it, `session` connects and
//! logs in, `checkout` keeps the result.

mod checkout;
mod cluster;
mod dial;
mod hang_up;
mod hash_slot;
mod route;
mod sentinel;
mod session;

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value};
use scheduled_one_protocol::StoreError;
use tokio::time::{Instant, timeout, timeout_at};

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::checkout::{Checkout, InFlight, Inner};
use crate::connection::route::Redirect;
use crate::connection::session::Session;
use crate::doctor::FailoverTiming;
use crate::encryption::Encryption;
use crate::url::Address;

/// Longest time to connect: finding the server, name resolution, TLS and login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Most redirects that one request follows in a cluster.
const MAX_REDIRECTS: u32 = 3;

/// Least time between two checks with the sentinels of a connection in use.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// One connection to the server that holds the namespace, shared by all requests and replaced after an error.
///
/// A connection belongs to the tokio runtime that connects.
pub(crate) struct Connection {
    inner: Arc<Inner>,
}

/// The commands of one request.
#[derive(Clone, Copy)]
enum Commands<'a> {
    One(&'a Cmd),
    All(&'a Pipeline),
}

/// Identifies the connection that a reply came from; `None` if the reply came over a redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionId(Option<u64>);

/// The replies to the commands of one request, in their order.
type Replies = Vec<Result<Value, RedisError>>;

impl Connection {
    /// `key` is any key of the namespace: all of them are in one hash slot of a cluster.
    pub(crate) fn new(address: &Address, tls: &Encryption, key: &str) -> Self {
        Connection {
            inner: Inner::new(address, tls, key),
        }
    }

    /// Sends a command and waits for its reply until `deadline`. Errors name the command `what`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up. The command may have been carried out.
    pub(crate) async fn send(
        &self,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, RedisFailure> {
        let (value, _) = self.send_by(what, command, deadline).await?;
        Ok(value)
    }

    /// As [`send`](Self::send), and returns the connection that the reply came from.
    pub(crate) async fn send_by(
        &self,
        what: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<(Value, ConnectionId), RedisFailure> {
        let (replies, connection_id) = self.query(what, Commands::One(command), deadline).await?;
        match replies.into_iter().next() {
            Some(Ok(value)) => Ok((value, connection_id)),
            Some(Err(error)) => Err(classify::of_request(what, &error)),
            None => Ok((Value::Nil, connection_id)),
        }
    }

    /// Sends a command on the given connection only, after the commands that were sent on it before.
    /// Fails if the connection was replaced. Deadline and cancel safety are those of [`send`](Self::send).
    pub(crate) async fn send_on(
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
        let in_flight = InFlight::new(&self.inner, &checkout);
        let reply = Commands::One(command).query(&mut checkout.connection);
        match timeout_at(deadline, reply).await {
            Ok(Ok(replies)) => {
                in_flight.complete();
                Ok(replies
                    .into_iter()
                    .find_map(Result::ok)
                    .unwrap_or(Value::Nil))
            }
            Ok(Err(error)) => {
                let failure = classify::of_request(what, &error);
                if !failure.kind.gives_up_connection() {
                    in_flight.keep_connection();
                }
                Err(failure)
            }
            Err(_) => Err(no_reply(what, &self.inner.servers)),
        }
    }

    /// Sends several commands at once; each has a reply or an error of its own.
    /// Deadline and cancel safety are those of [`send`](Self::send).
    pub(crate) async fn send_all(
        &self,
        what: &str,
        commands: &Pipeline,
        deadline: Instant,
    ) -> Result<Replies, RedisFailure> {
        let (replies, _) = self.query(what, Commands::All(commands), deadline).await?;
        Ok(replies)
    }

    /// The timing of failovers in the configuration of the sentinels; `None` without sentinels or permission.
    pub(crate) async fn failover_timing(&self) -> Option<FailoverTiming> {
        self.inner.route.failover_timing().await
    }

    /// Sends commands to the established server; in a cluster, to the node that it redirects to.
    /// A redirected request was not carried out.
    async fn query(
        &self,
        what: &str,
        commands: Commands<'_>,
        deadline: Instant,
    ) -> Result<(Replies, ConnectionId), RedisFailure> {
        let inner = &self.inner;
        let mut redirects = 0;
        loop {
            let mut checkout = match timeout_at(deadline, inner.checkout()).await {
                Ok(checkout) => checkout?,
                Err(_) => {
                    let text = format!("{}: not connected in time", inner.servers);
                    return Err(RedisFailure::unavailable(FailureKind::NoReply, text));
                }
            };
            self.check_periodically(checkout.number);
            let in_flight = InFlight::new(inner, &checkout);
            let error = match timeout_at(deadline, commands.query(&mut checkout.connection)).await {
                Ok(Ok(replies)) => match redirect_in(&replies) {
                    Some(error) => error.clone(),
                    None => {
                        in_flight.complete();
                        return Ok((replies, ConnectionId(Some(checkout.number))));
                    }
                },
                Ok(Err(error)) => error,
                Err(_) => return Err(no_reply(what, &inner.servers)),
            };
            match inner.route.follow(&error, &checkout.endpoint) {
                Some(Redirect::Moved) if redirects < MAX_REDIRECTS => redirects += 1,
                Some(Redirect::Ask(to)) => {
                    in_flight.keep_connection();
                    let reply = inner.route.send_asking(&to, &checkout.endpoint, commands);
                    return match timeout_at(deadline, reply).await {
                        Ok(Ok(replies)) => match redirect_in(&replies) {
                            None => Ok((replies, ConnectionId(None))),
                            // The hash slot has moved meanwhile. The next connection looks up its owner.
                            Some(error) => {
                                inner.give_up(checkout.number);
                                let text = format!("{what}: {to} sends it on: {error}");
                                Err(RedisFailure::unavailable(FailureKind::NotNow, text))
                            }
                        },
                        Ok(Err(failure)) => Err(failure),
                        Err(_) => Err(no_reply(what, &to.to_string())),
                    };
                }
                Some(Redirect::Moved) => {
                    let text = format!("{what}: the nodes of {} disagree: {error}", inner.servers);
                    return Err(RedisFailure::unavailable(FailureKind::NotNow, text));
                }
                None => {
                    let failure = self.failure(what, &checkout, error, deadline).await;
                    if !failure.kind.gives_up_connection() {
                        in_flight.keep_connection();
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// Classifies the error of a request. A server that has carried out nothing on the connection may have closed it
    /// for a reason, which it gives on another one.
    async fn failure(
        &self,
        what: &str,
        checkout: &Checkout,
        error: RedisError,
        deadline: Instant,
    ) -> RedisFailure {
        if !checkout.has_replied() {
            let reason = self
                .inner
                .route
                .reason_of_hang_up(&checkout.endpoint, &error);
            if let Ok(Some(failure)) = timeout_at(deadline, reason).await {
                return failure;
            }
        }
        classify::of_request(what, &error)
    }

    /// Asks the sentinels once a second whether the server of a connection in use is still the primary: a primary that
    /// was replaced while it was alive continues to reply. The current request does not wait for the check.
    fn check_periodically(&self, number: u64) {
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

impl Commands<'_> {
    /// Sends the commands and waits for their replies. The error reply to a single command is the error of the request.
    async fn query(self, connection: &mut Session) -> Result<Replies, RedisError> {
        match self {
            Commands::One(command) => match connection.send_packed_command(command).await? {
                Value::ServerError(error) => Err(error.into()),
                value => Ok(vec![Ok(value)]),
            },
            Commands::All(commands) => commands.query_async(&mut **connection).await,
        }
    }
}

/// The first error among the replies, if it is a redirect.
fn redirect_in(replies: &Replies) -> Option<&RedisError> {
    let error = replies.iter().find_map(|reply| reply.as_ref().err());
    error.filter(|error| route::is_redirect(error))
}

/// The error of a request without a reply in time. It may have been carried out, or may be yet.
fn no_reply(what: &str, address: &str) -> RedisFailure {
    let text = format!("{what}: {address} did not answer in time");
    RedisFailure::new(FailureKind::NoReply, StoreError::Unknown(text))
}
