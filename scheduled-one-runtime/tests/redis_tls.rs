//! `rediss://` against a real server with certificates of our own.
//!
//! Which authorities are trusted comes from options or from the environment. A
//! program cannot change the environment of itself: tests of that start this
//! program again, with the name of one test and an environment in which that
//! test takes the other part.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use test_support::{RedisServer, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Set for the other part: where to connect.
const URL: &str = "SCHEDULED_ONE_TEST_TLS_URL";

/// An authority, and a certificate of it for `localhost` only.
fn certificates(dir: &Path) -> Tls {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl")
            .args(args)
            .output()
            .expect("the openssl program");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {text}");
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ];
    let authority = [
        "req",
        "-x509",
        "-subj",
        "/CN=Test authority",
        "-keyout",
        &path("ca.key"),
        "-out",
        &path("ca.pem"),
        "-addext",
        "keyUsage=keyCertSign",
    ];
    openssl(&[&authority[..], &key].concat());
    let server = [
        "req",
        "-x509",
        "-subj",
        "/CN=localhost",
        "-keyout",
        &path("server.key"),
        "-out",
        &path("server.pem"),
        "-CA",
        &path("ca.pem"),
        "-CAkey",
        &path("ca.key"),
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    openssl(&[&server[..], &key].concat());
    let file = |name: &str| PathBuf::from(path(name));
    Tls {
        cert: file("server.pem"),
        key: file("server.key"),
        ca: file("ca.pem"),
    }
}

