//! Why a store could not be opened.

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::machine::{NewerProtocol, VERSION};

/// Why a Redis cannot be the store. Each text says what, where, and the way
/// out, and none holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL does not say where Redis is.
    #[error("the Redis URL cannot be used: {0}")]
    BadUrl(String),
    /// A setting beside the URL cannot be used.
    #[error("`{option}`: {why}")]
    BadOption {
        /// The method of the builder.
        option: &'static str,
        /// What is wrong, with the file if it is one.
        why: String,
    },
    /// The name of the namespace cannot be part of a key.
    #[error("the namespace {0:?} cannot be used: names are 1 to 128 of A-Z a-z 0-9 _ . : / -")]
    BadNamespace(String),
    /// Nobody answers there.
    #[error(
        "cannot reach Redis at {place}: {why}; is it running, is that its host and port, \
         and does the network let this machine through?"
    )]
    Unreachable {
        /// Host and port.
        place: String,
        /// What the system said.
        why: String,
    },
    /// Somebody is there who does not speak like a Redis.
    #[error(
        "{place} accepts connections, but does not answer like a Redis: {why}; is that its port \
         (and not that of a web server, and not a TLS port without rediss://), and does it not hang?"
    )]
    NotRedis {
        /// Host and port.
        place: String,
        /// What came instead of an answer.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "the TLS certificate of {place} cannot be verified, or it does not accept ours: {why}; trusted are \
         the authorities of `tls_ca_file`, if that is set, else those of the system or of the file \
         that the environment variable SSL_CERT_FILE names: add its authority there, and use a \
         host name that the certificate is for"
    )]
    Certificate {
        /// Host and port.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The user name or password is missing or wrong.
    #[error(
        "Redis at {place} does not let user {user} in: {why}; the form is \
         redis://user:password@host:port, and redis://:password@host:port for the default user"
    )]
    Login {
        /// Host and port.
        place: String,
        /// Who tried; `default` if the URL names nobody.
        user: String,
        /// What Redis said.
        why: String,
    },
    /// None of the sentinels can be asked who the master is.
    #[error(
        "cannot ask for the master at {place}: {why}; are they running, and are these their ports \
         (usually 26379)?"
    )]
    NoSentinel {
        /// The sentinels and the master's name.
        place: String,
        /// What became of asking each.
        why: String,
    },
    /// The sentinels watch over another master.
    #[error(
        "{why}: the name behind the sentinels in the URL has to be that of a `sentinel monitor` line \
         in their configuration"
    )]
    UnknownMaster {
        /// The sentinels and the master's name.
        place: String,
        /// Which sentinel said so, of which name.
        why: String,
    },
    /// The sentinels want another login.
    #[error(
        "a sentinel does not let us in: {why}; its login is not that of Redis, it is given with \
         `sentinel_login` or `sentinel_password_file`, or as ?sentinel_user=…&sentinel_password=… at the end of the URL, and \
         needs the right +sentinel|get-master-addr-by-name"
    )]
    SentinelLogin {
        /// The sentinels and the master's name.
        place: String,
        /// What the sentinel said.
        why: String,
    },
    /// The user may not do all that is needed.
    #[error(
        "user {user} of Redis at {place} may not do all that is needed, missing: {missing}; \
         this grants it: ACL SETUSER {user} {rule}"
    )]
    MissingRights {
        /// Host and port.
        place: String,
        /// The user.
        user: String,
        /// What is missing, as an ACL writes it.
        missing: String,
        /// The rule of an ACL that grants everything.
        rule: String,
    },
    /// The Redis lacks commands that are needed.
    #[error("Redis at {place} has version {version}; 6.2 or newer is needed: upgrade it")]
    TooOld {
        /// Host and port.
        place: String,
        /// Its version.
        version: String,
    },
    /// The Redis is a copy of another one.
    #[error(
        "Redis at {place} is a replica of {primary} and read-only: name the primary, or the \
         endpoint of the service that follows it"
    )]
    Replica {
        /// Host and port.
        place: String,
        /// Host and port of the one it copies.
        primary: String,
    },
    /// The Redis forgets what it was told when memory runs short.
    #[error(
        "Redis at {place} has maxmemory-policy {policy}: when memory runs short it would forget \
         which ticks have run, and run them again; set it to noeviction or to a volatile policy, \
         or use a Redis that is no cache"
    )]
    Evicts {
        /// Host and port.
        place: String,
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// The Redis is there and not ready.
    #[error("Redis at {place} is not ready: {why}; try again in a moment")]
    NotNow {
        /// Host and port.
        place: String,
        /// What Redis said.
        why: String,
    },
    /// The Redis answers no request that writes, and waiting does not help.
    #[error("Redis at {place} takes no writes now ({why}); {}", way_to_write(.why))]
    NoWrites {
        /// Host and port.
        place: String,
        /// What Redis said, its code in front.
        why: String,
    },
    /// The namespace was written by a newer version of the protocol.
    #[error(
        "the namespace was written by protocol version {found}, this is version {VERSION}: \
         upgrade this service, or give it another namespace",
        found = .0.found
    )]
    NewerProtocol(NewerProtocol),
    /// The namespace is spread over another number of buckets.
    #[error("{}", other_buckets(*.found, *.ours))]
    OtherBuckets {
        /// The number found.
        found: u32,
        /// The number that this service was given.
        ours: u32,
    },
    /// Anything else that somebody has to change.
    #[error("Redis at {place} cannot be the store: {why}")]
    Refused {
        /// Host and port.
        place: String,
        /// What is wrong.
        why: String,
    },
}

/// What makes a Redis take writes again, by the code of its error.
pub(crate) fn way_to_write(why: &str) -> &'static str {
    match why.split(' ').next() {
        Some("MISCONF") => "read the log of Redis: the disk is full, or the folder is not writable",
        Some("OOM") => "raise maxmemory, or free memory there",
        Some("NOREPLICAS") => {
            "connect the replicas that are missing, or lower min-replicas-to-write"
        }
        _ => "see what its error asks for",
    }
}

/// In the words of the scripts that refuse it.
fn other_buckets(found: u32, ours: u32) -> StoreError {
    StoreError::OtherBuckets { found, ours }
}

impl From<ConnectError> for StoreError {
    /// As the error of a request: those that heal by themselves are told apart
    /// from those that somebody has to heal.
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable { .. }
            | ConnectError::NoSentinel { .. }
            | ConnectError::NotNow { .. }
            | ConnectError::NoWrites { .. } => StoreError::Unavailable(error.to_string()),
            ConnectError::NewerProtocol(newer) => newer.into(),
            ConnectError::OtherBuckets { found, ours } => other_buckets(found, ours),
            _ => StoreError::Refused(error.to_string()),
        }
    }
}
