//! The established connection of a store, and its checkouts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::classify::RedisFailure;
use crate::connection::CONNECT_TIMEOUT;
use crate::connection::route::{Reached, Route};
use crate::connection::session::{PooledSession, Session};
use crate::encryption::Encryption;
use crate::topology::Endpoint;
use crate::url::Address;

/// The route to the server, and the connection that is established to it.
pub(super) struct Inner {
    pub(super) route: Route,
    /// Addresses of the URL, for error texts.
    pub(super) servers: String,
    state: Mutex<State>,
    /// Locked by the call that connects, while the others wait for its result.
    connecting: tokio::sync::Mutex<()>,
}

/// The established connection, and the attempts to connect so far.
#[derive(Default)]
pub(super) struct State {
    pub(super) established: Option<Established>,
    /// Number of attempts to connect that have ended.
    attempts: u64,
    /// Error of the last attempt, if it failed.
    failure: Option<RedisFailure>,
}

/// The connection in use, with the server that it leads to.
pub(super) struct Established {
    /// Number of the attempt that made this connection. Each connection has another.
    pub(super) number: u64,
    connection: PooledSession,
    pub(super) endpoint: Endpoint,
    /// Time of the last check that the server is the primary.
    pub(super) checked: Instant,
    /// Whether a request was carried out on this connection. An error alone may be the reason of a server that closes
    /// each new connection.
    replied: Arc<AtomicBool>,
}

/// A use of the established connection by one request.
pub(super) struct Checkout {
    pub(super) number: u64,
    pub(super) connection: Session,
    pub(super) endpoint: Endpoint,
    replied: Arc<AtomicBool>,
}

impl Checkout {
    /// True if the server has carried a request out on this connection.
    pub(super) fn has_replied(&self) -> bool {
        self.replied.load(Ordering::Relaxed)
    }
}

/// Guards a request without a reply.
///
/// Dropped before [`complete`](Self::complete), after an error or by a caller that stops waiting, the guard gives the
/// connection up: requests behind this one would time out as well.
pub(super) struct InFlight<'a> {
    inner: &'a Inner,
    number: u64,
    replied: Arc<AtomicBool>,
    completed: bool,
}

impl<'a> InFlight<'a> {
    pub(super) fn new(inner: &'a Inner, checkout: &Checkout) -> Self {
        InFlight {
            inner,
            number: checkout.number,
            replied: Arc::clone(&checkout.replied),
            completed: false,
        }
    }

    /// The request was carried out: the connection is good.
    pub(super) fn complete(self) {
        self.replied.store(true, Ordering::Relaxed);
        self.keep_connection();
    }

    /// The reply is an error that does not stand against the connection.
    pub(super) fn keep_connection(mut self) {
        self.completed = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.completed {
            self.inner.give_up(self.number);
        }
    }
}

impl Inner {
    pub(super) fn new(address: &Address, tls: &Encryption, key: &str) -> Arc<Self> {
        Arc::new(Inner {
            route: Route::new(address, tls, key),
            servers: address.servers.clone(),
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        })
    }

    /// The established connection, or a new one. Of concurrent callers without a connection one connects; if it fails,
    /// its error is that of all callers that waited for it.
    pub(super) async fn checkout(&self) -> Result<Checkout, RedisFailure> {
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
        let reached = self.route.connect(Instant::now() + CONNECT_TIMEOUT).await;
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
                    replied: Arc::default(),
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

    /// Drops the established connection if it is still the one of that number.
    pub(super) fn give_up(&self, number: u64) {
        let mut state = self.state();
        if state
            .established
            .as_ref()
            .is_some_and(|established| established.number == number)
        {
            let established = state.established.take();
            drop(state);
            // Not returned to the pool, which would hand it out again.
            drop(established.map(|established| PooledSession::take(established.connection)));
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn checkout(&self) -> Option<Checkout> {
        self.established.as_ref().map(Established::checkout)
    }
}

impl Established {
    fn checkout(&self) -> Checkout {
        Checkout {
            number: self.number,
            connection: Session::clone(&self.connection),
            endpoint: self.endpoint.clone(),
            replied: Arc::clone(&self.replied),
        }
    }
}
