//! The `Host` of a request: the names under which a console answers.

use std::net::Ipv6Addr;

/// The name in an authority: without port, and an address of version 6 without brackets.
pub(crate) fn name_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or("", |(name, _)| name);
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name)
}

/// Whether the name can only be that of the own machine.
pub(crate) fn is_loopback_name(name: &str) -> bool {
    let address = name.parse::<std::net::Ipv4Addr>();
    let is_loopback = address.is_ok_and(|address| address.is_loopback());
    is_loopback
        || name
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback())
        || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_authority() {
        for (authority, name) in [
            ("localhost", "localhost"),
            ("localhost:80", "localhost"),
            ("[::1]:80", "::1"),
            ("[::1]", "::1"),
            ("[::1", ""),
            ("10.0.0.1:1", "10.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(name_of(authority), name, "{authority}");
        }
    }
}
