//! The checks that can end in an error at start.

/// A check whose severe finding is an error at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Url,
    Reachable,
    Login,
    Certificate,
    Server,
    Loading,
    Role,
    Eviction,
    Rights,
    Scripts,
    Namespace,
    Writes,
    Connections,
}

impl Check {
    /// Name of the check in findings and events.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Check::Url => "url",
            Check::Reachable => "reachable",
            Check::Login => "login",
            Check::Certificate => "certificate",
            Check::Server => "server",
            Check::Loading => "loading",
            Check::Role => "role",
            Check::Eviction => "eviction",
            Check::Rights => "rights",
            Check::Scripts => "scripts",
            Check::Namespace => "namespace",
            Check::Writes => "writes",
            Check::Connections => "connections",
        }
    }

    /// True if a severe finding makes further checks pointless: the server does not reply, is too old, or still loads
    /// its data.
    pub(super) fn ends_examination(self) -> bool {
        match self {
            Check::Reachable
            | Check::Login
            | Check::Certificate
            | Check::Server
            | Check::Loading => true,
            Check::Url
            | Check::Role
            | Check::Eviction
            | Check::Rights
            | Check::Scripts
            | Check::Namespace
            | Check::Writes
            | Check::Connections => false,
        }
    }
}
