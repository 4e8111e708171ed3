//! A primary, its replicas, and the sentinels that watch them.

mod options;

use std::collections::HashMap;
use std::io;

pub use options::SentinelOptions;

use crate::options::Login;
use crate::settle::{Failover, Info, ensure, ensure_in_sync, isolate, settle};
use crate::{FaultProxy, RedisServer};

/// The name by which the sentinels know the primary.
pub(crate) const MASTER: &str = "mymaster";

/// A real deployment with Sentinel on loopback: one primary, its replicas (2 by default), and 3 sentinels.
///
/// The servers are [`RedisServer`]s: each can be frozen, thawed, killed and restarted by itself.
///
/// Two intervals of the sentinels are shorter than usual, so that they find each other, and a server
/// that has come back, within about a second: INFO each 1 s, hello each 0.5 s. How they detect a
/// dead primary and elect a new one is as usual.
#[derive(Debug)]
pub struct Sentinel {
    servers: Vec<RedisServer>,
    /// By which port each of `servers` is known.
    announced: Vec<u16>,
    sentinels: Vec<RedisServer>,
    proxies: Vec<FaultProxy>,
    login: Option<Login>,
}

impl Sentinel {
    /// Starts one primary, two replicas, three sentinels, and waits until they have settled.
    ///
    /// # Errors
    ///
    /// See [`SentinelOptions::start`].
    pub fn start() -> io::Result<Self> {
        Self::options().start()
    }

    /// Options for a deployment that differs from that of [`start`](Self::start).
    pub fn options() -> SentinelOptions {
        SentinelOptions::default()
    }

    fn with_options(mut options: SentinelOptions) -> io::Result<Self> {
        let (mut servers, mut announced) = (Vec::new(), Vec::<u16>::new());
        for _ in 0..=options.replicas {
            let server = options.server().start()?;
            let port = options.announce.announce(&server, "replica")?;
            if let Some(primary) = announced.first() {
                server.command(&["REPLICAOF", "127.0.0.1", &primary.to_string()])?;
                // As an operator would: a replica that is restarted is a replica.
                server.command(&["CONFIG", "REWRITE"])?;
            }
            servers.push(server);
            announced.push(port);
        }
        let mut deployment = Self {
            servers,
            announced,
            sentinels: Vec::new(),
            proxies: std::mem::take(&mut options.announce).into_proxies(),
            login: options.login.clone(),
        };
        // A sentinel asks for the replicas when it starts, and then only now and then.
        settle("the replicas are in sync", &deployment.everybody(), || {
            deployment.ensure_replicas_follow(0)
        })?;
        for _ in 0..options::SENTINELS {
            let sentinel = options.sentinel(deployment.announced[0]).start()?;
            deployment.sentinels.push(sentinel);
        }
        deployment.wait_settled()?;
        Ok(deployment)
    }

    /// `redis+sentinel://[user:pass@]127.0.0.1:p1,127.0.0.1:p2,127.0.0.1:p3/mymaster`: the ports are
    /// those of the sentinels, the login is that of the Redis servers.
    #[must_use]
    pub fn url(&self) -> String {
        let login = Login::in_url(self.login.as_ref());
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        format!("redis+sentinel://{login}{}/{MASTER}", hosts.join(","))
    }

    /// The Redis servers, whatever their role; the first was the first primary.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The proxy in front of each of [`servers`](Self::servers); none unless it was started with
    /// [`proxied`](SentinelOptions::proxied).
    #[must_use]
    pub fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    /// The primary, as the live sentinels say; where they differ, as the latest of them says.
    ///
    /// # Errors
    ///
    /// No sentinel answers.
    pub fn primary(&self) -> io::Result<&RedisServer> {
        Ok(&self.servers[self.primary_index()?])
    }

    /// All servers but the [`primary`](Self::primary), dead ones too.
    ///
    /// # Errors
    ///
    /// As [`primary`](Self::primary).
    pub fn replicas(&self) -> io::Result<Vec<&RedisServer>> {
        let primary = self.primary_index()?;
        let servers = self.servers.iter().enumerate();
        let replicas = servers.filter(|(index, _)| *index != primary);
        Ok(replicas.map(|(_, server)| server).collect())
    }

