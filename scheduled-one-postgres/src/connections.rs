//! The connections of a handle: made when they are needed, a few at most, and dropped in the middle of a transaction
//! rather than given back.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls, Notification, Socket};

use crate::address::Address;
use crate::classify::connect_error;
use crate::connect_error::ConnectError;
use crate::hosts::Hosts;
use crate::tls::{self, Connector};

/// Connections of a handle, at most. When many ticks are due, a node claims several batches at the same time, and
/// reports the outcomes of the first while it claims the last; with four connections the last claim waited for them.
const MOST: usize = 8;

/// How long a connection may take to be made, in a task of its own: what comes too late for its request serves the next
/// one. If it ended with its request, a node under load would begin again and again, and never have one.
const LONGEST: Duration = Duration::from_secs(4);

/// Connects; reads the password file and the certificates before.
#[derive(Clone)]
struct Dialer {
    address: Address,
    hosts: Hosts,
    /// With the certificates of the start, for a moment in which they cannot be read.
    tls: Option<Connector>,
}

/// Is called with each notification of a connection that listens.
pub(crate) type Notified = Arc<dyn Fn(&Notification) + Send + Sync>;

type Connected = Result<(Client, JoinHandle<()>), Error>;

impl Connect for Dialer {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        Box::pin(self.dial(None))
    }
}

impl Dialer {
    /// Connects to the first host that takes writes. `notified` gets what the server notifies of.
    async fn dial(&self, notified: Option<Notified>) -> Connected {
        let (address, encryption) = (self.address.clone(), self.address.encryption.clone());
        let read = move || (address.passwords().ok(), tls::load(&encryption).ok());
        let reading = tokio::task::spawn_blocking(read);
        // Without a password the server says that it wants one. The start names a file that cannot be read.
        let (passwords, tls) = reading.await.unwrap_or_default();
        let passwords = passwords.unwrap_or_default();
        let tls = tls.unwrap_or_else(|| self.tls.clone());
        let mut errors = Vec::new();
        for (place, mut config) in self.hosts.in_turn() {
            if let Some(Some(password)) = passwords.get(place) {
                config.password(password);
            }
            match dial(&config, &tls, notified.clone()).await {
                Ok(connected) => {
                    self.hosts.is_good(place);
                    return Ok(connected);
                }
                Err(error) => errors.push(error),
            }
        }
        // A standby that takes no writes hides no password that the primary refuses.
        let weight = |error: &Error| connect_error(error, &self.address).weight();
        let heaviest = errors.into_iter().max_by_key(weight);
        Err(heaviest.expect("an address has a host"))
    }
}

async fn dial(config: &Config, tls: &Option<Connector>, notified: Option<Notified>) -> Connected {
    match tls {
        #[cfg(feature = "tls")]
        Some(tls) => Ok(driven(config.connect(tls.clone()).await?, notified)),
        #[cfg(not(feature = "tls"))]
        Some(tls) => match *tls {},
        None => Ok(driven(config.connect(NoTls).await?, notified)),
    }
}

/// Requests and replies pass through the connection in a task of their own, which ends with it.
fn driven<S>(
    connected: (Client, tokio_postgres::Connection<Socket, S>),
    notified: Option<Notified>,
) -> (Client, JoinHandle<()>)
where
    S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
{
    let (client, mut connection) = connected;
    let driver = tokio::spawn(async move {
        let Some(notified) = notified else {
            // The requests under way get the error.
            let _ = connection.await;
            return;
        };
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message {
                notified(&notification);
            }
        }
    });
    (client, driver)
}

/// The connections of a handle.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: Pool,
    dialer: Dialer,
}

impl Connections {
    pub(crate) fn new(address: &Address, tls: Option<Connector>) -> Self {
        Self::of(Dialer {
            hosts: Hosts::new(&address.config),
            address: address.clone(),
            tls,
        })
    }

    /// Others to the same address.
    pub(crate) fn another(&self) -> Self {
        Self::of(self.dialer.clone())
    }

    fn of(dialer: Dialer) -> Self {
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let client = dialer.address.config.clone();
        let manager = Manager::from_connect(client, dialer.clone(), config);
        let pool = Pool::builder(manager).max_size(MOST).build();
        // Limits of time are those of the requests.
        let pool = pool.expect("a pool without limits of time can be made");
        Connections { pool, dialer }
    }

    /// A connection, new or used before.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Checkout, ConnectError> {
        let unreachable = |why: &str| ConnectError::Unreachable {
            place: self.dialer.address.to_string(),
            why: why.to_owned(),
        };
        // The pool would drop those that are closed, too, and log a warning for each.
        let hosts = &self.dialer.hosts;
        self.pool
            .retain(|client, metrics| !client.is_closed() && hosts.may_be_used(metrics.created));
        let pool = self.pool.clone();
        let getting = tokio::spawn(timeout(LONGEST, async move { pool.get().await }));
        match timeout_at(deadline, getting).await {
            Ok(Ok(Ok(Ok(client)))) => Ok(Checkout {
                made: Object::metrics(&client).created,
                client: Some(client),
            }),
            Ok(Ok(Ok(Err(PoolError::Backend(error))))) => {
                Err(connect_error(&error, &self.dialer.address))
            }
            Ok(Ok(Ok(Err(error)))) => Err(unreachable(&error.to_string())),
            Ok(Err(error)) => Err(unreachable(&error.to_string())),
            Ok(Ok(Err(_))) | Err(_) => Err(unreachable("no connection came in time")),
        }
    }

    /// A connection of its own, of which `notified` gets the notifications, and the task that ends with it.
    pub(crate) async fn listener(
        &self,
        notified: Notified,
    ) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let dialed = self.dialer.dial(Some(notified)).await;
        dialed.map_err(|error| self.error(&error))
    }

    /// An error of a connection.
    pub(crate) fn error(&self, error: &Error) -> ConnectError {
        connect_error(error, &self.dialer.address)
    }

    /// Whether a connection that was made then may be used.
    pub(crate) fn may_be_used(&self, made: std::time::Instant) -> bool {
        self.dialer.hosts.may_be_used(made)
    }

    /// The server of a connection does not reply, or is not to be used any more: nor are the other connections to it,
    /// which would have to be waited for one by one, and the next one is made to another host, if there is one.
    pub(crate) fn leave(&self, checkout: Checkout) {
        self.dialer.hosts.leave(checkout.made);
    }
}

/// A use of a connection. A connection that is not given back is closed, and the server rolls its transaction back.
pub(crate) struct Checkout {
    client: Option<Object>,
    made: std::time::Instant,
}

impl Checkout {
    /// Ends a transaction that is to change nothing. If that does not work, it ends with the connection.
    pub(crate) async fn roll_back(self, deadline: Instant) {
        let rolled_back = timeout_at(deadline, self.batch_execute("ROLLBACK")).await;
        if rolled_back.is_ok_and(|rolled_back| rolled_back.is_ok()) {
            self.give_back();
        }
    }

    /// Gives the connection back: it is in no transaction, and no reply is outstanding.
    pub(crate) fn give_back(mut self) {
        drop(self.client.take());
    }
}

impl std::ops::Deref for Checkout {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("only `give_back` takes it")
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}
