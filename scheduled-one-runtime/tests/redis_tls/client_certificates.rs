//! Options with certificates: for a Redis and a sentinel that require one of each client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scheduled_one_protocol::{Bucket, Store};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use test_support::{RedisServer, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::{Fixture, certificates};

/// A Redis that requires client certificates, and the URL of its TLS port.
pub(crate) fn strict() -> (Fixture, String) {
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

    // Server and client verify each other.
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
        // The files are read before the first connection: nothing listens on port 1.
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

/// Starts a sentinel that requires client certificates, and whose reply names this host and port. Returns the port of
/// the sentinel.
pub(crate) async fn strict_sentinel(tls: &Tls, host: &str, named: u16) -> u16 {
    let mut authorities = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&tls.ca).unwrap();
    authorities.add(authority).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&tls.cert).unwrap()],
            PrivateKeyDer::from_pem_file(&tls.key).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = named.to_string();
    let answer = format!(
        "*2\r\n${}\r\n{host}\r\n${}\r\n{named}\r\n",
        host.len(),
        named.len()
    );
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
pub(crate) async fn connect_in_time(
    url: &str,
    options: &ConnectOptions,
) -> Result<RedisStore, ConnectError> {
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
    let port = strict_sentinel(&fixture.tls, "localhost", fixture.redis.tls_port().unwrap()).await;
    let url = format!("rediss+sentinel://localhost:{port}/mymaster");
    let store = connect_in_time(&url, &both).await.unwrap();
    store.ledger("a", 1).await.unwrap();
    let error = connect_in_time(&url, &trusting).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Certificate { .. }),
        "{error:?}"
    );
}
