//! Options of a deployment with Sentinel.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::FaultProxyOptions;
use crate::announce::AnnouncePort;
use crate::options::{Kind, Login, RedisOptions};
use crate::sentinel::{MASTER, Sentinel};

/// How many sentinels there are; a majority of them decides.
pub(crate) const SENTINELS: usize = 3;

/// How to start a [`Sentinel`]; made by [`Sentinel::options`].
#[must_use]
pub struct SentinelOptions {
    pub(crate) replicas: usize,
    pub(crate) down_after: Duration,
    pub(crate) failover_timeout: Duration,
    pub(crate) login: Option<Login>,
    pub(crate) sentinel_login: Option<Login>,
    pub(crate) min_replicas: Option<(u32, Duration)>,
    pub(crate) servers: RedisOptions,
    pub(crate) announce: AnnouncePort,
}

impl Default for SentinelOptions {
    fn default() -> Self {
        Self {
            replicas: 2,
            down_after: Duration::from_secs(1),
            failover_timeout: Duration::from_secs(5),
            login: None,
            sentinel_login: None,
            min_replicas: None,
            servers: RedisOptions::default(),
            announce: AnnouncePort::default(),
        }
    }
}

impl SentinelOptions {
    /// Number of replicas; default: 2.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Silence after which a sentinel considers a server to be down; default: 1 s.
    pub fn down_after(mut self, down_after: Duration) -> Self {
        self.down_after = down_after;
        self
    }

    /// Half the time after which a failover that did not succeed is repeated; default: 5 s.
    pub fn failover_timeout(mut self, failover_timeout: Duration) -> Self {
        self.failover_timeout = failover_timeout;
        self
    }

    /// The Redis servers require this password, of each other and of the sentinels too.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some(Login {
            user: None,
            password: password.to_owned(),
        });
        self
    }

    /// The Redis servers admit only this user, who may do everything.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some(Login {
            user: Some(user.to_owned()),
            password: password.to_owned(),
        });
        self
    }

    /// The sentinels require this password, of each other too.
    pub fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel_login = Some(Login {
            user: None,
            password: password.to_owned(),
        });
        self
    }

    /// The sentinels admit only this user, who may do everything.
    pub fn sentinel_login(mut self, user: &str, password: &str) -> Self {
        self.sentinel_login = Some(Login {
            user: Some(user.to_owned()),
            password: password.to_owned(),
        });
        self
    }

    /// Number of replicas that must have replied within `max_lag` for a primary to take writes
    /// (`min-replicas-to-write`, `min-replicas-max-lag`). `max_lag` is in whole seconds.
    pub fn min_replicas_to_write(mut self, replicas: u32, max_lag: Duration) -> Self {
        self.min_replicas = Some((replicas, max_lag));
        self
    }

    /// What the Redis servers are started with besides, such as arguments. A login or a
    /// configuration file in it is replaced by that of this deployment.
    pub fn servers(mut self, options: RedisOptions) -> Self {
        self.servers = options;
        self
    }

    /// Asks for the port that each Redis server is known by, given the one it listens on: that of a
    /// proxy in front of it. Clients, sentinels and replicas all come through that port. It is called
    /// once for each server, the first primary first.
    pub fn announce_port(mut self, port: impl FnMut(u16) -> io::Result<u16> + 'static) -> Self {
        self.announce = AnnouncePort::By(Box::new(port));
        self
    }

    /// Puts a [`FaultProxy`](crate::FaultProxy) in front of each Redis server, and makes it known by that.
    /// With [`spare_internal`](FaultProxyOptions::spare_internal), faults are for clients alone.
    pub fn proxied(mut self, options: FaultProxyOptions) -> Self {
        self.announce = AnnouncePort::Proxies(options, Vec::new());
        self
    }

    /// Starts everything and waits until it has settled.
    ///
    /// # Errors
    ///
    /// As [`RedisOptions::start`], and when the deployment does not settle.
    pub fn start(self) -> io::Result<Sentinel> {
        Sentinel::with_options(self)
    }

    /// What one Redis server is started with.
    pub(crate) fn server(&self) -> RedisOptions {
        let mut config = self
            .login
            .as_ref()
            .map_or_else(String::new, Login::required);
        config += &self
            .login
            .as_ref()
            .map_or_else(String::new, Login::to_primary);
        if let Some((replicas, max_lag)) = self.min_replicas {
            let seconds = max_lag.as_secs().max(1);
            config +=
                &format!("min-replicas-to-write {replicas}\nmin-replicas-max-lag {seconds}\n");
        }
        let mut options = self
            .servers
            .clone()
            .quick_replication()
            .config_file(&config);
        options.login.clone_from(&self.login);
        options
    }

    /// What one sentinel is started with.
    pub(crate) fn sentinel(&self, primary_port: u16) -> RedisOptions {
        let quorum = SENTINELS / 2 + 1;
        let down_after = self.down_after.as_millis();
        let failover_timeout = self.failover_timeout.as_millis();
        let mut config = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {primary_port} {quorum}\n\
             sentinel down-after-milliseconds {MASTER} {down_after}\n\
             sentinel failover-timeout {MASTER} {failover_timeout}\n\
             sentinel parallel-syncs {MASTER} {}\n",
            self.replicas.max(1)
        );
        if let Some(Login { user, password }) = &self.login {
            if let Some(user) = user {
                config += &format!("sentinel auth-user {MASTER} {user}\n");
            }
            config += &format!("sentinel auth-pass {MASTER} {password}\n");
        }
        if let Some(login) = &self.sentinel_login {
            config += &login.required();
            // A password alone is also what sentinels say to each other.
            if let Some(user) = &login.user {
                let password = &login.password;
                config +=
                    &format!("sentinel sentinel-user {user}\nsentinel sentinel-pass {password}\n");
            }
        }
        let mut options = RedisOptions::default().config_file(&config);
        options.login.clone_from(&self.sentinel_login);
        options.kind = Kind::Sentinel;
        options
    }
}

impl fmt::Debug for SentinelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the logins.
        f.debug_struct("SentinelOptions")
            .field("replicas", &self.replicas)
            .field("down_after", &self.down_after)
            .field("failover_timeout", &self.failover_timeout)
            .field("min_replicas", &self.min_replicas)
            .finish_non_exhaustive()
    }
}
