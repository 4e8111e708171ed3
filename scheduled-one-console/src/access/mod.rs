//! Who may see the console, and what they may do there: a console is no service until it has an [`Access`].
//!
//! The shape is that of Oban Web's `Resolver`: a request is resolved to a user and what that user may do, and what is
//! not allowed is denied.

mod basic;
mod bearer;
mod read_only;
mod secret;
mod trusted_header;
mod unprotected;

use std::fmt;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use scheduled_one_control::Rights;

pub use basic::BasicAuth;
pub use bearer::Bearer;
pub use read_only::ReadOnly;
pub use secret::SecretError;
pub use trusted_header::{TrustedHeader, TrustedHeaderError};
pub use unprotected::Unprotected;

/// Decides who sends a request and what they may do. It is asked for every request, that for a style sheet included.
///
/// A program whose middleware knows its users already gives a function:
///
/// ```
/// use http::request::Parts;
/// use scheduled_one_console::Rights;
/// use scheduled_one_console::access::{Access, Decision, User};
///
/// #[derive(Clone)]
/// struct Employee {
///     name: String,
///     operates: bool,
/// }
///
/// fn by_session(request: &Parts) -> Decision {
///     match request.extensions.get::<Employee>() {
///         None => Decision::sign_in("Your session has ended: sign in again."),
///         Some(who) if who.operates => Decision::Allow(User::new(&who.name, Rights::all())),
///         Some(who) => Decision::Allow(User::new(&who.name, Rights::read_only())),
///     }
/// }
///
/// fn is_access(_: impl Access) {}
/// is_access(by_session);
/// ```
pub trait Access: Send + Sync + 'static {
    /// The user, or the answer to somebody who may not enter.
    fn decide(&self, request: &Parts) -> Decision;
}

impl<F: Fn(&Parts) -> Decision + Send + Sync + 'static> Access for F {
    fn decide(&self, request: &Parts) -> Decision {
        self(request)
    }
}

/// What an [`Access`] decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is that of this user.
    Allow(User),
    /// Nobody enters with this request.
    Deny(Denial),
}

impl Decision {
    /// Nobody is signed in. The text is shown, and says how to sign in.
    pub fn sign_in(text: impl Into<String>) -> Self {
        Decision::Deny(Denial::new(StatusCode::UNAUTHORIZED, text))
    }

    /// The request may never enter. The text is shown, and says why.
    pub fn forbid(text: impl Into<String>) -> Self {
        Decision::Deny(Denial::new(StatusCode::FORBIDDEN, text))
    }
}

/// The answer to somebody who may not enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) challenge: Option<HeaderValue>,
    pub(crate) location: Option<HeaderValue>,
}

impl Denial {
    /// An answer with a status and a text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Denial {
            status,
            text: text.into(),
            challenge: None,
            location: None,
        }
    }

    /// The same with a `WWW-Authenticate` header: a browser asks for a name and a password.
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// A redirection to a page on which people sign in.
    pub fn redirect(to: HeaderValue) -> Self {
        Denial {
            location: Some(to),
            ..Self::new(StatusCode::SEE_OTHER, "Sign in first.")
        }
    }
}

/// Somebody who may enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name in the trail and in ledgers.
    pub name: String,
    /// What the user may do.
    pub rights: Rights,
}

impl User {
    /// A user of this name with these rights.
    pub fn new(name: impl Into<String>, rights: Rights) -> Self {
        User {
            name: name.into(),
            rights,
        }
    }
}

/// The address at the other end of the connection, as an extension of a request.
///
/// A program whose server is `axum::serve` with `into_make_service_with_connect_info::<SocketAddr>()` need not set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The address at the other end of the connection, if the server says it.
fn peer_of(request: &Parts) -> Option<SocketAddr> {
    let said = request.extensions.get::<PeerAddress>();
    let by_axum = request.extensions.get::<ConnectInfo<SocketAddr>>();
    said.map(|peer| peer.0).or(by_axum.map(|peer| peer.0))
}

/// The credentials of the scheme in the header `Authorization`: the scheme in any case, as RFC 9110 says.
fn credentials<'a>(request: &'a Parts, scheme: &str) -> Option<&'a str> {
    let value = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (found, credentials) = value.split_once(' ')?;
    found
        .eq_ignore_ascii_case(scheme)
        .then(|| credentials.trim())
}

/// Where something is said about a peer address that the server does not pass on.
struct NoPeerAddress;

impl fmt::Display for NoPeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "The server does not say who is connected. With axum: \
             `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`; with another server set \
             the extension `PeerAddress` of each request.",
        )
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use http::Request;

    /// The head of a request with these headers.
    pub(crate) fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    /// The same from this address.
    pub(crate) fn request_from(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut parts = request(headers);
        let peer = PeerAddress(peer.parse().expect("an address"));
        parts.extensions.insert(peer);
        parts
    }

    pub(crate) fn status(decision: Decision) -> u16 {
        match decision {
            Decision::Allow(_) => 200,
            Decision::Deny(denial) => denial.status.as_u16(),
        }
    }
}
