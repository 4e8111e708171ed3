//! A network with faults that a test chooses.

mod connection;
mod faults;
pub(crate) mod frame;
mod hook;
mod listener;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use hook::{Hook, Matcher, RequestCounter, Verdict};

use self::faults::{Entrance, Faults, Flow, Shared};
use self::hook::Point;
use crate::RedisServer;
use crate::port::free_port;

/// How long it may take until the port is given up, or taken again.
const LISTEN_BOUND: Duration = Duration::from_secs(10);

/// How many ports a start tries.
const START_ATTEMPTS: u32 = 5;

/// How to start a [`FaultProxy`]; made by [`FaultProxy::options`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct FaultProxyOptions {
    seed: u64,
    spare_internal: bool,
    is_raw: bool,
}

impl FaultProxyOptions {
    /// Seed of the random delays; default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Leaves connections of replicas and sentinels in peace, for a proxy through which they come
    /// too. A connection is held for one of theirs until its first request that is no AUTH, HELLO or
    /// PING. Faults of new connections (`black_hole`, `close_new`, `refuse`) and `cut` hit all.
    pub fn spare_internal(mut self) -> Self {
        self.spare_internal = true;
        self
    }

    /// Takes what passes for bytes rather than for requests and replies, for a server that is no Redis. A message is
    /// then what one read returns, and no hook of a reply is called.
    pub fn raw(mut self) -> Self {
        self.is_raw = true;
        self
    }

    /// Starts the proxy in front of a port of 127.0.0.1, with or without a listener on that port.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn start(self, target: u16) -> io::Result<FaultProxy> {
        let mut attempt = 1;
        let (port, listener) = loop {
            let port = free_port()?;
            match listener::bind(port) {
                Ok(listener) => break (port, listener),
                Err(_) if attempt < START_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        };
        let shared = Arc::new(Shared::new(target, self));
        let acceptor = thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || listener::run(&shared, listener, port)
            })?;
        Ok(FaultProxy {
            port,
            shared,
            acceptor: Some(acceptor),
        })
    }
}

