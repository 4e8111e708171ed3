//! A server of HTTP that does what a test says, and keeps what it received.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each suite uses a part of it"
)]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status with a body.
    Reply(u16, String),
    /// A status with a header.
    With(u16, &'static str, String),
    /// Nothing, and the connection stays open.
    Hang,
    /// The connection is closed without a reply.
    Close,
    /// A body without end.
    Endless(u16),
}

pub(crate) fn ok() -> Answer {
    Answer::Reply(200, String::new())
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// `POST /path?query`
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Server {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server that answers one request after the other so, and all others as the last one.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::with(answers, None).await
    }

    pub(crate) async fn with(
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let answers: Vec<Answer> = answers.into_iter().collect();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, answers) = (Arc::clone(&kept), answers.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &kept, &answers).await;
                            }
                        }
                        None => serve(stream, &kept, &answers).await,
                    }
                });
            }
        });
        Server {
            port,
            received,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: &Mutex<Vec<Received>>,
    answers: &[Answer],
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(request);
        kept.len() - 1
    };
    let answer = answers.get(number).or(answers.last()).cloned();
    let head = |status: u16| format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    match answer.unwrap() {
        Answer::Reply(status, body) => {
            let reply = format!(
                "{}content-length: {}\r\n\r\n{body}",
                head(status),
                body.len()
            );
            let _ = stream.write_all(reply.as_bytes()).await;
        }
        Answer::With(status, name, value) => {
            let reply = format!(
                "{}{name}: {value}\r\ncontent-length: 0\r\n\r\n",
                head(status)
            );
            let _ = stream.write_all(reply.as_bytes()).await;
        }
        Answer::Hang => std::future::pending().await,
        Answer::Close => {}
        Answer::Endless(status) => {
            let reply = format!("{}\r\n", head(status));
            let mut more = stream.write_all(reply.as_bytes()).await;
            while more.is_ok() {
                more = stream.write_all(&[b'x'; 65536]).await;
            }
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let line = head
        .lines()
        .next()?
        .trim_end_matches(" HTTP/1.1")
        .to_owned();
    let mut request = Received {
        line,
        head,
        body: bytes.split_off(end + 4),
    };
    let length = request
        .header("content-length")
        .unwrap_or("0")
        .parse()
        .ok()?;
    while request.body.len() < length {
        stream.read_buf(&mut request.body).await.ok()?;
    }
    Some(request)
}

/// An authority (`ca.pem`), and a server's certificate of it for `localhost`.
pub(crate) fn certificates(folder: &Path) {
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(args)
            .current_dir(folder)
            .output()
            .expect("the openssl program");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {text}");
    };
    openssl(&[
        "-subj",
        "/CN=Authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ]);
    openssl(&[
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.crt",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]);
}

/// TLS with the certificate of the folder.
pub(crate) fn tls(folder: &Path) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(folder.join("server.crt")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A port at which nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
