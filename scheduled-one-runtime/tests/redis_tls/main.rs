//! `rediss://` against a real server with certificates of our own.
//!
//! Options or the environment say which authorities are trusted. A program cannot change its own environment: tests of
//! the environment start this program again, with the name of one test and an environment in which that test is the
//! client.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod client_certificates;
mod names;
mod provider;
mod trust;

use std::env;
use std::path::Path;
use std::process::Command;

use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_redis::{ConnectError, RedisStore};
use test_support::{RedisServer, Tls};

/// Environment variable with the URL that a started client connects to.
const URL: &str = "SCHEDULED_ONE_TEST_TLS_URL";

/// Runs `openssl` in a folder.
fn openssl(dir: &Path, args: &str) {
    let output = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(dir)
        .output()
        .expect("the openssl program");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args}: {text}");
}

/// Arguments of `openssl req` that make a key and a certificate, the files `name.key` and `name.pem`.
fn certificate(name: &str) -> String {
    format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {name}.key \
         -out {name}.pem"
    )
}

/// Makes an authority, and a certificate of that authority for `localhost` only.
fn certificates(dir: &Path) -> Tls {
    let (authority, server) = (certificate("ca"), certificate("server"));
    openssl(
        dir,
        &format!("{authority} -subj /CN=Authority -addext keyUsage=keyCertSign"),
    );
    openssl(
        dir,
        &format!(
            "{server} -subj /CN=localhost -CA ca.pem -CAkey ca.key -addext subjectAltName=DNS:localhost \
             -addext basicConstraints=critical,CA:FALSE"
        ),
    );
    Tls {
        cert: dir.join("server.pem"),
        key: dir.join("server.key"),
        ca: dir.join("ca.pem"),
    }
}

/// Makes a certificate for `localhost` that has signed itself, as `openssl req -x509` does, with more arguments.
fn self_signed(dir: &Path, more: &str) -> Tls {
    let server = certificate("self");
    let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost";
    openssl(dir, format!("{server} {name} {more}").trim());
    let cert = dir.join("self.pem");
    Tls {
        ca: cert.clone(),
        cert,
        key: dir.join("self.key"),
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
        Self::with(tls, dir)
    }

    fn with(tls: Tls, dir: tempfile::TempDir) -> Self {
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

    /// The URL of the TLS port.
    fn url(&self, host: &str) -> String {
        let port = self.redis.tls_port().unwrap();
        format!("rediss://:hunter2@{host}:{port}")
    }

    /// Runs `test` of this program as the client; it must succeed.
    fn other_part(&self, test: &str, host: &str, trust: Option<&Path>) {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", test, "--nocapture"])
            .env(URL, self.url(host))
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
            margin_ms: 0,
            ledger_limit: 5,
            buckets: 1,
        };
        let store = result.unwrap();
        store.heartbeat(&caller, Heartbeat::alive()).await.unwrap();
        store
            .open(Bucket::WHOLE)
            .heartbeat(&caller, Heartbeat::alive())
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

/// Many deployments leave a variable empty that they do not set.
#[tokio::test]
async fn an_empty_variable_names_no_authorities() {
    if let Some(result) = connect().await {
        let error = result.unwrap_err();
        let text = error.to_string();
        // The authorities of the system were read: they do not include ours.
        assert!(matches!(error, ConnectError::Certificate { .. }), "{text}");
        assert!(text.contains("UnknownIssuer"), "{text}");
        return;
    }
    let fixture = Fixture::start();
    for blank in ["", " \n"] {
        let test = "an_empty_variable_names_no_authorities";
        fixture.other_part(test, "localhost", Some(Path::new(blank)));
    }
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
