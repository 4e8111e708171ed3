//! The deployments on which rounds run.

use std::fmt;
use std::io;
use std::time::Duration;

use scheduled_one_redis::RedisStore;
use test_support::{ClockShim, FaultProxy, FaultProxyOptions, RedisCluster, RedisServer, Sentinel};

use super::postgres::Postgres;
use super::sqlite::SqliteFile;
use super::world::NAMESPACE;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One Redis that forgets everything when it dies.
    Alone,
    /// One Redis with `appendfsync always`: it keeps what it acknowledged.
    Aof,
    /// A primary, two replicas, three sentinels.
    Sentinel,
    /// The same, and the primary takes no writes without a replica.
    SentinelMin,
    /// As `Sentinel`, and the nodes require one replica to acknowledge each claim (`replicas(1)`).
    SentinelWait,
    /// Redis Cluster: three primaries, a replica each.
    Cluster,
    /// One PostgreSQL.
    Postgres,
    /// A PostgreSQL and a standby that has each commit before it is acknowledged.
    PostgresSync,
    /// A PostgreSQL and a standby that follows.
    PostgresAsync,
    /// A file of SQLite.
    Sqlite,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Alone,
        Kind::Aof,
        Kind::Sentinel,
        Kind::SentinelMin,
        Kind::SentinelWait,
        Kind::Cluster,
        Kind::Postgres,
        Kind::PostgresSync,
        Kind::PostgresAsync,
        Kind::Sqlite,
    ];

    /// Its name, in plans and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Alone => "alone",
            Kind::Aof => "aof",
            Kind::Sentinel => "sentinel",
            Kind::SentinelMin => "sentinel-min",
            Kind::SentinelWait => "sentinel-wait",
            Kind::Cluster => "cluster",
            Kind::Postgres => "postgres",
            Kind::PostgresSync => "postgres-sync",
            Kind::PostgresAsync => "postgres-async",
            Kind::Sqlite => "sqlite",
        }
    }

    /// Whether it replies only when what it decided is on the disk.
    pub fn flushes(self) -> bool {
        match self {
            Kind::Aof | Kind::Postgres | Kind::PostgresSync | Kind::PostgresAsync => true,
            Kind::Sqlite => true,
            Kind::Alone | Kind::Cluster => false,
            Kind::Sentinel | Kind::SentinelMin | Kind::SentinelWait => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a replica that counts may lag behind.
const MAX_LAG: Duration = Duration::from_secs(2);

/// After how long a cluster holds a silent node for dead.
const NODE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The processes of one.
#[derive(Debug)]
pub enum Deployment {
    /// One server, and the clock it reads.
    One(Box<RedisServer>, ClockShim),
    /// With sentinels.
    Sentinel(Sentinel),
    /// A cluster.
    Cluster(RedisCluster),
    /// One PostgreSQL, or two.
    Postgres(Box<Postgres>),
    /// A file.
    Sqlite(SqliteFile),
}

/// The user that nodes log in as, where there is one server.
pub const USER: &str = "jobs";
/// Its password in the beginning.
pub const PASSWORD: &str = "first";

impl Deployment {
    /// Starts one, and waits until it is at rest.
    ///
    /// # Errors
    ///
    /// A server does not start.
    pub fn start(kind: Kind) -> io::Result<Self> {
        match kind {
            Kind::Alone => one(&[]),
            Kind::Aof => one(&["--appendonly", "yes", "--appendfsync", "always"]),
            Kind::Sentinel | Kind::SentinelWait => {
                let options = Sentinel::options().proxied(only_clients());
                options.start().map(Deployment::Sentinel)
            }
            Kind::SentinelMin => {
                let options = Sentinel::options().min_replicas_to_write(1, MAX_LAG);
                let options = options.proxied(only_clients());
                options.start().map(Deployment::Sentinel)
            }
            Kind::Cluster => {
                let options = RedisCluster::options().node_timeout(NODE_TIMEOUT);
                let options = options.proxied(only_clients());
                options.start().map(Deployment::Cluster)
            }
            Kind::Postgres => Ok(Deployment::Postgres(Box::new(Postgres::alone()?))),
            Kind::PostgresSync | Kind::PostgresAsync => {
                let pair = Postgres::pair(kind == Kind::PostgresSync)?;
                Ok(Deployment::Postgres(Box::new(pair)))
            }
            Kind::Sqlite => SqliteFile::new().map(Deployment::Sqlite),
        }
    }

    /// The Redis that keeps the namespace now.
    ///
    /// # Errors
    ///
    /// Nobody can say.
    pub fn server(&self) -> io::Result<&RedisServer> {
        match self {
            Deployment::One(server, _) => Ok(server),
            Deployment::Sentinel(sentinel) => sentinel.primary(),
            Deployment::Cluster(cluster) => cluster.owner_of(&meta_key()),
            Deployment::Postgres(_) | Deployment::Sqlite(_) => {
                Err(io::Error::other("there is no Redis"))
            }
        }
    }

    /// All Redis servers that keep data.
    pub fn servers(&self) -> Vec<&RedisServer> {
        match self {
            Deployment::One(server, _) => vec![&**server],
            Deployment::Sentinel(sentinel) => sentinel.servers().iter().collect(),
            Deployment::Cluster(cluster) => cluster.servers().iter().collect(),
            Deployment::Postgres(_) | Deployment::Sqlite(_) => Vec::new(),
        }
    }

    /// The proxies through which all nodes reach several servers.
    pub fn proxies(&self) -> &[FaultProxy] {
        match self {
            Deployment::One(..) | Deployment::Postgres(_) | Deployment::Sqlite(_) => &[],
            Deployment::Sentinel(sentinel) => sentinel.proxies(),
            Deployment::Cluster(cluster) => cluster.proxies(),
        }
    }

    /// Restarts the dead servers, and waits until the deployment is stable.
    ///
    /// # Errors
    ///
    /// It does not come to rest.
    pub fn mend(&self) -> io::Result<()> {
        for server in self.servers() {
            match server.pid() {
                None => server.restart()?,
                Some(_) => server.thaw()?,
            }
        }
        match self {
            Deployment::One(..) | Deployment::Sqlite(_) => Ok(()),
            Deployment::Sentinel(sentinel) => sentinel.wait_settled(),
            Deployment::Cluster(cluster) => cluster.wait_settled(),
            Deployment::Postgres(postgres) => postgres.mend(),
        }
    }

    /// Removes the time of the last loss of memory, as if nothing had been forgotten.
    ///
    /// # Errors
    ///
    /// The store refuses.
    pub fn end_quarantine(&self) -> io::Result<()> {
        const UPDATE: &str = "SET quarantine_from_ms = 0, quarantine_until_ms = 0";
        match self {
            Deployment::Postgres(postgres) => {
                let update = format!("UPDATE scheduled_one.meta {UPDATE}");
                postgres.primary().sql(&update).map(drop)
            }
            Deployment::Sqlite(file) => file.execute(&format!("UPDATE meta {UPDATE}")),
            _ => {
                let removed = ["HDEL", &meta_key(), "qs", "q"];
                self.server()?.command(&removed).map(drop)
            }
        }
    }

    /// Changes the password of the nodes' user, and closes the connections that know another one.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn set_password(&self, password: &str) -> io::Result<()> {
        if let Deployment::Postgres(postgres) = self {
            return postgres.set_password(password);
        }
        let server = self.server()?;
        let only = format!(">{password}");
        server.command(&["ACL", "SETUSER", USER, "resetpass", &only])?;
        server.command(&["CLIENT", "KILL", "USER", USER]).map(drop)
    }

    /// What a password file has to say for a password.
    pub fn password_line(&self, password: &str) -> String {
        match self {
            Deployment::Postgres(_) => format!("*:*:*:{USER}:{password}\n"),
            _ => format!("{password}\n"),
        }
    }
}

/// What servers say to each other passes the proxies, too, and is left in peace:
/// a network that fails between them is another fault.
fn only_clients() -> FaultProxyOptions {
    FaultProxy::options().spare_internal()
}

/// Any key of the namespace: they share a slot.
pub fn meta_key() -> String {
    format!("so:{{{NAMESPACE}}}:meta")
}

/// One server, whose user for the nodes has the documented rights and no others.
fn one(args: &[&str]) -> io::Result<Deployment> {
    let shim = ClockShim::new()?;
    let rule = RedisStore::acl_rule(NAMESPACE);
    let server = RedisServer::options()
        .args(["--enable-debug-command", "yes"])
        .args(["--user", USER, "on", &format!(">{PASSWORD}")])
        .args(rule.split(' '))
        .args(args)
        .clock_shim(&shim)
        .start()?;
    Ok(Deployment::One(Box::new(server), shim))
}
