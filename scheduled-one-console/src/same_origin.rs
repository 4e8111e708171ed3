//! Requests that change something come from pages of this console, not from pages of other sites (CSRF).
//!
//! Browsers say where a request comes from, so no tokens are needed and no cookies: `Sec-Fetch-Site` (the way of
//! Sidekiq 8.1), and where that is absent, because the page came by plain `http` from another machine, `Origin`
//! compared with `Host` (the way of Go's `CrossOriginProtection`).

use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri, header};

/// Why a request that changes something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CrossOrigin {
    #[error("The request comes from a page of another site.")]
    OtherSite,
    #[error(
        "The request does not say which page it comes from. A program that uses the API sends `Authorization: Bearer …` \
         or an `Origin` that is the console's."
    )]
    Unknown,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request that changes something and may come from a page of another site. `public_url` is the address
/// under which people reach the console, if a proxy changes `Host`.
pub(crate) fn check(request: &Parts, public_url: Option<&Uri>) -> Result<(), CrossOrigin> {
    if request.method.is_safe() {
        return Ok(());
    }
    let headers = &request.headers;
    if let Some(site) = text(headers, SEC_FETCH_SITE) {
        return match site {
            "same-origin" => Ok(()),
            _ => Err(CrossOrigin::OtherSite),
        };
    }
    if let Some(origin) = text(headers, header::ORIGIN) {
        let host = text(headers, header::HOST).or(request.uri.authority().map(|a| a.as_str()));
        return match is_ours(origin, host, public_url) {
            true => Ok(()),
            false => Err(CrossOrigin::OtherSite),
        };
    }
    // No browser of the last years leaves out both, and none adds a token by itself.
    let authorization = text(headers, header::AUTHORIZATION).unwrap_or_default();
    let scheme = authorization.split(' ').next().unwrap_or_default();
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(()),
        false => Err(CrossOrigin::Unknown),
    }
}

fn is_ours(origin: &str, host: Option<&str>, public_url: Option<&Uri>) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let (Some(_), Some(authority)) = (origin.scheme(), origin.authority()) else {
        return false; // `null`
    };
    let authority = authority.as_str();
    let same_host = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
    let is_public = public_url.is_some_and(|url| {
        let same_scheme = url.scheme() == origin.scheme();
        same_scheme
            && url
                .authority()
                .is_some_and(|public| public.as_str().eq_ignore_ascii_case(authority))
    });
    same_host || is_public
}

/// The only value of a header, as text; a header that comes twice has none.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_str().unwrap_or("?")),
        (Some(_), Some(_)) => Some("?"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::request;
    use http::Method;

    fn post(headers: &[(&str, &str)]) -> Result<(), CrossOrigin> {
        let mut parts = request(headers);
        parts.method = Method::POST;
        check(
            &parts,
            Some(&"https://jobs.example/console".parse().expect("a URL")),
        )
    }

    #[test]
    fn own_pages_may_change_something() {
        for headers in [
            &[("sec-fetch-site", "same-origin")][..],
            &[
                ("origin", "http://10.0.0.1:8000"),
                ("host", "10.0.0.1:8000"),
            ],
            &[
                ("origin", "https://jobs.example"),
                ("host", "10.0.0.1:8000"),
            ],
            &[("authorization", "Bearer token")],
        ] {
            assert_eq!(post(headers), Ok(()), "{headers:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_not() {
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[
                ("sec-fetch-site", "cross-site"),
                ("authorization", "Bearer token"),
            ],
            &[("origin", "http://evil.example"), ("host", "10.0.0.1:8000")],
            &[("origin", "null"), ("host", "null")],
            &[("origin", "http://jobs.example"), ("host", "10.0.0.1:8000")],
            &[
                ("origin", "http://10.0.0.1:8000"),
                ("origin", "http://x"),
                ("host", "10.0.0.1:8000"),
            ],
            &[
                ("origin", "http://10.0.0.1:8001"),
                ("host", "10.0.0.1:8000"),
            ],
        ] {
            assert_eq!(post(headers), Err(CrossOrigin::OtherSite), "{headers:?}");
        }
        for headers in [&[][..], &[("authorization", "Basic eDp5")]] {
            assert_eq!(post(headers), Err(CrossOrigin::Unknown), "{headers:?}");
        }
    }

    #[test]
    fn looking_is_no_change() {
        assert_eq!(
            check(&request(&[("sec-fetch-site", "cross-site")]), None),
            Ok(())
        );
    }
}
