//! One request of HTTP on a connection of its own: no redirect is followed, and everything has a limit.

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use crate::channel::DeliveryError;
use crate::tls;

/// How much of a reply is read, in bytes; more is of no use.
const MAX_REPLY: usize = 16 * 1024;

const AGENT: &str = concat!("scheduled-one/", env!("CARGO_PKG_VERSION"));

/// How channels and monitors speak HTTP: time limit and authorities. Clones share the authorities once they are read.
///
/// ```
/// use std::time::Duration;
/// use scheduled_one_alerts::{Http, Slack};
///
/// let http = Http::new().timeout(Duration::from_secs(5)).ca_file("/etc/ssl/company.pem");
/// let channel = Slack::new("https://chat.company.example/hooks/x").http(http);
/// # let _ = channel;
/// ```
#[derive(Clone)]
pub struct Http {
    timeout: Duration,
    ca_file: Option<PathBuf>,
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

/// A request to make.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a Uri,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// As the header has it.
    pub(crate) retry_after: Option<String>,
    /// The beginning of the body.
    pub(crate) body: String,
}

impl Http {
    /// A time limit of 15 s for the whole request, and the authorities of the system.
    pub fn new() -> Self {
        Http {
            timeout: Duration::from_secs(15),
            ca_file: None,
            tls: Arc::default(),
        }
    }

    /// How long a request may take in all, connecting included.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// A file with the authorities to trust, in PEM form, instead of those of the system. It is read once.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self.tls = Arc::default();
        self
    }

    /// Makes a request. Errors name the host, and nothing else of the address.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Reply, DeliveryError> {
        let place = place(request.uri);
        let fail = |why: String| DeliveryError::Unreachable(format!("{place}: {why}"));
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(reply) => reply.map_err(fail),
            Err(_) => Err(fail(format!("no reply within {:?}", self.timeout))),
        }
    }

    async fn exchange(&self, request: Request<'_>) -> Result<Reply, String> {
        let uri = request.uri;
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let message = message(request)?;
        if !is_tls {
            return converse(TokioIo::new(stream), message).await;
        }
        let config = self
            .tls
            .get_or_try_init(|| tls::config(self.ca_file.clone()))
            .await?;
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| "the host is no name that TLS knows".to_owned())?;
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("no TLS: {error}"))?;
        converse(TokioIo::new(stream), message).await
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("timeout", &self.timeout)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

/// What of an address may be shown.
pub(crate) fn place(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |it| it.as_str());
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

fn message(request: Request<'_>) -> Result<hyper::Request<Full<Bytes>>, String> {
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let mut message = hyper::Request::builder()
        .method(request.method)
        .uri(path)
        .header(HOST, place(request.uri))
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, request.content_type);
    for (name, value) in request.headers {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_str(&value);
        let mut value =
            value.map_err(|_| format!("{name} has characters that no header can have"))?;
        value.set_sensitive(true);
        message = message.header(name, value);
    }
    let message = message.body(Full::new(Bytes::from(request.body)));
    message.map_err(|error| error.to_string())
}

async fn converse(
    stream: impl Read + Write + Unpin,
    message: hyper::Request<Full<Bytes>>,
) -> Result<Reply, String> {
    let (mut sender, connection) = http1::handshake(stream)
        .await
        .map_err(|error| error.to_string())?;
    let exchange = async move {
        let reply = sender.send_request(message).await;
        read(reply.map_err(|error| causes(&error))?).await
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        reply = &mut exchange => return reply,
        _ = &mut connection => {}
    }
    // The connection has ended. What it had received is there, or the error.
    exchange.await
}

async fn read(reply: hyper::Response<Incoming>) -> Result<Reply, String> {
    let retry_after = reply.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let status = reply.status().as_u16();
    let mut body = reply.into_body();
    let mut bytes = Vec::new();
    while bytes.len() < MAX_REPLY {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap_or_default()),
            // The status has been received, and counts.
            Some(Err(_)) | None => break,
        }
    }
    bytes.truncate(MAX_REPLY);
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Reply {
        status,
        retry_after,
        body,
    })
}

/// An error with its causes.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// A text as part of a query or path.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

/// An address with more parameters.
pub(crate) fn with_query(uri: &Uri, parameters: &[(&str, &str)]) -> Result<Uri, String> {
    let parameters: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let path = format!("{path}{separator}{}", parameters.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(|_| "the address is too long")?);
    Uri::from_parts(parts).map_err(|error| error.to_string())
}
