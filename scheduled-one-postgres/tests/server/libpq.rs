//! What libpq knows: its variables, its files, sockets, several hosts with a password for each, client certificates.
//!
//! A program cannot change its own environment: a test starts this program again, with an environment.

#![allow(
    clippy::print_stdout,
    reason = "a service talks to its test by its output"
)]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use scheduled_one_postgres::{ConnectError, PostgresStore};
use scheduled_one_protocol::Store;
use test_support::PostgresServer;

use super::encryption::{certificates, encrypting_server, openssl, preflight};
use super::serving;

/// Set in the service: its URL.
const SERVICE: &str = "LIBPQ_TEST_SERVICE";

/// Runs `test` of this program as a service with nothing but these variables; returns its output.
fn run(test: &str, url: &str, variables: &[(&str, &Path)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env_clear();
    command.env(SERVICE, url).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// As a service, connects and prints what became of it.
async fn serve(url: &str) {
    let store = PostgresStore::new(url, "test").unwrap();
    match Store::preflight(&store).await {
        Ok(warnings) => println!("warnings: {warnings:?}"),
        Err(error) => return println!("refused: {error}"),
    }
    println!("serving: {}", serving(&store).await);
}

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A server with a socket in a folder, and the database `app`.
fn with_socket() -> (PostgresServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    // The server runs as another user.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let server = PostgresServer::options()
        .password("secret")
        .setting("unix_socket_directories", folder.path().to_str().unwrap())
        .start()
        .unwrap();
    server.sql("CREATE DATABASE app").unwrap();
    server.sql("ALTER SYSTEM SET log_connections = on").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    (server, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_libpq_is_enough_for_a_socket() {
    if let Ok(url) = env::var(SERVICE) {
        return serve(&url).await;
    }
    let test = "libpq::the_environment_of_libpq_is_enough_for_a_socket";
    let (server, folder) = with_socket();
    let [named, home] = ["named", "home"].map(|name| folder.path().join(name));
    fs::create_dir(&home).unwrap();
    // For a socket, the host of a line is localhost.
    let line = format!("localhost:{}:app:postgres:secret\n", server.port());
    secret(&named, &line);
    secret(&home.join(".pgpass"), &line);
    let port = server.port().to_string();
    let base = [
        ("PGHOST", folder.path()),
        ("PGPORT", Path::new(&port)),
        ("PGUSER", Path::new("postgres")),
        ("PGDATABASE", Path::new("app")),
        // Nothing is encrypted within a machine.
        ("PGSSLMODE", Path::new("require")),
        ("PGAPPNAME", Path::new("by-environment")),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let more = more.iter().map(|(name, value)| (*name, Path::new(*value)));
        base.into_iter().chain(more).collect::<Vec<_>>()
    };
    let text = run(test, "postgres://", &with(&[]));
    assert!(
        text.contains("refused: ") && text.contains("wants a password"),
        "{text}"
    );
    let file = [("PGPASSFILE", named.as_path())];
    let text = run(test, "postgres://", &[&base[..], &file].concat());
    assert!(text.contains("serving: "), "{text}");
    assert!(
        server.log().contains("application_name=by-environment"),
        "{}",
        server.log()
    );
    let text = run(
        test,
        "postgres://",
        &[&base[..], &[("HOME", home.as_path())]].concat(),
    );
    assert!(
        text.contains("serving: ") && text.contains("warnings: []"),
        "{text}"
    );
    // PGPASSWORD comes before a file, also before one that the URL names.
    let url = format!(
        "postgres:///app?host={}&passfile={}",
        folder.path().display(),
        named.display()
    );
    let text = run(test, &url, &base);
    assert!(text.contains("serving: "), "{text}");
    let text = run(test, &url, &with(&[("PGPASSWORD", "wrong")]));
    assert!(
        text.contains("refused: ") && text.contains("28P01"),
        "{text}"
    );
    // As libpq warns; it ignores such a file.
    fs::set_permissions(&named, fs::Permissions::from_mode(0o640)).unwrap();
    let text = run(test, &url, &base);
    assert!(text.contains("serving: "), "{text}");
    assert!(
        text.contains("chmod 600") && !text.contains("secret"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_has_a_password_and_the_primarys_refusal_is_the_error() {
    let primary = PostgresServer::options().password("first").start().unwrap();
    let standby = primary.standby().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    let ports = [&primary, &standby].map(PostgresServer::port);
    let url = |ports: [u16; 2]| {
        let [one, two] = ports;
        format!(
            "postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/postgres?passfile={}",
            file.display()
        )
    };
    let lines = |of_primary: &str| {
        let [primary, standby] = ports;
        secret(
            &file,
            &format!("*:{primary}:*:*:{of_primary}\n*:{standby}:*:*:first\n"),
        );
    };
    let refused = async |url: &str| {
        let store = PostgresStore::new(url, "test").unwrap();
        let error = Store::preflight(&store).await.unwrap_err();
        *error.cause.downcast::<ConnectError>().unwrap()
    };
    for ports in [ports, [ports[1], ports[0]]] {
        // The standby lets us in, and takes no writes.
        lines("wrong");
        let error = refused(&url(ports)).await;
        assert!(matches!(error, ConnectError::Login { .. }), "{error}");
        lines("first");
        serving(&PostgresStore::new(&url(ports), "test").unwrap()).await;
    }
    primary.kill().unwrap();
    let error = refused(&url(ports)).await;
    assert!(matches!(error, ConnectError::ReadOnly { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_a_login() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    for user in ["postgres", "stranger"] {
        let name = format!("/CN={user}");
        let (key, cert) = (format!("{user}.key"), format!("{user}.crt"));
        let request = [
            "req", "-x509", "-subj", &name, "-keyout", &key, "-out", &cert,
        ];
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key"];
        let no_authority = ["-addext", "basicConstraints=critical,CA:FALSE"];
        openssl(
            folder.path(),
            &[&request[..], &signed, &no_authority].concat(),
        );
    }
    let server = encrypting_server(folder.path());
    let authority = server.data().join("ca.pem");
    fs::copy(folder.path().join("ca.pem"), &authority).unwrap();
    fs::set_permissions(&authority, fs::Permissions::from_mode(0o644)).unwrap();
    let hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n";
    server
        .sql("ALTER SYSTEM SET ssl_ca_file = 'ca.pem'")
        .unwrap();
    fs::write(server.data().join("pg_hba.conf"), hba).unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    let url = |user: &str| {
        let [ca, cert, key] = [
            "ca.pem".to_owned(),
            format!("{user}.crt"),
            format!("{user}.key"),
        ]
        .map(|name| folder.path().join(name).display().to_string());
        let port = server.port();
        format!(
            "postgres://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={ca}&sslcert={cert}&sslkey={key}"
        )
    };
    let bare = url("postgres");
    let (bare, _) = bare.split_once("&sslcert").unwrap();
    // The server has read its new files.
    test_support::wait_until_async(
        "a certificate is wanted",
        std::time::Duration::from_secs(30),
        async || matches!(preflight(bare).await, Err(ConnectError::Login { .. })),
    )
    .await;
    preflight(&url("postgres")).await.unwrap();
    let error = preflight(&url("stranger")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Login { .. }), "{error}");
}
