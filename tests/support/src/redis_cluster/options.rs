//! Options of a Redis Cluster.

use std::fmt;
use std::io;
use std::time::Duration;

use super::RedisCluster;
use crate::FaultProxyOptions;
use crate::announce::AnnouncePort;
use crate::options::{Kind, Login, RedisOptions};

/// How to start a [`RedisCluster`]; made by [`RedisCluster::options`].
#[must_use]
pub struct RedisClusterOptions {
    pub(crate) node_timeout: Duration,
    pub(crate) login: Option<Login>,
    pub(crate) servers: RedisOptions,
    pub(crate) announce: AnnouncePort,
}

impl Default for RedisClusterOptions {
    fn default() -> Self {
        Self {
            node_timeout: Duration::from_millis(1500),
            login: None,
            servers: RedisOptions::default(),
            announce: AnnouncePort::default(),
        }
    }
}

impl RedisClusterOptions {
    /// Silence after which another node considers a node to be failing; default: 1.5 s.
    pub fn node_timeout(mut self, node_timeout: Duration) -> Self {
        self.node_timeout = node_timeout;
        self
    }

    /// The nodes require this password, of each other too.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some(Login {
            user: None,
            password: password.to_owned(),
        });
        self
    }

    /// The nodes admit only this user, who may do everything.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some(Login {
            user: Some(user.to_owned()),
            password: password.to_owned(),
        });
        self
    }

    /// What the nodes are started with besides, such as arguments. A login or a configuration file
    /// in it is replaced by that of this deployment.
    pub fn servers(mut self, options: RedisOptions) -> Self {
        self.servers = options;
        self
    }

    /// Asks for the port that each node is known by, given the one it listens on: that of a proxy in
    /// front of it. Clients and replicas come through that port, the cluster bus does not. It is
    /// called once for each node, the three first primaries first.
    pub fn announce_port(mut self, port: impl FnMut(u16) -> io::Result<u16> + 'static) -> Self {
        self.announce = AnnouncePort::By(Box::new(port));
        self
    }

    /// Puts a [`FaultProxy`](crate::FaultProxy) in front of each node, and makes it known by that.
    /// With [`spare_internal`](FaultProxyOptions::spare_internal), faults are for clients alone.
    pub fn proxied(mut self, options: FaultProxyOptions) -> Self {
        self.announce = AnnouncePort::Proxies(options, Vec::new());
        self
    }

    /// Starts everything and waits until it has settled.
    ///
    /// # Errors
    ///
    /// As [`RedisOptions::start`], and when the cluster does not settle.
    pub fn start(self) -> io::Result<RedisCluster> {
        RedisCluster::with_options(self)
    }

    /// What one node is started with.
    pub(crate) fn server(&self) -> RedisOptions {
        let mut config = self
            .login
            .as_ref()
            .map_or_else(String::new, Login::required);
        config += &self
            .login
            .as_ref()
            .map_or_else(String::new, Login::to_primary);
        // A replica may stand for election however long it was cut off: a test that cut it off
        // wants to see the failover.
        config += &format!(
            "cluster-node-timeout {}\ncluster-replica-validity-factor 0\n",
            self.node_timeout.as_millis()
        );
        let mut options = self
            .servers
            .clone()
            .quick_replication()
            .config_file(&config);
        options.login.clone_from(&self.login);
        options.kind = Kind::ClusterNode;
        options
    }
}

impl fmt::Debug for RedisClusterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the login.
        f.debug_struct("RedisClusterOptions")
            .field("node_timeout", &self.node_timeout)
            .finish_non_exhaustive()
    }
}
