//! Topologies of Redis: one server, a primary behind sentinels, a cluster.

use std::fmt;
use std::path::PathBuf;

use crate::login::Login;

/// Topology of Redis, with the addresses from which the server of a namespace is found.
#[derive(Clone)]
pub(crate) enum Topology {
    /// The URL has its address.
    Standalone(Endpoint),
    /// Sentinels reply with its address.
    Sentinel {
        sentinels: Vec<Endpoint>,
        /// Name of the primary in the configuration of the sentinels.
        master: String,
        login: Option<Login>,
    },
    /// Any node of the cluster replies with the owner of a hash slot.
    Cluster { seeds: Vec<Endpoint> },
}

/// Address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Tcp {
        /// Host name or IP address; IPv6 without brackets.
        host: String,
        port: u16,
    },
    /// Path of a Unix socket. Only a single server has one.
    Unix(PathBuf),
}

impl Endpoint {
    pub(crate) fn tcp(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Endpoint::Tcp { host, port }
    }

    /// The host; empty for a socket.
    pub(crate) fn host(&self) -> &str {
        match self {
            Endpoint::Tcp { host, .. } => host,
            Endpoint::Unix(_) => "",
        }
    }
}

impl Topology {
    /// Suffix of the scheme of a URL, after `redis` or `rediss`.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Topology::Standalone(Endpoint::Tcp { .. }) => "",
            Topology::Standalone(Endpoint::Unix(_)) => "+unix",
            Topology::Sentinel { .. } => "+sentinel",
            Topology::Cluster { .. } => "+cluster",
        }
    }
}

/// Addresses, separated by commas.
pub(crate) fn list(endpoints: &[Endpoint]) -> String {
    let names: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
    names.join(",")
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topology::Standalone(endpoint) => endpoint.fmt(f),
            Topology::Sentinel {
                sentinels, master, ..
            } => write!(f, "{}/{master}", list(sentinels)),
            Topology::Cluster { seeds } => f.write_str(&list(seeds)),
        }
    }
}
