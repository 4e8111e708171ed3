//! The ways to the Redis that holds a namespace.

use std::fmt;

use crate::login::Login;

/// How the Redis that holds the namespace is found.
#[derive(Clone)]
pub(crate) enum Topology {
    /// The URL names it.
    Standalone(Endpoint),
    /// Sentinels know it.
    Sentinel {
        sentinels: Vec<Endpoint>,
        /// What they call it.
        master: String,
        login: Option<Login>,
    },
    /// Any node of a cluster knows which of them holds a slot.
    Cluster { seeds: Vec<Endpoint> },
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Topology {
    /// The first host that the URL names.
    pub(crate) fn first(&self) -> &Endpoint {
        match self {
            Topology::Standalone(endpoint) => endpoint,
            // `read_hosts` gives at least one.
            Topology::Sentinel { sentinels, .. } => &sentinels[0],
            Topology::Cluster { seeds } => &seeds[0],
        }
    }

    /// What the scheme has behind `redis` and `rediss`.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Topology::Standalone(_) => "",
            Topology::Sentinel { .. } => "+sentinel",
            Topology::Cluster { .. } => "+cluster",
        }
    }
}

/// Hosts with commas in between.
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