    /// Makes a replica the primary while all are alive (SENTINEL FAILOVER): the old primary becomes
    /// a replica. Asks again until it is accepted and done.
    ///
    /// # Errors
    ///
    /// It does not succeed in time.
    pub fn failover(&self) -> io::Result<Failover<'_>> {
        let old = self.primary_index()?;
        settle("a failover is accepted", &self.everybody(), || {
            // Refused while another one goes on, or while no replica looks good enough.
            let sentinel = self.live_sentinels().next().ok_or_else(no_sentinel)?;
            sentinel.command(&["SENTINEL", "FAILOVER", MASTER])
        })?;
        self.wait_for_failover(&self.servers[old])
    }

    /// Waits until the live sentinels agree that another server than `old` is the primary, and it
    /// takes writes.
    ///
    /// # Errors
    ///
    /// That does not happen in time.
    pub fn wait_for_failover<'a>(&'a self, old: &'a RedisServer) -> io::Result<Failover<'a>> {
        settle("another primary serves", &self.everybody(), || {
            let new = &self.servers[self.agreed_primary()?];
            ensure(new.port() != old.port(), || "it is the same".to_owned())?;
            ensure_is_primary(new)?;
            Ok(Failover { old, new })
        })
    }

    /// A failover after which the writes of `during` are lost: all replicas are frozen and cut off,
    /// `during` runs while the primary goes on and acknowledges, then the primary is killed, and the
    /// replicas go on. The old primary stays dead until it is restarted; it then becomes a replica.
    ///
    /// With `min_replicas_to_write`, a primary that is cut off refuses writes.
    ///
    /// # Errors
    ///
    /// A server is not running, or the failover does not happen in time.
    pub fn fail_over_losing_writes(&self, during: impl FnOnce()) -> io::Result<Failover<'_>> {
        let (old, replicas) = (self.primary()?, self.replicas()?);
        let replicas: Vec<&RedisServer> = replicas.into_iter().filter(|it| it.is_live()).collect();
        isolate(old, &replicas)?;
        during();
        old.kill()?;
        for replica in replicas {
            replica.thaw()?;
        }
        self.wait_for_failover(old)
    }

    /// Waits until the live servers are at rest: all live replicas are in sync with the primary, and
    /// all live sentinels agree on it, know each other, and see nothing wrong with a live server.
    ///
    /// # Errors
    ///
    /// That does not happen in time; the error has what is missing and the tails of all logs.
    pub fn wait_settled(&self) -> io::Result<()> {
        settle("the deployment has settled", &self.everybody(), || {
            self.live_sentinels().try_for_each(quicken)?;
            let primary = self.agreed_primary()?;
            self.ensure_replicas_follow(primary)?;
            self.live_sentinels()
                .try_for_each(|sentinel| self.ensure_content(sentinel, primary))
        })
    }

    fn everybody(&self) -> Vec<&RedisServer> {
        self.servers.iter().chain(&self.sentinels).collect()
    }

    fn live_sentinels(&self) -> impl Iterator<Item = &RedisServer> {
        self.sentinels.iter().filter(|sentinel| sentinel.is_live())
    }

    fn primary_index(&self) -> io::Result<usize> {
        let mut latest = None;
        for sentinel in self.live_sentinels() {
            let view = master_of(sentinel)?;
            latest = latest.max(Some((
                number(&view, "config-epoch")?,
                number(&view, "port")?,
            )));
        }
        let (_, port) = latest.ok_or_else(no_sentinel)?;
        self.index_of(port)
    }

    fn index_of(&self, announced: u64) -> io::Result<usize> {
        let mut ports = self.announced.iter();
        ports
            .position(|port| u64::from(*port) == announced)
            .ok_or_else(|| io::Error::other(format!("no server of ours is known by {announced}")))
    }

    /// The primary, if all live sentinels name the same and are not about to change it.
    fn agreed_primary(&self) -> io::Result<usize> {
        let mut agreed = None;
        for sentinel in self.live_sentinels() {
            let view = master_of(sentinel)?;
            let said = number(&view, "port")?;
            ensure(*agreed.get_or_insert(said) == said, || {
                format!("the sentinels disagree on the primary: {agreed:?}, {said}")
            })?;
            ensure(text(&view, "flags") == "master", || {
                let flags = text(&view, "flags");
                format!("to sentinel {} the primary is {flags}", sentinel.port())
            })?;
        }
        self.index_of(agreed.ok_or_else(no_sentinel)?)
    }

    fn ensure_replicas_follow(&self, primary: usize) -> io::Result<()> {
        let offset = ensure_is_primary(&self.servers[primary])?;
        let port = self.announced[primary];
        let servers = self.servers.iter().enumerate();
        servers
            .filter(|(index, server)| *index != primary && server.is_live())
            .try_for_each(|(_, replica)| ensure_in_sync(replica, port, offset))
    }

    /// That this sentinel knows the others, and finds all live replicas good.
    fn ensure_content(&self, sentinel: &RedisServer, primary: usize) -> io::Result<()> {
        let others = number(&master_of(sentinel)?, "num-other-sentinels")?;
        ensure(others + 1 == self.sentinels.len() as u64, || {
            format!("sentinel {} knows {others} others", sentinel.port())
        })?;
        let replicas = views(&sentinel.command(&["SENTINEL", "REPLICAS", MASTER])?);
        for (index, server) in self.servers.iter().enumerate() {
            if index == primary || !server.is_live() {
                continue;
            }
            let port = self.announced[index].to_string();
            let mut named = replicas.iter().filter(|view| text(view, "port") == port);
            let good = named.next().is_some_and(|view| {
                text(view, "flags") == "slave"
                    && text(view, "master-link-status") == "ok"
                    && text(view, "master-port") == self.announced[primary].to_string()
            });
            ensure(good, || {
                format!(
                    "to sentinel {} replica {port} is not well yet",
                    sentinel.port()
                )
            })?;
        }
        Ok(())
    }
}

