//! No password, on the own machine only.

use http::header;
use http::request::Parts;

use super::{Access, Decision, NoPeerAddress, User, peer_of};
use scheduled_one_control::Rights;

use crate::host::{is_loopback_name, name_of};

/// Headers of proxies. A request that has one comes from somewhere else.
const FORWARDING: [&str; 8] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-user",
    "x-real-ip",
    "cf-connecting-ip",
];

/// Everybody on this machine may do everything, and nobody else enters: for a laptop, or through
/// `kubectl port-forward` and `ssh -L`.
///
/// The address at the other end of the connection is checked, a request that passed a proxy is refused, and so is one
/// whose `Host` is not the own machine: a page of another site, whose name was pointed at 127.0.0.1 (DNS rebinding),
/// does not enter.
#[derive(Clone, Debug)]
pub struct Unprotected {
    user: User,
}

impl Unprotected {
    /// Everybody who connects from this machine. Their name in the trail is `local`, unless [`as_user`](Self::as_user)
    /// gives another one.
    pub fn on_loopback() -> Self {
        Unprotected {
            user: User::new("local", Rights::all()),
        }
    }

    /// The name in the trail.
    pub fn as_user(mut self, name: impl Into<String>) -> Self {
        self.user.name = name.into();
        self
    }
}

impl Access for Unprotected {
    fn decide(&self, request: &Parts) -> Decision {
        let Some(peer) = peer_of(request) else {
            return Decision::forbid(NoPeerAddress.to_string());
        };
        if !peer.ip().to_canonical().is_loopback() {
            return Decision::forbid(
                "This console has no password, so it can be reached from its own machine only. Give it another access.",
            );
        }
        let mut forwarding = FORWARDING.iter();
        if let Some(name) = forwarding.find(|name| request.headers.contains_key(**name)) {
            return Decision::forbid(format!(
                "This console has no password, and the request has passed a proxy (`{name}`). Give it another access."
            ));
        }
        let host = request.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok());
        let host = host.or(request.uri.host()).map(name_of);
        match host.is_some_and(is_loopback_name) {
            true => Decision::Allow(self.user.clone()),
            false => Decision::forbid(
                "This console has no password, and answers only to `localhost`, `127.0.0.1` and `[::1]`.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::{request, request_from, status};

    fn decide(peer: &str, headers: &[(&str, &str)]) -> u16 {
        status(Unprotected::on_loopback().decide(&request_from(peer, headers)))
    }

    #[test]
    fn the_own_machine_enters() {
        for (peer, host) in [
            ("127.0.0.1:9", "localhost:8000"),
            ("127.9.9.9:9", "127.0.0.1"),
            ("[::1]:9", "[::1]:8000"),
            ("[::ffff:127.0.0.1]:9", "LocalHost"),
        ] {
            assert_eq!(decide(peer, &[("host", host)]), 200, "{peer} {host}");
        }
    }

    #[test]
    fn nobody_else_enters() {
        assert_eq!(decide("10.0.0.1:9", &[("host", "localhost")]), 403);
        assert_eq!(decide("[::ffff:10.0.0.1]:9", &[("host", "localhost")]), 403);
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "",
        ] {
            assert_eq!(decide("127.0.0.1:9", &[("host", host)]), 403, "{host}");
        }
        assert_eq!(decide("127.0.0.1:9", &[]), 403, "no host");
        for header in FORWARDING {
            let headers = [("host", "localhost"), (header, "127.0.0.1")];
            assert_eq!(decide("127.0.0.1:9", &headers), 403, "{header}");
        }
    }

    #[test]
    fn a_server_that_does_not_say_who_is_connected_is_told_how() {
        let decision = Unprotected::on_loopback().decide(&request(&[("host", "localhost")]));
        let Decision::Deny(denial) = decision else {
            panic!("let in")
        };
        assert!(denial.text.contains("into_make_service_with_connect_info"));
    }
}
