//! The name that a proxy has checked.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;
use ipnet::IpNet;
use scheduled_one_control::Rights;

use super::{Access, Decision, NoPeerAddress, User, peer_of};

type RightsOf = dyn Fn(&str) -> Rights + Send + Sync;

/// The user's name in a header that an authenticating proxy sets, such as oauth2-proxy or Authelia. Only the named
/// proxies are believed: anybody can send the header.
///
/// ```
/// use scheduled_one_console::Rights;
/// use scheduled_one_console::access::TrustedHeader;
///
/// # fn main() -> Result<(), scheduled_one_console::access::TrustedHeaderError> {
/// let access = TrustedHeader::new("x-forwarded-user")?
///     .from_proxies(["10.0.3.0/24", "::1"])?
///     .rights(|user| match user {
///         "ann" => Rights::all(),
///         _ => Rights::read_only(),
///     });
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TrustedHeader {
    header: HeaderName,
    proxies: Vec<IpNet>,
    rights: Arc<RightsOf>,
}

/// The reason why a [`TrustedHeader`] cannot be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedHeaderError {
    /// The text is no name of a header.
    #[error("`{0}` is no name of a header; write it like `x-forwarded-user`")]
    Name(String),
    /// The text is no address of a proxy.
    #[error("`{0}` is no address; write it like `10.0.3.7` or `10.0.3.0/24`")]
    Address(String),
    /// The network contains everybody.
    #[error("`{0}` contains every address: anybody could send the header; name the proxies")]
    Everybody(String),
}

impl TrustedHeader {
    /// The header with the user's name. No proxy is believed yet; users may look, and do nothing.
    ///
    /// # Errors
    ///
    /// [`TrustedHeaderError::Name`] if the text is no name of a header.
    pub fn new(header: &str) -> Result<Self, TrustedHeaderError> {
        let name = header.parse();
        Ok(TrustedHeader {
            header: name.map_err(|_| TrustedHeaderError::Name(header.to_owned()))?,
            proxies: Vec::new(),
            rights: Arc::new(|_| Rights::read_only()),
        })
    }

    /// The addresses, or networks, of the proxies that set the header and remove what others send in it.
    ///
    /// # Errors
    ///
    /// [`TrustedHeaderError::Address`] if a text is none, [`TrustedHeaderError::Everybody`] for a network of all
    /// addresses.
    pub fn from_proxies<T: AsRef<str>>(
        mut self,
        proxies: impl IntoIterator<Item = T>,
    ) -> Result<Self, TrustedHeaderError> {
        for text in proxies {
            let text = text.as_ref();
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let network = text.parse::<IpNet>().or(address);
            let network = network.map_err(|_| TrustedHeaderError::Address(text.to_owned()))?;
            if network.prefix_len() == 0 {
                return Err(TrustedHeaderError::Everybody(text.to_owned()));
            }
            self.proxies.push(network);
        }
        Ok(self)
    }

    /// What a user of this name may do.
    pub fn rights(mut self, rights: impl Fn(&str) -> Rights + Send + Sync + 'static) -> Self {
        self.rights = Arc::new(rights);
        self
    }
}

impl Access for TrustedHeader {
    fn decide(&self, request: &Parts) -> Decision {
        let Some(peer) = peer_of(request) else {
            return Decision::forbid(NoPeerAddress.to_string());
        };
        let peer = peer.ip().to_canonical();
        if !self.proxies.iter().any(|network| network.contains(&peer)) {
            return Decision::forbid("Only the proxy in front of this console may reach it.");
        }
        let mut names = request.headers.get_all(&self.header).iter();
        let (name, another) = (names.next(), names.next());
        let name = name.and_then(|name| name.to_str().ok()).unwrap_or_default();
        match name.trim() {
            // Two names: one of them may come from outside.
            _ if another.is_some() => Decision::forbid("The proxy has sent two names."),
            "" => Decision::sign_in("The proxy has sent no name: sign in there."),
            name => Decision::Allow(User::new(name, (self.rights)(name))),
        }
    }
}

impl fmt::Debug for TrustedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedHeader")
            .field("header", &self.header)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_control::Rights;

    use crate::access::testing::{request_from, status};

    fn access() -> TrustedHeader {
        let access = TrustedHeader::new("X-Forwarded-User").expect("a name");
        access
            .from_proxies(["10.0.3.0/24", "::1"])
            .expect("addresses")
    }

    #[test]
    fn only_the_named_proxies_are_believed() {
        let decide =
            |peer, headers: &[(&str, &str)]| status(access().decide(&request_from(peer, headers)));
        let ann = [("x-forwarded-user", "ann")];
        assert_eq!(decide("10.0.3.7:1", &ann), 200);
        assert_eq!(decide("[::1]:1", &ann), 200);
        assert_eq!(decide("[::ffff:10.0.3.7]:1", &ann), 200);
        assert_eq!(decide("10.0.4.7:1", &ann), 403);
        assert_eq!(decide("127.0.0.1:1", &ann), 403);
        assert_eq!(decide("10.0.3.7:1", &[]), 401);
        assert_eq!(decide("10.0.3.7:1", &[("x-forwarded-user", "  ")]), 401);
        let two = [("x-forwarded-user", "ann"), ("x-forwarded-user", "root")];
        assert_eq!(decide("10.0.3.7:1", &two), 403);
    }

    #[test]
    fn whoever_comes_through_the_proxy_may_look_unless_said_otherwise() {
        let ann = request_from("[::1]:1", &[("x-forwarded-user", "ann")]);
        let rights = |access: TrustedHeader| match access.decide(&ann) {
            Decision::Allow(user) => user.rights,
            Decision::Deny(denial) => panic!("{denial:?}"),
        };
        assert_eq!(rights(access()), Rights::read_only());
        assert_eq!(rights(access().rights(|_| Rights::all())), Rights::all());
    }

    #[test]
    fn a_wrong_setting_is_an_error() {
        let name = TrustedHeader::new("x forwarded").unwrap_err();
        assert_eq!(name, TrustedHeaderError::Name("x forwarded".to_owned()));
        for (text, error) in [
            ("proxy", TrustedHeaderError::Address("proxy".to_owned())),
            (
                "0.0.0.0/0",
                TrustedHeaderError::Everybody("0.0.0.0/0".to_owned()),
            ),
        ] {
            assert_eq!(access().from_proxies([text]).unwrap_err(), error);
        }
    }
}
