//! Errors of opening a store.

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::machine::{NewerProtocol, VERSION};

/// Reason why a Redis cannot be the store.
///
/// Each text names the fault, the server and the remedy. No text contains a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used. The text says why, and repeats of the URL at most the name of a known option and one
    /// character that has to be written otherwise.
    #[error("the Redis URL cannot be used: {0}")]
    BadUrl(String),
    /// A connection option cannot be used.
    #[error("`{option}`: {why}")]
    BadOption {
        /// Name of the option's method.
        option: &'static str,
        /// The fault, with the path if the option is a file.
        why: String,
    },
    /// The name of the namespace cannot be part of a key.
    #[error("the namespace {0:?} cannot be used: names are 1 to 128 of A-Z a-z 0-9 _ . : / -")]
    BadNamespace(String),
    /// No server replied at the address.
    #[error(
        "cannot reach Redis at {place}: {why}; is it running, is that its host and port, \
         and does the network let this machine through?"
    )]
    Unreachable {
        /// Address of the server.
        place: String,
        /// The error of the operating system or of the client.
        why: String,
    },
    /// A server accepts connections and does not reply like a Redis.
    #[error(
        "{place} accepts connections, but does not answer like a Redis: {why}; is that its port \
         (and not that of a web server, and not a TLS port without rediss://), and does it not hang?"
    )]
    NotRedis {
        /// Address of the server.
        place: String,
        /// Data or error that came instead of a reply.
        why: String,
    },
    /// A certificate is not trusted: that of the server, or that of the client.
    #[error(
        "the TLS certificate of {place} cannot be verified, or it does not accept ours: {why}; {}",
        remedy_for_certificates(.why)
    )]
    Certificate {
        /// Address of the server.
        place: String,
        /// The error of TLS.
        why: String,
    },
    /// The user name or the password is missing or wrong.
    #[error(
        "Redis at {place} does not let user {user} in: {why}; the form is \
         redis://user:password@host:port, and redis://:password@host:port for the default user"
    )]
    Login {
        /// Address of the server.
        place: String,
        /// User name; `default` if the URL has none.
        user: String,
        /// The error of Redis.
        why: String,
    },
    /// None of the sentinels replied with the address of the master.
    #[error(
        "cannot ask for the master at {place}: {why}; are they running, and are these their ports \
         (usually 26379)?"
    )]
    NoSentinel {
        /// Addresses of the sentinels, and the name of the master.
        place: String,
        /// The error of each sentinel.
        why: String,
    },
    /// The sentinels do not know the name of the master.
    #[error(
        "{why}: the name behind the sentinels in the URL has to be that of a `sentinel monitor` line \
         in their configuration"
    )]
    UnknownMaster {
        /// Addresses of the sentinels, and the name of the master.
        place: String,
        /// The sentinel, and the name.
        why: String,
    },
    /// The sentinels refuse the login.
    #[error(
        "a sentinel does not let us in: {why}; its login is not that of Redis, it is given with \
         `sentinel_login` or `sentinel_password_file`, or as ?sentinel_user=…&sentinel_password=… at the end of the URL, and \
         needs the right +sentinel|get-master-addr-by-name"
    )]
    SentinelLogin {
        /// Addresses of the sentinels, and the name of the master.
        place: String,
        /// The reply of the sentinel.
        why: String,
    },
    /// The user lacks permissions.
    #[error(
        "user {user} of Redis at {place} may not do all that is needed, missing: {missing}; \
         this grants it: ACL SETUSER {user} {rule}"
    )]
    MissingRights {
        /// Address of the server.
        place: String,
        /// User name.
        user: String,
        /// The missing permissions, as an ACL writes them.
        missing: String,
        /// The rules of an ACL that grant every permission.
        rule: String,
    },
    /// The server, or a proxy in front of it, does not run the scripts of the store.
    #[error("Redis at {place} cannot be the store: {why}; {remedy}")]
    ScriptsRefused {
        /// Address of the server.
        place: String,
        /// What it refuses, with its error.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The server is too old: it lacks commands of the scripts.
    #[error("Redis at {place} has version {version}; 6.2 or newer is needed: upgrade it")]
    TooOld {
        /// Address of the server.
        place: String,
        /// Version of the server.
        version: String,
    },
    /// The server is a replica of another one.
    #[error(
        "Redis at {place} is a replica of {primary} and read-only: name the primary, or the \
         endpoint of the service that follows it"
    )]
    Replica {
        /// Address of the server.
        place: String,
        /// Address of its primary.
        primary: String,
    },
    /// The server evicts keys of the store when its memory is full.
    #[error(
        "Redis at {place} has maxmemory-policy {policy}: when memory runs short it would forget \
         which ticks have run, and run them again; set it to noeviction or to a volatile policy, \
         or use a Redis that is no cache"
    )]
    Evicts {
        /// Address of the server.
        place: String,
        /// `maxmemory-policy` of the server.
        policy: String,
    },
    /// The server is not ready. Repeating helps.
    #[error("Redis at {place} is not ready: {why}; try again in a moment")]
    NotNow {
        /// Address of the server.
        place: String,
        /// The error of Redis.
        why: String,
    },
    /// The server takes one connection, and not a second one.
    #[error(
        "Redis at {place} takes one connection and not a second one, and each node holds two: {why}; raise its \
         maxclients, or close connections of others"
    )]
    SecondConnection {
        /// Address of the server.
        place: String,
        /// The error of Redis or of the client.
        why: String,
    },
    /// The server refuses all writes, and repeating does not help.
    #[error("Redis at {place} takes no writes now ({why}); {}", remedy_for_writes(.why))]
    NoWrites {
        /// Address of the server.
        place: String,
        /// The error of Redis, beginning with its code.
        why: String,
    },
    /// The namespace was written by a newer version of the protocol.
    #[error(
        "the namespace was written by protocol version {found}, this is version {VERSION}: \
         upgrade this service, or give it another namespace",
        found = .0.found
    )]
    NewerProtocol(NewerProtocol),
    /// The namespace has another number of buckets.
    #[error("{}", other_buckets(*.found, *.ours))]
    OtherBuckets {
        /// Number of buckets of the namespace.
        found: u32,
        /// Number of buckets that this service is configured with.
        ours: u32,
    },
    /// Any other fault that an operator has to correct.
    #[error("Redis at {place} cannot be the store: {why}")]
    Refused {
        /// Address of the server.
        place: String,
        /// The fault and the remedy.
        why: String,
    },
}

