//! What every request passes: the name of the host, who sends it, where it comes from; and the headers of every
//! answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use scheduled_one_control::{Action, Control, Rights};

use crate::access::{Access, Decision, Denial, User};
use crate::failure::{api_error, is_api};
use crate::host::name_of;
use crate::same_origin;

/// How long it may take from the head of a request to that of its answer, the body of a slow client included. Streams
/// of events have their heads at once.
const ANSWER_BOUND: Duration = Duration::from_secs(30);

fn too_slow(path: &str) -> Response {
    let text = "The request was not complete, or had no answer, within 30 s. Look first whether it changed something.";
    let denial = Denial::new(StatusCode::REQUEST_TIMEOUT, text);
    match is_api(path) {
        true => denial.into_json(),
        false => denial.into_response(),
    }
}

/// How a console is reached.
pub(crate) struct Gate {
    pub(crate) control: Control,
    pub(crate) access: Box<dyn Access>,
    /// The address under which people reach the console.
    pub(crate) public_url: Option<Uri>,
    /// The names under which it answers; all, if there are none.
    pub(crate) hosts: Vec<String>,
}

/// Who sends a request, and where the console is mounted: an extension of each request that passed the gate.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) user: User,
    /// The path of the console in its host, without a slash at the end: empty if it is all that the host serves.
    pub(crate) mount: Arc<str>,
    /// Does what the rights of the user allow, and nothing else.
    pub(crate) control: Control,
}

impl Visitor {
    /// Whether the visitor may do something with a job.
    pub(crate) fn may(&self, action: Action, job: &str) -> bool {
        self.user.rights.allows(action, job, None)
    }

    /// The same user, with these rights.
    pub(crate) fn with_rights(mut self, of_all: &Control, rights: Rights) -> Self {
        self.control = of_all.with_rights(rights.clone());
        self.user.rights = rights;
        self
    }
}

/// The middleware.
pub(crate) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut response = match gate.enter(&parts) {
        Ok(visitor) => {
            parts.extensions.insert(visitor);
            let answer = next.run(Request::from_parts(parts, body));
            let answer = tokio::time::timeout(ANSWER_BOUND, answer).await;
            answer.unwrap_or_else(|_| too_slow(&path))
        }
        Err(denial) if is_api(parts.uri.path()) => denial.into_json(),
        Err(denial) => denial.into_response(),
    };
    add_headers(response.headers_mut());
    response
}

impl Gate {
    fn enter(&self, request: &Parts) -> Result<Visitor, Denial> {
        let host = request
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.or(request.uri.host()).map(name_of).unwrap_or_default();
        if !self.hosts.is_empty()
            && !self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(host))
        {
            return Err(Denial::new(
                StatusCode::MISDIRECTED_REQUEST,
                "This console does not answer under this name. Its settings say which names it has.",
            ));
        }
        let user = match self.access.decide(request) {
            Decision::Allow(user) => user,
            Decision::Deny(denial) => return Err(denial),
        };
        same_origin::check(request, self.public_url.as_ref())
            .map_err(|error| Denial::new(StatusCode::FORBIDDEN, error.to_string()))?;
        Ok(Visitor {
            control: self.control.with_rights(user.rights.clone()),
            user,
            mount: self.mount(request).into(),
        })
    }

    /// Where the console is mounted: what its router has removed from the front of the path, behind what a proxy has
    /// removed.
    fn mount(&self, request: &Parts) -> String {
        let inner = request.uri.path();
        let original = request.extensions.get::<OriginalUri>();
        let original = original.map_or(inner, |original| original.path());
        // A router that nests at `/jobs` passes `/jobs` itself on as `/`.
        let removed = match original.strip_suffix(inner) {
            Some(removed) => removed,
            None if inner == "/" => original,
            None => "",
        };
        let removed = removed.trim_end_matches('/');
        let by_proxy = self
            .public_url
            .as_ref()
            .map_or("", Uri::path)
            .trim_end_matches('/');
        match by_proxy.ends_with(removed) {
            true => by_proxy.to_owned(),
            false => format!("{by_proxy}{removed}"),
        }
    }
}

impl Denial {
    /// The answer to a program.
    fn into_json(self) -> Response {
        let body = api_error("denied", &self.text);
        self.with_body(body, "application/json")
    }

    fn with_body(self, body: String, content_type: &'static str) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let optional = [
            (header::WWW_AUTHENTICATE, self.challenge),
            (header::LOCATION, self.location),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let text = format!("{}\n", self.text);
        self.with_body(text, "text/plain; charset=utf-8")
    }
}

/// No script, style or frame of anybody else, nothing kept by caches unless the answer says so.
fn add_headers(headers: &mut HeaderMap) {
    const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
        img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}
