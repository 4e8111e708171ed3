//! Topologies of Redis: one server, a primary behind sentinels, a cluster.

use std::fmt;

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
pub(crate) struct Endpoint {
    /// Host name or IP address; IPv6 without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
}

impl Topology {
    /// The first address in the URL.
    pub(crate) fn first(&self) -> &Endpoint {
        match self {
            Topology::Standalone(endpoint) => endpoint,
            // A parsed URL has at least one host.
            Topology::Sentinel { sentinels, .. } => &sentinels[0],
            Topology::Cluster { seeds } => &seeds[0],
        }
    }

    /// Suffix of the scheme of a URL, after `redis` or `rediss`.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Topology::Standalone(_) => "",
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
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
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
