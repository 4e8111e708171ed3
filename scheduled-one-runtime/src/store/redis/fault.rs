//! What an error of the client means for the request and for the connection.

use deadpool_redis::redis::{ErrorKind, RedisError};

use super::super::StoreError;

/// An error, understood.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) error: StoreError,
    pub(super) kind: Kind,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection is as good as before.
    Answered,
    /// The server, or the way to it, is not what it was: connect again.
    Broken,
    /// The script is not known, nothing was done: send its text.
    NoScript,
    /// A right is missing; the text may not say which.
    Denied,
}

/// Codes of errors that say that a request was not carried out, and may be
/// later, perhaps by another server behind the same name.
const NOT_NOW: [&str; 14] = [
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "NOREPLICAS",
    "MISCONF",
    "OOM",
    "UNKILLABLE",
    "UNBLOCKED",
    "NOQUORUM",
    "INPROG",
    "NOMASTERLINK",
];

/// The error of a request that was sent.
pub(super) fn of_request(what: &str, error: &RedisError) -> Fault {
    let Some(code) = error.code() else {
        return match error.kind() {
            // Whether it was carried out before the connection broke, nobody knows.
            ErrorKind::Io | ErrorKind::Parse | ErrorKind::UnexpectedReturnType => fault(
                Kind::Broken,
                StoreError::Unknown(format!("{what}: {error}")),
            ),
            _ => fault(
                Kind::Broken,
                StoreError::Refused(format!("{what}: {error}")),
            ),
        };
    };
    of_answer(what, code, error.detail().unwrap_or_default())
}

/// Redis answered with an error.
fn of_answer(what: &str, code: &str, detail: &str) -> Fault {
    // Redis before 7 wraps the error of a command inside a script in its own.
    let code = match code {
        "ERR" => wrapped_code(detail).unwrap_or(code),
        code => code,
    };
    let text = format!("{what}: {code} {detail}");
    match code {
        "NOSCRIPT" => fault(Kind::NoScript, StoreError::Unavailable(text)),
        code if NOT_NOW.contains(&code) => fault(Kind::Broken, StoreError::Unavailable(text)),
        "ERR" if detail.contains("max number of clients") => {
            fault(Kind::Broken, StoreError::Unavailable(text))
        }
        "SONEWER" => fault(
            Kind::Answered,
            StoreError::NewerProtocol {
                found: detail.trim().parse().unwrap_or(u64::MAX),
            },
        ),
        "SOTYPE" => fault(
            Kind::Answered,
            StoreError::Refused(format!(
                "the key {detail}: another program uses the namespace, or somebody edited it; \
                 delete the key, or choose another namespace"
            )),
        ),
        "MOVED" | "ASK" | "CROSSSLOT" => fault(
            Kind::Broken,
            StoreError::Refused(format!(
                "{text}: that Redis is one node of a cluster, and does not hold the namespace; \
                 Redis Cluster is not supported yet, name a Redis that is not in cluster mode"
            )),
        ),
        _ if is_login(code, detail) => fault(
            Kind::Broken,
            StoreError::Refused(format!("{text} (correct the login of the URL)")),
        ),
        _ if is_denial(code, detail) => fault(Kind::Denied, StoreError::Refused(text)),
        _ => fault(Kind::Answered, StoreError::Refused(text)),
    }
}

/// The error of a connection that did not come about.
pub(super) fn of_connecting(place: &str, error: &RedisError) -> Fault {
    let text = format!("{place}: {error}");
    let mut fault = match error.code() {
        Some(code) => of_answer(place, code, error.detail().unwrap_or_default()),
        None if is_certificate(&text) => fault(Kind::Broken, StoreError::Refused(text)),
        // Nothing was sent yet, so nothing is in doubt.
        None => fault(Kind::Broken, StoreError::Unavailable(text)),
    };
    fault.kind = Kind::Broken;
    fault
}

/// Whether an error is about the user name or the password.
pub(super) fn is_login(code: &str, detail: &str) -> bool {
    matches!(code, "NOAUTH" | "WRONGPASS") || (code == "ERR" && detail.contains("AUTH"))
}

/// Whether TLS failed because of the certificate.
pub(super) fn is_certificate(why: &str) -> bool {
    why.contains("certificate") || why.contains("UnknownIssuer")
}

/// Whether an ACL refuses a command or a key. Inside scripts, Redis 7.0 says
/// so with the code `ERR`, and later ones with `NOPERM`.
pub(super) fn is_denial(code: &str, detail: &str) -> bool {
    code == "NOPERM"
        || detail.contains("NOPERM")
        || detail.contains("The user executing the script can't")
        || detail.contains("ACL failure in script")
}

/// Adds the way out to the error of a missing right.
pub(super) fn denied(error: StoreError, user: &str, missing: &[String], rule: &str) -> StoreError {
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

/// Whether the text of an error tells of one of [`NOT_NOW`].
pub(super) fn is_not_now(text: &str) -> bool {
    let mut words = text.split([' ', ':']);
    words.any(|word| NOT_NOW.contains(&word)) || text.contains("max number of clients")
}

fn wrapped_code(detail: &str) -> Option<&str> {
    let (_, inner) = detail.split_once(": -")?;
    let code = inner.split(' ').next()?;
    code.bytes().all(|b| b.is_ascii_uppercase()).then_some(code)
}

fn fault(kind: Kind, error: StoreError) -> Fault {
    Fault { error, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, detail: &str) -> (Kind, bool) {
        let fault = of_answer("claim", code, detail);
        (
            fault.kind,
            matches!(fault.error, StoreError::Unavailable(_)),
        )
    }

    #[test]
    fn not_now_is_a_new_connection() {
        for code in NOT_NOW {
            assert_eq!(kind(code, "x"), (Kind::Broken, true), "{code}");
        }
        assert_eq!(
            kind("ERR", "max number of clients reached"),
            (Kind::Broken, true)
        );
    }

    #[test]
    fn errors_inside_scripts_of_redis_6_are_seen() {
        let detail = "Error running script (call to f_ab): @user_script:12: @user_script: 12: \
                      -READONLY You can't write against a read only replica.";
        assert_eq!(kind("ERR", detail), (Kind::Broken, true));
    }

    #[test]
    fn a_denial_is_told_from_other_errors() {
        let inside = "The user executing the script can't run this command or subcommand script: x";
        assert_eq!(kind("ERR", inside), (Kind::Denied, false));
        assert_eq!(kind("NOPERM", "x"), (Kind::Denied, false));
        assert_eq!(kind("ERR", "unknown command"), (Kind::Answered, false));
    }
}