struct Fixture {
    redis: RedisServer,
    tls: Tls,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tls = certificates(dir.path());
        let redis = RedisServer::options()
            .password("hunter2")
            .tls(tls.clone())
            .start()
            .unwrap();
        Fixture {
            redis,
            tls,
            _dir: dir,
        }
    }

    /// Runs `test` of this program as the other part, which must succeed.
    fn other_part(&self, test: &str, host: &str, trust: Option<&Path>) {
        let port = self.redis.tls_port().unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", test, "--nocapture"])
            .env(URL, format!("rediss://:hunter2@{host}:{port}"))
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        if let Some(file) = trust {
            command.env("SSL_CERT_FILE", file);
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// In the other part: what came of connecting.
async fn connect() -> Option<Result<RedisStore, ConnectError>> {
    let url = env::var(URL).ok()?;
    Some(RedisStore::connect(&url, "test").await)
}

#[tokio::test]
async fn an_authority_named_by_the_environment_is_trusted() {
    if let Some(result) = connect().await {
        let caller = Caller {
            node: "node".into(),
            name: "Node".into(),
            quarantine_ms: 0,
            ledger_limit: 5,
            buckets: 1,
        };
        let store = result.unwrap();
        store.heartbeat(&caller, Heartbeat::Alive).await.unwrap();
        store
            .open(Bucket::WHOLE)
            .heartbeat(&caller, Heartbeat::Alive)
            .await
            .unwrap();
        return;
    }
    let fixture = Fixture::start();
    let test = "an_authority_named_by_the_environment_is_trusted";
    fixture.other_part(test, "localhost", Some(&fixture.tls.ca));
    assert_eq!(
        fixture
            .redis
            .command(&["ZCARD", "so:{test}:nodes"])
            .unwrap(),
        "1"
    );
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    if let Some(result) = connect().await {
        let error = result.unwrap_err();
        assert!(
            matches!(error, ConnectError::Certificate { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
        return;
    }
    let (fixture, others) = (Fixture::start(), tempfile::tempdir().unwrap());
    let test = "an_unknown_authority_is_not_trusted";
    fixture.other_part(test, "localhost", Some(&certificates(others.path()).ca));
    fixture.other_part(test, "localhost", None);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_trusted() {
    if let Some(result) = connect().await {
        let error = result.unwrap_err();
        assert!(
            matches!(error, ConnectError::Certificate { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("host name"), "{error}");
        return;
    }
    let fixture = Fixture::start();
    let test = "a_certificate_for_another_host_is_not_trusted";
    fixture.other_part(test, "127.0.0.1", Some(&fixture.tls.ca));
}

#[tokio::test]
async fn a_file_of_authorities_that_is_missing_is_named_as_such() {
    if let Some(result) = connect().await {
        let error = result.unwrap_err();
        assert!(
            matches!(error, ConnectError::Certificate { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("/no/such/file.pem"), "{error}");
        return;
    }
    let fixture = Fixture::start();
    let test = "a_file_of_authorities_that_is_missing_is_named_as_such";
    fixture.other_part(test, "localhost", Some(Path::new("/no/such/file.pem")));
}

#[tokio::test]
async fn tls_on_one_side_only_is_suspected() {
    let fixture = Fixture::start();
    let tls_port = fixture.redis.tls_port().unwrap();
    let plain = format!("redis://:hunter2@localhost:{tls_port}");
    let error = RedisStore::connect(&plain, "test").await.unwrap_err();
    assert!(error.to_string().contains("TLS port"), "{error}");
    let tls = format!("rediss://:hunter2@localhost:{}", fixture.redis.port());
    let error = RedisStore::connect(&tls, "test").await.unwrap_err();
    assert!(error.to_string().contains("speaks TLS"), "{error}");
}

/// A Redis that asks for certificates, and the URL of its TLS port.
fn strict() -> (Fixture, String) {
    let dir = tempfile::tempdir().unwrap();
    let tls = certificates(dir.path());
    let redis = RedisServer::options()
        .tls(tls.clone())
        .args(["--tls-auth-clients", "yes"])
        .start()
        .unwrap();
    let url = format!("rediss://localhost:{}", redis.tls_port().unwrap());
    let fixture = Fixture {
        redis,
        tls,
        _dir: dir,
    };
    (fixture, url)
}

#[tokio::test]
async fn certificates_of_ones_own() {
    let (fixture, url) = strict();
    let Tls { cert, key, ca } = &fixture.tls;
    let trusting = ConnectOptions::default().tls_ca_file(ca);

    // The server is asked for its certificate, and asks for ours.
    let both = trusting.clone().tls_client_cert(cert, key);
    let store = RedisStore::connect_with(&url, "test", &both).await.unwrap();
    store.ledger("a", 1).await.unwrap();
    store.open(Bucket::WHOLE).ledger("a", 1).await.unwrap();

    let error = RedisStore::connect_with(&url, "test", &trusting)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Certificate { .. }),
        "{error:?}"
    );
    let untrusting = ConnectOptions::default().tls_client_cert(cert, key);
    let error = RedisStore::connect_with(&url, "test", &untrusting)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Certificate { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("tls_ca_file"), "{error}");
    // One that is not of an authority of the server.
    let (others, none) = (tempfile::tempdir().unwrap(), ConnectOptions::default());
    let other = certificates(others.path());
    let stranger = none
        .tls_ca_file(ca)
        .tls_client_cert(&other.cert, &other.key);
    let error = RedisStore::connect_with(&url, "test", &stranger)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Certificate { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn files_that_are_wrong_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    std::fs::create_dir(&here).unwrap();
    std::fs::create_dir(&there).unwrap();
    let (ours, theirs) = (certificates(&here), certificates(&there));
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "hunter2").unwrap();
    let missing = dir.path().join("missing.pem");
    let new = ConnectOptions::default;
    for (options, file, why) in [
        (new().tls_ca_file(&missing), &missing, "No such file"),
        (new().tls_ca_file(&empty), &empty, "no certificate"),
        (new().tls_ca_file(&ours.key), &ours.key, "no certificate"),
        (
            new().tls_client_cert(&missing, &ours.key),
            &missing,
            "No such file",
        ),
        (
            new().tls_client_cert(&empty, &ours.key),
            &empty,
            "no certificate",
        ),
        (
            new().tls_client_cert(&ours.cert, &empty),
            &empty,
            "no private key",
        ),
        (
            new().tls_client_cert(&ours.cert, &ours.cert),
            &ours.cert,
            "no private key",
        ),
        (
            new().tls_client_cert(&ours.cert, &theirs.key),
            &theirs.key,
            "not the key of",
        ),
    ] {
        // Nobody is asked before that.
        let error = RedisStore::connect_with("rediss://localhost:1", "test", &options)
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::BadOption { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(file.to_str().unwrap()), "{text}");
        assert!(text.contains(why) && !text.contains("hunter2"), "{text}");
    }
    let error =
        RedisStore::connect_with("redis://localhost:1", "test", &new().tls_ca_file(ours.ca))
            .await
            .unwrap_err();
    assert!(error.to_string().contains("begin with rediss"), "{error}");
}

/// A sentinel that asks for certificates, and names this port of `localhost`.
/// Returns its own.
async fn strict_sentinel(tls: &Tls, names: u16) -> u16 {
    let mut authorities = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&tls.ca).unwrap();
    authorities.add(authority).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(authorities));
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&tls.cert).unwrap()],
            PrivateKeyDer::from_pem_file(&tls.key).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!("*2\r\n$9\r\nlocalhost\r\n$5\r\n{names}\r\n");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue; // it showed no certificate
            };
            let mut question = [0; 1024];
            if let Ok(1..) = stream.read(&mut question).await {
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    port
}

/// Connects, again if the sentinel, which shares the cores with other tests, does not answer within the
/// client's own bound.
async fn connect_in_time(url: &str, options: &ConnectOptions) -> Result<RedisStore, ConnectError> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match RedisStore::connect_with(url, "test", options).await {
            Err(ConnectError::NoSentinel { .. }) if Instant::now() < until => {}
            result => return result,
        }
    }
}

#[tokio::test]
async fn sentinels_are_shown_the_same_certificate() {
    let (fixture, _) = strict();
    let Tls { cert, key, ca } = &fixture.tls;
    let trusting = ConnectOptions::default().tls_ca_file(ca);
    let both = trusting.clone().tls_client_cert(cert, key);
    // rustls has its provider of cryptography from whoever connects first.
    drop(RedisStore::connect_with("rediss://localhost:1", "test", &both).await);
    let port = strict_sentinel(&fixture.tls, fixture.redis.tls_port().unwrap()).await;
    let url = format!("rediss+sentinel://localhost:{port}/mymaster");
    let store = connect_in_time(&url, &both).await.unwrap();
    store.ledger("a", 1).await.unwrap();
    let error = connect_in_time(&url, &trusting).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Certificate { .. }),
        "{error:?}"
    );
}
