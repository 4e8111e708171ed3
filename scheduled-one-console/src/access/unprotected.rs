//! No password, on the own machine only.

use http::request::Parts;
use http::{HeaderMap, HeaderName, Version, header};

use super::{Access, Decision, NoPeerAddress, User, peer_of};
use scheduled_one_control::Rights;

use crate::host::{is_loopback_name, name_of};

/// Headers of proxies. A request that has one, or one that begins with `x-forwarded`, comes from somewhere else.
const FORWARDING: [&str; 14] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-host",
    "x-original-url",
    "x-proxyuser-ip",
    "x-real-ip",
];

/// The name of the header by which a request says that it has passed a proxy.
fn forwarding(headers: &HeaderMap) -> Option<&str> {
    let mut names = headers.keys().map(HeaderName::as_str);
    names.find(|name| FORWARDING.contains(name) || name.starts_with("x-forwarded"))
}

/// Everybody on this machine may do everything, and nobody else enters: for a laptop, or through
/// `kubectl port-forward` and `ssh -L`.
///
/// The address at the other end of the connection is checked, a request that passed a proxy is refused, and so is one
/// whose `Host` is not the own machine: a page of another site, whose name was pointed at 127.0.0.1 (DNS rebinding),
/// does not enter.
///
/// Limit: a proxy on this machine that says nothing of itself looks like a browser. nginx with a bare `proxy_pass`
/// and no `proxy_set_header` is such a one: it sends `Host: 127.0.0.1:8088`, and no header of a proxy. What it sends in
/// the old version HTTP/1.0, which is its default before 1.29.7 and which no browser speaks, is refused; what it sends
/// in HTTP/1.1 enters. Behind a proxy, use [`TrustedHeader`](super::TrustedHeader), [`BasicAuth`](super::BasicAuth) or
/// [`Bearer`](super::Bearer).
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
        if request.version < Version::HTTP_11 {
            return Decision::forbid(
                "This console has no password, and the request is one of HTTP/1.0: a proxy on this machine makes such, \
                 and no browser. Give it another access.",
            );
        }
        if let Some(name) = forwarding(&request.headers) {
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
        let more = ["x-forwarded-for", "x-forwarded-user", "x-forwarded"];
        for header in FORWARDING.into_iter().chain(more) {
            let headers = [("host", "localhost"), (header, "127.0.0.1")];
            assert_eq!(decide("127.0.0.1:9", &headers), 403, "{header}");
        }
    }

    /// What nginx makes of `location / { proxy_pass http://127.0.0.1:8088; }`.
    #[test]
    fn a_silent_proxy_is_known_by_its_old_version() {
        let mut request = request_from("127.0.0.1:9", &[("host", "127.0.0.1:8088")]);
        assert_eq!(status(Unprotected::on_loopback().decide(&request)), 200);
        request.version = Version::HTTP_10;
        assert_eq!(status(Unprotected::on_loopback().decide(&request)), 403);
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
