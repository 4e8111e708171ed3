//! `rediss://` against a real server with certificates of our own.
//!
//! Options or the environment say which authorities are trusted. A program cannot change its own environment: tests of
//! the environment start this program again, with the name of one test and an environment in which that test is the
//! client.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod client_certificates;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_redis::{ConnectError, RedisStore};
use test_support::{RedisServer, Tls};

/// Environment variable with the URL that a started client connects to.
const URL: &str = "SCHEDULED_ONE_TEST_TLS_URL";

/// Makes an authority, and a certificate of that authority for `localhost` only.
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

    /// Runs `test` of this program as the client; it must succeed.
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

/// In a started client: the result of connecting. In the test itself: `None`.
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
