//! Whom a connection trusts: a certificate that has signed itself, files that change, and everybody.

use std::fs;
use std::path::Path;

use scheduled_one_protocol::{Severity, Store, StoreError};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::Scheduler;
use test_support::{RedisServer, Tls};

use crate::client_certificates::strict;
use crate::{Fixture, certificates, openssl, self_signed};

fn trusting(file: &Path) -> ConnectOptions {
    ConnectOptions::default().tls_ca_file(file)
}

async fn refused(url: &str, options: &ConnectOptions) -> String {
    let error = RedisStore::connect_with(url, "test", options).await;
    let error = error.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConnectError::Certificate { .. }), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    text
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_by_its_own_file() {
    // Most of them say that they are an authority: that is what `openssl req -x509` writes by default.
    for kind in ["", "-addext basicConstraints=critical,CA:FALSE"] {
        let dir = tempfile::tempdir().unwrap();
        let tls = self_signed(dir.path(), kind);
        let fixture = Fixture::with(tls, dir);
        let options = trusting(&fixture.tls.cert);
        let url = fixture.url("localhost");
        let store = RedisStore::connect_with(&url, "test", &options).await;
        store.unwrap().ledger("a", 1).await.unwrap();
        // The name counts all the same.
        let text = refused(&fixture.url("127.0.0.1"), &options).await;
        assert!(
            text.contains("localhost") && text.contains("host name"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn another_certificate_of_the_same_name_is_not_trusted() {
    let (dir, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fixture = Fixture::with(self_signed(dir.path(), ""), dir);
    let other = self_signed(others.path(), "");
    let url = fixture.url("localhost");
    for options in [trusting(&other.cert), ConnectOptions::default()] {
        let text = refused(&url, &options).await;
        assert!(text.contains("has signed itself"), "{text}");
    }
}

#[tokio::test]
async fn a_pinned_certificate_that_has_expired_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tls = self_signed(dir.path(), "");
    openssl(
        dir.path(),
        "x509 -in self.pem -signkey self.key -days -1 -out self.pem",
    );
    let fixture = Fixture::with(tls, dir);
    let text = refused(&fixture.url("localhost"), &trusting(&fixture.tls.cert)).await;
    assert!(text.contains("Expired") && text.contains("renew"), "{text}");
}

#[tokio::test]
async fn everybody_is_trusted_only_by_an_option_that_warns() {
    let fixture = Fixture::start();
    let url = fixture.url("127.0.0.1");
    refused(&url, &ConnectOptions::default()).await;
    let anybody = ConnectOptions::default().danger_accept_any_certificate();
    let store = RedisStore::connect_with(&url, "test", &anybody)
        .await
        .unwrap();
    let warnings = store.check().await.unwrap();
    let warned = warnings.iter().any(|finding| {
        finding.severity == Severity::Warning
            && finding.check == "certificate"
            && finding.found.contains("danger_accept_any_certificate")
    });
    assert!(warned, "{warnings:?}");
    let report = Scheduler::builder(&url)
        .danger_accept_any_certificate()
        .doctor()
        .await;
    assert!(report.to_string().contains("is not verified"), "{report}");

    for (url, options) in [
        ("redis://localhost", anybody.clone()),
        ("rediss://localhost", anybody.tls_ca_file(&fixture.tls.ca)),
    ] {
        let error = RedisStore::connect_with(url, "test", &options)
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ConnectError::BadOption { .. }), "{text}");
        assert!(text.contains("danger_accept_any_certificate"), "{text}");
    }
}

/// Closes all connections, and sends a request on a new one.
async fn again(store: &RedisStore, redis: &RedisServer) -> Result<(), StoreError> {
    redis
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .unwrap();
    let mut reply = store.ledger("a", 1).await;
    if matches!(reply, Err(StoreError::Unknown(_))) {
        reply = store.ledger("a", 1).await; // the connection had ended
    }
    reply.map(drop)
}

fn copy(from: &Tls, to: &Tls) {
    fs::copy(&from.cert, &to.cert).unwrap();
    fs::copy(&from.key, &to.key).unwrap();
}

#[tokio::test]
async fn a_client_certificate_that_is_renewed_needs_no_restart() {
    let (fixture, url) = strict();
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    // Files of our own, so that the server's stay as they are.
    let shown = certificates(dirs[0].path());
    let strange = certificates(dirs[1].path());
    copy(&fixture.tls, &shown);
    let options = trusting(&fixture.tls.ca).tls_client_cert(&shown.cert, &shown.key);
    let store = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap();
    again(&store, &fixture.redis).await.unwrap();

    copy(&strange, &shown);
    let error = again(&store, &fixture.redis).await.unwrap_err();
    assert!(
        error.to_string().contains("lert"),
        "the server's alert: {error}"
    );
    // A file that is half written is named, and its fault passes.
    fs::write(&shown.cert, "half").unwrap();
    let error = again(&store, &fixture.redis).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Unavailable(_)), "{text}");
    assert!(
        text.contains("tls_client_cert") && text.contains(shown.cert.to_str().unwrap()),
        "{text}"
    );
    copy(&fixture.tls, &shown);
    again(&store, &fixture.redis).await.unwrap();
}

#[tokio::test]
async fn authorities_that_change_need_no_restart() {
    let (fixture, others) = (Fixture::start(), tempfile::tempdir().unwrap());
    let file = others.path().join("trusted.pem");
    let strange = certificates(others.path());
    fs::copy(&fixture.tls.ca, &file).unwrap();
    let url = fixture.url("localhost");
    let store = RedisStore::connect_with(&url, "test", &trusting(&file))
        .await
        .unwrap();
    fs::copy(&strange.ca, &file).unwrap();
    let error = again(&store, &fixture.redis).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    fs::copy(&fixture.tls.ca, &file).unwrap();
    again(&store, &fixture.redis).await.unwrap();
}