/// The remedy for a server that refuses all writes, by the code of its error.
pub(crate) fn remedy_for_writes(why: &str) -> &'static str {
    match why.split(' ').next() {
        Some("MISCONF") => "read the log of Redis: the disk is full, or the folder is not writable",
        Some("OOM") => "raise maxmemory, or free memory there",
        Some("NOREPLICAS") => {
            "connect the replicas that are missing, or lower min-replicas-to-write"
        }
        _ => "see what its error asks for",
    }
}

/// The remedy for a certificate that is not trusted, by the error of TLS.
pub(crate) fn remedy_for_certificates(why: &str) -> &'static str {
    const AUTHORITY: &str = "trusted are the authorities of `tls_ca_file`, if that is set, else those of the system or of \
         the file that the environment variable SSL_CERT_FILE names: add its authority there, or, if it has signed \
         itself, give the certificate to `tls_ca_file`";
    const REMEDIES: [(&str, &str); 6] = [
        ("Expired", "renew it, or correct the clock of this machine"),
        ("NotValidYet", "correct the clock of this machine, or wait"),
        (
            "not valid for",
            "use a host name that the certificate is for, or give the server a certificate for this one",
        ),
        (
            "NotValidForName",
            "use a host name that the certificate is for, or give the server a certificate for this one",
        ),
        (
            "`tls_",
            "correct that file: it is read for each new connection",
        ),
        (
            "alert",
            "the server requires a certificate of an authority that it trusts: give one to `tls_client_cert`",
        ),
    ];
    let remedy = REMEDIES.iter().find(|(word, _)| why.contains(word));
    remedy.map_or(AUTHORITY, |(_, remedy)| remedy)
}

/// The error that the scripts return for another number of buckets.
fn other_buckets(found: u32, ours: u32) -> StoreError {
    StoreError::OtherBuckets { found, ours }
}

impl From<ConnectError> for StoreError {
    /// The error as one of a request: faults that end by themselves are `Unavailable`, those that an operator has to
    /// correct `Refused`.
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable { .. }
            | ConnectError::NoSentinel { .. }
            | ConnectError::NotNow { .. }
            | ConnectError::SecondConnection { .. }
            | ConnectError::NoWrites { .. } => StoreError::Unavailable(error.to_string()),
            ConnectError::NewerProtocol(newer) => newer.into(),
            ConnectError::OtherBuckets { found, ours } => other_buckets(found, ours),
            _ => StoreError::Refused(error.to_string()),
        }
    }
}
