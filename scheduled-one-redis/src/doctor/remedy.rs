//! Splits an error of connecting into what was found and what to do.

use crate::connect_error::{ConnectError, remedy_for_certificates, remedy_for_writes};

/// The finding in words, and the remedy, which is the end of the error text. The remedy is empty where the text has
/// no separate one.
pub(crate) fn found_and_remedy(error: &ConnectError) -> (String, String) {
    let text = error.to_string();
    let remedy = remedy(error);
    match text.strip_suffix(&*remedy) {
        Some(found) if !remedy.is_empty() => {
            (found.trim_end_matches([' ', ';', ':']).to_owned(), remedy)
        }
        _ => (text, String::new()),
    }
}

fn remedy(error: &ConnectError) -> String {
    let text = match error {
        ConnectError::TooOld { .. } => "upgrade it",
        ConnectError::Replica { .. } => {
            "name the primary, or the endpoint of the service that follows it"
        }
        ConnectError::Evicts { .. } => {
            "set it to noeviction or to a volatile policy, or use a Redis that is no cache"
        }
        ConnectError::NotNow { .. } => "try again in a moment",
        ConnectError::SecondConnection { .. } => {
            "raise its maxclients, or close connections of others"
        }
        ConnectError::NoWrites { why, .. } => remedy_for_writes(why),
        ConnectError::Certificate { why, .. } => remedy_for_certificates(why),
        ConnectError::NewerProtocol(_) => "upgrade this service, or give it another namespace",
        ConnectError::OtherBuckets { .. } => {
            "Give all services of the namespace the same `buckets`; for another number, give it \
             another namespace, or stop all its nodes, consoles and watching commands and delete what is stored of it"
        }
        ConnectError::Unreachable { .. } => {
            "is it running, is that its host and port, and does the network let this machine \
             through?"
        }
        ConnectError::NoSentinel { .. } => {
            "are they running, and are these their ports (usually 26379)?"
        }
        ConnectError::ScriptsRefused { remedy, .. } => return remedy.clone(),
        ConnectError::MissingRights { user, rule, .. } => {
            return format!("ACL SETUSER {user} {rule}");
        }
        _ => "",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::machine::NewerProtocol;

    #[test]
    fn each_remedy_is_the_end_of_its_error() {
        let text = || "x".to_owned();
        let (place, why) = (text(), text());
        let errors = [
            ConnectError::TooOld {
                place: text(),
                version: text(),
            },
            ConnectError::Replica {
                place: text(),
                primary: text(),
            },
            ConnectError::Evicts {
                place: text(),
                policy: text(),
            },
            ConnectError::NotNow {
                place: text(),
                why: text(),
            },
            ConnectError::NoWrites {
                place: text(),
                why: text(),
            },
            ConnectError::Certificate {
                place: text(),
                why: text(),
            },
            ConnectError::NewerProtocol(NewerProtocol { found: 2 }),
            ConnectError::OtherBuckets { found: 4, ours: 1 },
            ConnectError::Unreachable { place, why },
            ConnectError::NoSentinel {
                place: text(),
                why: text(),
            },
            ConnectError::SecondConnection {
                place: text(),
                why: text(),
            },
            ConnectError::ScriptsRefused {
                place: text(),
                why: text(),
                remedy: "y".to_owned(),
            },
            ConnectError::MissingRights {
                place: text(),
                user: text(),
                missing: text(),
                rule: text(),
            },
        ];
        for error in errors {
            let (found, remedy) = found_and_remedy(&error);
            assert!(!remedy.is_empty(), "{error}");
            let whole = error.to_string();
            assert!(
                whole.starts_with(&found) && whole.ends_with(&remedy),
                "{error}"
            );
        }
        let (found, remedy) = found_and_remedy(&ConnectError::BadUrl(text()));
        assert!(found.ends_with(": x") && remedy.is_empty(), "{found}");
    }
}
