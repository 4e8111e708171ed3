//! Classifies errors of Redis and of its client by what they mean for the request and for the connection.

use std::fmt;

use deadpool_redis::redis::{ErrorKind, RedisError};
use scheduled_one_protocol::StoreError;

use crate::topology::Endpoint;

/// An error of Redis, classified.
#[derive(Clone, Debug)]
pub(crate) struct RedisFailure {
    pub(crate) error: StoreError,
    pub(crate) kind: FailureKind,
    /// The server that failed, if it is not one of the URL.
    pub(crate) named: Option<Box<Named>>,
}

/// A server that is not one of the URL: another server named it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) endpoint: Endpoint,
    /// The server that named it, and as what: "by the sentinel … as the master …".
    pub(crate) by: String,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (named {})", self.endpoint, self.by)
    }
}

impl RedisFailure {
    pub(crate) fn new(kind: FailureKind, error: StoreError) -> Self {
        RedisFailure {
            error,
            kind,
            named: None,
        }
    }

    /// Adds to the failure of a server who named its address. `remedy` is for a certificate that is not for it.
    pub(crate) fn named(mut self, endpoint: &Endpoint, by: String, remedy: &str) -> Self {
        let named = Named {
            endpoint: endpoint.clone(),
            by,
        };
        if let StoreError::Unknown(text)
        | StoreError::Unavailable(text)
        | StoreError::Refused(text) = &mut self.error
        {
            let why = text.strip_prefix(&format!("{endpoint}: ")).unwrap_or(text);
            *text = match self.kind {
                FailureKind::Certificate => format!("{named}: {why}; {remedy}"),
                _ => format!("{named}: {why}"),
            };
        }
        self.named = Some(Box::new(named));
        self
    }

    /// An error before the request was sent, or of a request that was certainly not carried out.
    pub(crate) fn unavailable(kind: FailureKind, text: String) -> Self {
        RedisFailure::new(kind, StoreError::Unavailable(text))
    }

    /// Adds the key to a `WRONGTYPE` error, whose text does not name it.
    pub(crate) fn of_type(mut self, key: &str, wanted: &str) -> Self {
        if let StoreError::Refused(text) = &self.error
            && text.contains("WRONGTYPE")
        {
            self.error = foreign(&format!("{key} holds something else, not a {wanted}"));
        }
        self
    }