/// Its replication offset, if it is a primary.
fn ensure_is_primary(server: &RedisServer) -> io::Result<u64> {
    let info = Info::ask(server, &["INFO", "replication"])?;
    ensure(info.get("role") == "master", || {
        format!("server {} is a {}", server.port(), info.get("role"))
    })?;
    info.number("master_repl_offset")
}

/// What a sentinel says of one server: names and values.
type View = HashMap<String, String>;

fn master_of(sentinel: &RedisServer) -> io::Result<View> {
    let answer = sentinel.command(&["SENTINEL", "MASTER", MASTER])?;
    views(&answer).pop().ok_or_else(no_sentinel)
}

/// Names and values take turns, and each server's begin with its name.
fn views(answer: &str) -> Vec<View> {
    let lines: Vec<&str> = answer.split('\n').collect();
    let mut views: Vec<View> = Vec::new();
    for pair in lines.chunks_exact(2) {
        if pair[0] == "name" {
            views.push(View::new());
        }
        if let Some(view) = views.last_mut() {
            view.insert(pair[0].to_owned(), pair[1].to_owned());
        }
    }
    views
}

fn text<'a>(view: &'a View, name: &str) -> &'a str {
    view.get(name).map_or("", String::as_str)
}

fn number(view: &View, name: &str) -> io::Result<u64> {
    let value = text(view, name);
    value
        .parse()
        .map_err(|_| io::Error::other(format!("{name} is {value:?}, not a number")))
}

fn no_sentinel() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "no sentinel is running and answers",
    )
}

/// Shortens the periods at which a sentinel looks at the servers. Before Redis 7 they are fixed, and all takes longer.
fn quicken(sentinel: &RedisServer) -> io::Result<()> {
    let periods = ["info-period", "1000", "publish-period", "500"];
    let command: Vec<&str> = ["SENTINEL", "DEBUG"].into_iter().chain(periods).collect();
    match sentinel.command(&command) {
        Err(error) if error.to_string().contains("Unknown subcommand") => Ok(()),
        result => result.map(drop),
    }
}
