//! Servers that announce another port than the port on which they listen.

use std::io;

use crate::{FaultProxy, FaultProxyOptions, RedisServer};

/// Names the port that a server is known by, given the one that it listens on.
#[derive(Default)]
pub(crate) enum AnnouncePort {
    /// It is the same.
    #[default]
    Own,
    By(Box<dyn FnMut(u16) -> io::Result<u16>>),
    /// That of a proxy in front of each.
    Proxies(FaultProxyOptions, Vec<FaultProxy>),
}

impl AnnouncePort {
    /// The port by which this server is known from now on, after restarts too.
    ///
    /// `setting` is `replica` or `cluster`.
    pub(crate) fn announce(&mut self, server: &RedisServer, setting: &str) -> io::Result<u16> {
        let port = match self {
            Self::Own => return Ok(server.port()),
            Self::By(port) => port(server.port())?,
            Self::Proxies(options, proxies) => {
                let proxy = options.start(server.port())?;
                let port = proxy.port();
                proxies.push(proxy);
                port
            }
        };
        let announce_ip = format!("{setting}-announce-ip");
        let announce_port = format!("{setting}-announce-port");
        server.command(&["CONFIG", "SET", &announce_ip, "127.0.0.1"])?;
        server.command(&["CONFIG", "SET", &announce_port, &port.to_string()])?;
        server.command(&["CONFIG", "REWRITE"])?;
        Ok(port)
    }

    /// The proxies, in the order of the servers. Empty by default.
    pub(crate) fn into_proxies(self) -> Vec<FaultProxy> {
        match self {
            Self::Own | Self::By(_) => Vec::new(),
            Self::Proxies(_, proxies) => proxies,
        }
    }
}