    /// The text, without the frame of [`StoreError`].
    pub(crate) fn text(&self) -> String {
        match &self.error {
            StoreError::Unknown(text)
            | StoreError::Unavailable(text)
            | StoreError::Refused(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for RedisFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Kinds of failures, as far as callers distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Redis replied with an error about a key or a value of the request. The connection is good.
    ErrorReply,
    /// Redis replied with an error that does not say what it concerns: the request, or all requests. The connection is
    /// good.
    Unexplained,
    /// Redis does not have the script, and carried nothing out: the request is repeated with the text of the script.
    NoScript,
    /// A permission is missing. The text may not name it.
    Denied,
    /// The connection broke.
    Broken,
    /// No reply came in time.
    NoReply,
    /// The reply is not in the protocol of Redis, or the server closed the connection at once.
    Malformed,
    /// Redis does not carry requests out now. Another server of the same address may.
    NotNow,
    /// The server wrote a reason and closed the connection.
    TurnedAway,
    /// User name or password is wrong.
    Login,
    /// A certificate is not trusted: that of the server, or that of the client.
    Certificate,
    /// No sentinel replied.
    NoSentinel,
    /// The sentinels refuse the login.
    SentinelLogin,
    /// The sentinels do not know the name of the master.
    UnknownMaster,
}

impl FailureKind {
    /// True if the connection is replaced before the next request.
    pub(crate) fn gives_up_connection(self) -> bool {
        !matches!(
            self,
            FailureKind::ErrorReply
                | FailureKind::Unexplained
                | FailureKind::NoScript
                | FailureKind::Denied
        )
    }
}

/// Codes of errors for requests that were not carried out and may be later, perhaps by another server of the same
/// address.
const NOT_NOW: [&str; 9] = [
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "NOREPLICAS",
    "MISCONF",
    "OOM",
];

/// Classifies the error of a request that was sent. `what` names the request in the text.
pub(crate) fn of_request(what: &str, error: &RedisError) -> RedisFailure {
    let text = format!("{what}: {error}");
    match (error.code(), error.kind()) {
        (Some(code), _) => of_error_reply(what, code, error.detail().unwrap_or_default()),
        // In TLS 1.3 the client learns of a refused client certificate with the first reply.
        (None, ErrorKind::Io) if is_certificate(&text) => {
            RedisFailure::new(FailureKind::Certificate, StoreError::Unknown(text))
        }
        // The request may have been carried out before the connection broke.
        (None, ErrorKind::Io) => RedisFailure::new(FailureKind::Broken, StoreError::Unknown(text)),
        (None, ErrorKind::Parse | ErrorKind::UnexpectedReturnType) => {
            RedisFailure::new(FailureKind::Malformed, StoreError::Unknown(text))
        }
        _ => RedisFailure::new(FailureKind::Broken, StoreError::Refused(text)),
    }
}

/// Classifies the error of connecting to `address`.
pub(crate) fn of_connecting(address: &impl fmt::Display, error: &RedisError) -> RedisFailure {
    let mut failure = of_request(&address.to_string(), error);
    if let StoreError::Unknown(text) = failure.error {
        // No request was sent, so nothing is uncertain.
        let hung_up = error.is_connection_dropped() && !error.is_connection_refusal();
        failure = match failure.kind {
            _ if is_certificate(&text) => {
                RedisFailure::new(FailureKind::Certificate, StoreError::Refused(text))
            }
            _ if hung_up => RedisFailure::unavailable(FailureKind::Malformed, text),
            kind => RedisFailure::unavailable(kind, text),
        };
    }
    if !failure.kind.gives_up_connection() {
        failure.kind = FailureKind::Broken;
    }
    failure
}

/// Classifies an error reply of Redis.
fn of_error_reply(what: &str, code: &str, detail: &str) -> RedisFailure {
    // Redis before 7 wraps the error of a command inside a script in an error of its own.
    let code = match code {
        "ERR" => wrapped_code(detail).unwrap_or(code),
        code => code,
    };
    let text = format!("{what}: {code} {detail}");
    if NOT_NOW.contains(&code) || (code == "ERR" && is_passing(detail)) {
        return RedisFailure::new(FailureKind::NotNow, StoreError::Unavailable(text));
    }
    let (kind, error) = match code {
        "DENIED" => (FailureKind::TurnedAway, StoreError::Unavailable(text)),
        "NOSCRIPT" => (FailureKind::NoScript, StoreError::Unavailable(text)),
        "SONEWER" => {
            let found = detail.trim().parse().unwrap_or(u64::MAX);
            (FailureKind::ErrorReply, StoreError::NewerProtocol { found })
        }
        "SOBUCKETS" => {
            let mut numbers = detail
                .split(' ')
                .map(|number| number.parse().unwrap_or_default());
            let mut next = || numbers.next().unwrap_or_default();
            let (found, ours) = (next(), next());
            (
                FailureKind::ErrorReply,
                StoreError::OtherBuckets { found, ours },
            )
        }
        "SOTYPE" if concerns_all_jobs(detail) => {
            let text = foreign_text(detail);
            (FailureKind::ErrorReply, StoreError::Unavailable(text))
        }
        "SOTYPE" => (FailureKind::ErrorReply, foreign(detail)),
        "SODAMAGED" => (
            FailureKind::ErrorReply,
            StoreError::Refused(format!(
                "the key {detail}: somebody edited it, or the clock of Redis was far ahead; delete \
                 the key, and the job goes on with what the nodes remember"
            )),
        ),
        "SOLEDGER" => (
            FailureKind::ErrorReply,
            StoreError::Refused(line_lost(detail)),
        ),
        "MOVED" | "ASK" | "CROSSSLOT" => (
            FailureKind::Broken,
            StoreError::Refused(format!(
                "{text}: that Redis is one node of a cluster, and does not hold the namespace; \
                 use redis+cluster:// (or rediss+cluster://) in the URL"
            )),
        ),
        _ if is_login(code, detail) => (
            FailureKind::Login,
            StoreError::Refused(format!("{text} (correct the login)")),
        ),
        _ if is_denial(code, detail) => (FailureKind::Denied, StoreError::Refused(text)),
        "WRONGTYPE" => (FailureKind::ErrorReply, StoreError::Refused(text)),
        _ => (FailureKind::Unexplained, StoreError::Refused(text)),
    };
    RedisFailure::new(kind, error)
}

/// True for errors `ERR` that end by themselves: too many clients, and a script that an operator ended before it wrote.
fn is_passing(detail: &str) -> bool {
    detail.contains("max number of clients") || detail.contains("Script killed by user")
}

/// Classifies the error that a server wrote before it closed a new connection to `address`. Nothing was carried out,
/// and all requests meet the same, so none of them is refused.
pub(crate) fn of_hang_up(address: &impl fmt::Display, reason: &RedisError) -> RedisFailure {
    let failure = of_request(&address.to_string(), reason);
    match failure.kind {
        FailureKind::NotNow => failure,
        _ => RedisFailure::unavailable(FailureKind::TurnedAway, failure.text()),
    }
}

/// Error text for a line that its ledger did not take.
pub(crate) fn line_lost(why: &str) -> String {
    format!("the key {why}; the line is lost; delete the key")
}

/// The error for a key of another type than ours.
fn foreign(what: &str) -> StoreError {
    StoreError::Refused(foreign_text(what))
}

fn foreign_text(what: &str) -> String {
    format!(
        "the key {what}: another program uses the namespace, or somebody edited it; \
         delete the key, or choose another namespace"
    )
}

/// True if the key in an error text is one that all jobs need. The key `nodes` is not: only heartbeats use it.
fn concerns_all_jobs(detail: &str) -> bool {
    let key = detail.split(' ').next().unwrap_or_default();
    let shared = key.rsplit_once("}:").map(|(_, rest)| rest);
    matches!(shared, Some("meta" | "leases" | "ready"))
}

/// True if an error concerns the user name or the password.
fn is_login(code: &str, detail: &str) -> bool {
    let needless = detail.starts_with("AUTH ") || detail.starts_with("Client sent AUTH");
    matches!(code, "NOAUTH" | "WRONGPASS") || (code == "ERR" && needless)
}

/// True if TLS failed because of a certificate of either side.
fn is_certificate(why: &str) -> bool {
    const WORDS: [&str; 5] = [
        "certificate",
        "UnknownIssuer",
        "PEM",
        "fatal alert: UnknownCA",
        "fatal alert: Certificate",
    ];
    WORDS.iter().any(|word| why.contains(word))
}

/// True if an ACL denies a command or a key. Inside scripts, Redis 7.0 reports a denial with the code `ERR`, later
/// versions with `NOPERM`.
pub(crate) fn is_denial(code: &str, detail: &str) -> bool {
    code == "NOPERM"
        || detail.contains("NOPERM")
        || detail.contains("The user executing the script can't")
        || detail.contains("ACL failure in script")
}

/// Adds the missing permissions and the ACL rule that grants them to a denial.
pub(crate) fn denied(error: StoreError, user: &str, missing: &[String], rule: &str) -> StoreError {
    let StoreError::Refused(text) = error else {
        return error;
    };
    let missing = match missing {
        [] => "a right is missing".to_owned(),
        missing => format!("missing: {}", missing.join(" ")),
    };
    StoreError::Refused(format!(
        "{text}; {missing}; this grants all that is needed: ACL SETUSER {user} {rule}"
    ))
}

/// The code of the error inside a script error of Redis before 7.
fn wrapped_code(detail: &str) -> Option<&str> {
    let (_, inner) = detail.split_once(": -")?;
    let code = inner.split(' ').next()?;
    code.bytes().all(|b| b.is_ascii_uppercase()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, detail: &str) -> (FailureKind, bool) {
        let failure = of_error_reply("claim", code, detail);
        (
            failure.kind,
            matches!(failure.error, StoreError::Unavailable(_)),
        )
    }

    #[test]
    fn not_now_is_a_new_connection() {
        for code in NOT_NOW {
            assert_eq!(kind(code, "x"), (FailureKind::NotNow, true), "{code}");
        }
        assert_eq!(
            kind("ERR", "max number of clients reached"),
            (FailureKind::NotNow, true)
        );
    }

    #[test]
    fn errors_inside_scripts_of_redis_6_are_seen() {
        let detail = "Error running script (call to f_ab): @user_script:12: @user_script: 12: \
                      -READONLY You can't write against a read only replica.";
        assert_eq!(kind("ERR", detail), (FailureKind::NotNow, true));
    }

    #[test]
    fn a_foreign_key_fails_only_the_jobs_that_need_it() {
        let is_of_all = |key: &str| {
            let (kind, unavailable) = kind("SOTYPE", &format!("{key} holds a string, not a hash"));
            assert_eq!(kind, FailureKind::ErrorReply);
            unavailable
        };
        for all in ["meta", "leases", "ready"] {
            assert!(is_of_all(&format!("so:{{a}}:{all}")), "{all}");
            assert!(is_of_all(&format!("so:{{a+01}}:{all}")), "{all}");
        }
        for one in ["job:meta", "log:ready", "job:leases~1", "nodes"] {
            assert!(!is_of_all(&format!("so:{{a}}:{one}")), "{one}");
        }
    }

    #[test]
    fn a_denial_is_distinguished_from_other_errors() {
        let inside = "The user executing the script can't run this command or subcommand script: x";
        assert_eq!(kind("ERR", inside), (FailureKind::Denied, false));
        assert_eq!(kind("NOPERM", "x"), (FailureKind::Denied, false));
        assert_eq!(
            kind("ERR", "unknown command"),
            (FailureKind::Unexplained, false)
        );
        assert_eq!(kind("WRONGTYPE", "x"), (FailureKind::ErrorReply, false));
    }
}
