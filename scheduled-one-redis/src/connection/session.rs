//! Makes one connection to a server: TCP or a Unix socket, TLS, login, database.
//!
//! The client library connects by itself, too, but with rustls' process-wide provider of cryptography, which it
//! installs if there is none, and with certificates that it has read once.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError, cmd};
use scheduled_one_protocol::StoreError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::{JoinHandle, JoinSet};

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::hang_up;
use crate::encryption::Encryption;
use crate::login::Login;
use crate::topology::Endpoint;

/// Most requests that wait to be written; further requests wait for space.
const PIPELINE: usize = 256;

/// Most addresses of a host name that are tried. They are tried at the same time, and the first to accept is used.
const MAX_ADDRESSES: usize = 16;

/// A connection that is logged in. Clones share it, and it is closed with the last of them, whether or not requests are
/// without a reply.
#[derive(Clone)]
pub(crate) struct Session {
    connection: MultiplexedConnection,
    _driver: Arc<Driver>,
}

/// The task that writes requests and reads replies.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Deref for Session {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.connection
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }
}

/// A session that a pool has made, and takes back unless it is [taken](PooledSession::take).
pub(super) type PooledSession = managed::Object<Connector>;

/// Makes the sessions of a pool, all with one server.
pub(super) struct Connector {
    pub(super) to: Endpoint,
    pub(super) tls: Encryption,
    pub(super) login: Option<Arc<Login>>,
    pub(super) db: i64,
}

impl managed::Manager for Connector {
    type Type = Session;
    type Error = RedisFailure;

    async fn create(&self) -> Result<Session, RedisFailure> {
        let failed = |error: RedisError| classify::of_connecting(&self.to, &error);
        let mut session = match &self.to {
            Endpoint::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => open(stream).await.map_err(failed)?,
                Err(error) => return Err(failed(error.into())),
            },
            Endpoint::Tcp { host, port } => {
                let stream = connect_tcp(host, *port).await;
                let stream = stream.map_err(|error| failed(error.into()))?;
                match &self.tls {
                    Encryption::None => open(stream).await.map_err(failed)?,
                    #[cfg(feature = "tls")]
                    Encryption::Tls(tls) => self.open_tls(tls, host, stream).await?,
                }
            }
        };
        self.log_in(&mut session).await?;
        Ok(session)
    }

    /// Checks that a connection which lay in the pool still leads to a server that replies.
    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<RedisFailure> {
        let pong: Result<String, RedisError> = cmd("PING").query_async(&mut **session).await;
        match pong {
            Ok(_) => Ok(()),
            Err(error) => Err(RecycleError::Backend(classify::of_connecting(
                &self.to, &error,
            ))),
        }
    }
}

impl Connector {
    #[cfg(feature = "tls")]
    async fn open_tls(
        &self,
        tls: &Arc<crate::tls::Tls>,
        host: &str,
        stream: TcpStream,
    ) -> Result<Session, RedisFailure> {
        let failed = |error: RedisError| classify::of_connecting(&self.to, &error);
        // A file may be about to be replaced, so its fault is temporary.
        let config = tls.config().await.map_err(|why| {
            RedisFailure::unavailable(FailureKind::Certificate, format!("{}: {why}", self.to))
        })?;
        let name = rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| failed(io::Error::other(error).into()))?;
        let handshake = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        let encrypted = handshake.await.map_err(|error| failed(error.into()))?;
        open(encrypted).await.map_err(failed)
    }

    /// Logs in and selects the database. The client would report every refusal as a wrong password, even that of a
    /// server with too many clients.
    async fn log_in(&self, session: &mut Session) -> Result<(), RedisFailure> {
        let mut greeting: Vec<Cmd> = Vec::new();
        if let Some(login) = &self.login {
            let password = login.password().await.map_err(|why| {
                RedisFailure::unavailable(FailureKind::Login, format!("{}: {why}", self.to))
            })?;
            let mut auth = cmd("AUTH");
            auth.arg(&login.user).arg(password);
            greeting.push(auth);
        }
        if self.db != 0 {
            let mut select = cmd("SELECT");
            select.arg(self.db);
            greeting.push(select);
        }
        for command in &greeting {
            if let Err(error) = command.exec_async(&mut **session).await {
                let failure = hang_up::of_connecting(&self.to, &self.tls, &error).await;
                return Err(self.refused(failure));
            }
        }
        Ok(())
    }

    /// Removes the password from a login error. An error with a password from a file is temporary, because the file
    /// may be about to change.
    fn refused(&self, mut failure: RedisFailure) -> RedisFailure {
        let Some(login) = &self.login else {
            return failure;
        };
        if let StoreError::Unknown(text)
        | StoreError::Unavailable(text)
        | StoreError::Refused(text) = &mut failure.error
        {
            *text = login.redact(text);
        }
        if let (FailureKind::Login, Some(file), StoreError::Refused(text)) =
            (failure.kind, login.file(), &failure.error)
        {
            let file = file.display();
            let text = format!("{text} (the password is that of {file})");
            failure.error = StoreError::Unavailable(text);
        }
        failure
    }
}

/// Connects to the address of the host name that accepts first.
async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    for address in lookup_host((host, port)).await?.take(MAX_ADDRESSES) {
        attempts.spawn(TcpStream::connect(address));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(stream) => {
                // Otherwise a request may wait until the one before it is acknowledged.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A session on a stream, without a login.
async fn open<S>(stream: S) -> Result<Session, RedisError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The name of the client library is not sent: Redis before 7.2 would record a refused command for it.
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    // Callers have deadlines of their own, and distinguish "not sent" from "no reply".
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&info, stream, config).await?;
    let driver = Arc::new(Driver(tokio::spawn(driver)));
    Ok(Session {
        connection,
        _driver: driver,
    })
}