/// A TCP proxy on loopback, in front of a Redis. At run time a test can make it delay, hold or lose messages, refuse or
/// cut connections, and call the test at an exact message.
///
/// ```
/// # use std::time::Duration;
/// use test_support::{FaultProxy, RedisServer, Verdict};
/// let redis = RedisServer::start()?;
/// let proxy = FaultProxy::in_front_of(&redis)?;
/// let url = proxy.url(&redis); // for the client under test
/// proxy.delay_replies(Duration::from_millis(5), Duration::from_millis(50));
/// let lost = proxy.on_reply("EVALSHA", || Verdict::Drop);
/// # drop((url, lost));
/// proxy.heal()?;
/// # std::io::Result::Ok(())
/// ```
///
/// What TCP carries has no gaps, so a connection that has lost a message loses all that follows in
/// that direction, and stays open. No client can meet a reply that belongs to another request.
///
/// It speaks no TLS. It has threads of its own, and none of its methods waits for the network, so it
/// can be used in asynchronous tests; `refuse` and `heal` block for a few milliseconds. Dropped, it
/// cuts all connections and gives up its port.
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy in front of this server, also for its later runs.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn in_front_of(server: &RedisServer) -> io::Result<Self> {
        Self::options().start(server.port())
    }

    /// Options for a proxy that differs from that of [`in_front_of`](Self::in_front_of).
    pub fn options() -> FaultProxyOptions {
        FaultProxyOptions::default()
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The URL of this server through the proxy.
    #[must_use]
    pub fn url(&self, server: &RedisServer) -> String {
        server.url_at(self.port)
    }

    /// Each request takes this much longer, at random in between. The order stays.
    pub fn delay_requests(&self, shortest: Duration, longest: Duration) {
        self.set(|faults| faults.requests.1 = Some((shortest, longest)));
    }

    /// Each reply takes this much longer, at random in between. The order stays.
    pub fn delay_replies(&self, shortest: Duration, longest: Duration) {
        self.set(|faults| faults.replies.1 = Some((shortest, longest)));
    }

    /// Requests stand still, on all connections, and arrive when it is healed.
    pub fn hold_requests(&self) {
        self.set(|faults| faults.requests.0 = Flow::Hold);
    }

    /// Replies stand still, on all connections, and arrive when it is healed.
    pub fn hold_replies(&self) {
        self.set(|faults| faults.replies.0 = Flow::Hold);
    }

    /// Requests never arrive. Connections stay open.
    pub fn lose_requests(&self) {
        self.set(|faults| faults.requests.0 = Flow::Lose);
    }

    /// Requests arrive and are executed, replies never arrive. Connections stay open.
    pub fn lose_replies(&self) {
        self.set(|faults| faults.replies.0 = Flow::Lose);
    }

    /// New connections are accepted, and nothing they say is ever answered. Those that are there
    /// already are not touched: `lose_requests` makes them the same.
    pub fn black_hole(&self) {
        self.set(|faults| faults.entrance = Entrance::BlackHole);
    }

    /// New connections are accepted and closed at once.
    pub fn close_new(&self) {
        self.set(|faults| faults.entrance = Entrance::Close);
    }

    /// Stops listening: new connections are refused, and open connections stay.
    ///
    /// # Errors
    ///
    /// The port is not given up in time.
    pub fn refuse(&self) -> io::Result<()> {
        self.set(|faults| faults.entrance = Entrance::Refuse);
        self.wait_for_listener(false)
    }

    /// Cuts each connection when it is this old, now and from now on.
    pub fn churn(&self, age: Duration) {
        self.set(|faults| faults.churn = Some(age));
    }

    /// Cuts all connections that are there. New ones are served.
    pub fn cut(&self) {
        self.shared.change(|state| {
            for connection in state.connections.values() {
                connection.close();
            }
        });
    }

    /// Runs `action` once, when a request that is meant is about to be forwarded: all before it on
    /// its connection has been forwarded. The action may take its time; only that direction of that
    /// connection waits. It must not panic, else the connection is cut.
    ///
    /// Actions run before faults apply, but not on connections that have lost something before.
    pub fn on_request(
        &self,
        matcher: impl Into<Matcher>,
        action: impl FnOnce() -> Verdict + Send + 'static,
    ) -> Hook {
        let mut hooks = self.shared.hooks();
        hooks.arm(Point::Request, matcher.into(), Box::new(action))
    }

    /// Runs `action` once, when the reply to a request that is meant has arrived, so that it was
    /// executed, and is about to be delivered. The request must be forwarded after this call. If its
    /// connection ends before the reply arrives, the action waits for the next such request.
    ///
    /// As [`on_request`](Self::on_request) otherwise.
    pub fn on_reply(
        &self,
        matcher: impl Into<Matcher>,
        action: impl FnOnce() -> Verdict + Send + 'static,
    ) -> Hook {
        let mut hooks = self.shared.hooks();
        hooks.arm(Point::Reply, matcher.into(), Box::new(action))
    }

    /// Counts the requests that are meant from now on, when they are forwarded. Healing leaves it.
    pub fn count(&self, matcher: impl Into<Matcher>) -> RequestCounter {
        self.shared.hooks().count(matcher.into())
    }

    /// How many requests were forwarded so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many replies were delivered so far.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.shared.replies.load(Ordering::SeqCst)
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.state().connections.len()
    }

    /// Ends all faults and forgets the hooks that have not fired. What was held or delayed goes on
    /// at once; connections that have lost something or lead nowhere are cut.
    ///
    /// # Errors
    ///
    /// After [`refuse`](Self::refuse), the port cannot be taken again in time.
    pub fn heal(&self) -> io::Result<()> {
        self.shared.hooks().clear();
        self.shared.change(|state| {
            state.faults = Faults::default();
            state.generation += 1;
            for connection in state.connections.values().filter(|it| it.is_dark()) {
                connection.close();
            }
        });
        self.wait_for_listener(true)
    }

    fn set(&self, set: impl FnOnce(&mut Faults)) {
        self.shared.change(|state| set(&mut state.faults));
    }

    fn wait_for_listener(&self, listening: bool) -> io::Result<()> {
        let done = |state: &faults::State| state.listening == listening;
        if self.shared.wait_for(LISTEN_BOUND, done) {
            return Ok(());
        }
        let verb = if listening { "take" } else { "give up" };
        let text = format!("the proxy did not {verb} port {} in time", self.port);
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.stopped = true;
            for connection in state.connections.values() {
                connection.close();
            }
        });
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("port", &self.port)
            .field("target", &self.shared.target)
            .finish_non_exhaustive()
    }
}
