//! Encrypted connections, with the levels of `sslmode`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use scheduled_one_postgres::{ConnectError, PostgresStore};
use scheduled_one_protocol::Store;
use test_support::{PostgresServer, wait_until, wait_until_async};

const BOUND: Duration = Duration::from_secs(20);

pub(crate) fn openssl(folder: &Path, args: &[&str]) {
    let output = Command::new("openssl")
        .args(args)
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-nodes", "-days", "2"])
        .current_dir(folder)
        .output()
        .expect("the openssl program");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args:?}: {text}");
}

/// An authority, and a certificate of it for `localhost`.
pub(crate) fn certificates(folder: &Path) {
    let request = ["req", "-x509", "-subj"];
    let authority = ["/CN=Authority", "-keyout", "ca.key", "-out", "ca.pem"];
    let use_of_it = ["-addext", "keyUsage=keyCertSign"];
    openssl(folder, &[&request[..], &authority, &use_of_it].concat());
    let server = [
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.crt",
    ];
    let signed = ["-CA", "ca.pem", "-CAkey", "ca.key"];
    let for_host = [
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    openssl(
        folder,
        &[&request[..], &server, &signed, &for_host].concat(),
    );
}

/// A certificate for `localhost` that has signed itself.
pub(crate) fn self_signed(folder: &Path, kind: &[&str]) {
    let request = ["req", "-x509", "-subj", "/CN=localhost"];
    let files = ["-keyout", "server.key", "-out", "server.crt"];
    let name = ["-addext", "subjectAltName=DNS:localhost"];
    openssl(folder, &[&request[..], &files, &name, kind].concat());
}

/// Gives the server the key and certificate of the folder, for the connections that it accepts from now on.
fn install(server: &PostgresServer, folder: &Path) {
    let data = server.data();
    let owner = fs::metadata(&data).unwrap();
    for name in ["server.key", "server.crt"] {
        let path = data.join(name);
        fs::copy(folder.join(name), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    server.sql("SELECT pg_reload_conf()").unwrap();
}

/// A server that encrypts, and takes nothing else from the network.
pub(crate) fn encrypting_server(folder: &Path) -> PostgresServer {
    let server = PostgresServer::start().unwrap();
    server.sql("ALTER SYSTEM SET ssl = on").unwrap();
    install(&server, folder);
    wait_until("the server encrypts", BOUND, || {
        server.sql("SHOW ssl").unwrap() == "on"
    });
    fs::write(
        server.data().join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 trust\n",
    )
    .unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    server
}

pub(crate) async fn preflight(url: &str) -> Result<(), ConnectError> {
    const TRIES: usize = 10;
    let mut tries = 0;
    loop {
        tries += 1;
        let store = PostgresStore::new(url, "test")?;
        let Err(error) = Store::preflight(&store).await else {
            return Ok(());
        };
        match *error.cause.downcast::<ConnectError>().unwrap() {
            // On a busy machine a handshake may take longer than a start waits.
            ConnectError::Unreachable { why, .. }
                if tries < TRIES && why.contains("took more than") => {}
            error => return Err(error),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sslmode_proves_what_libpq_says_it_proves() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = encrypting_server(folder.path());
    let ca = folder.path().join("ca.pem").display().to_string();
    let url = |host: &str, parameters: &str| {
        format!(
            "postgres://postgres@{host}:{}/postgres?{parameters}",
            server.port()
        )
    };
    let trusted = format!("sslrootcert={ca}");

    // The server wants encryption, and `prefer` gives it.
    preflight(&url("localhost", "sslmode=prefer"))
        .await
        .unwrap();
    preflight(&url("localhost", "sslmode=require"))
        .await
        .unwrap();
    preflight(&url("127.0.0.1", &format!("sslmode=verify-ca&{trusted}")))
        .await
        .unwrap();
    preflight(&url("localhost", &format!("sslmode=verify-full&{trusted}")))
        .await
        .unwrap();

    let refused = [
        // Another name than that of the certificate.
        url("127.0.0.1", &format!("sslmode=verify-full&{trusted}")),
        // An authority that the system does not know.
        url("localhost", "sslmode=verify-full"),
        url("localhost", "sslrootcert=system"),
    ];
    for url in refused {
        let error = preflight(&url).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Certificate { .. }),
            "{url}: {error}"
        );
    }
    let error = preflight(&url("localhost", "sslmode=disable"))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Login { .. }), "{error}");
    // Without a name, an authority of the system proves nothing.
    let error = PostgresStore::new(&url("localhost", "sslmode=verify-ca"), "test").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConnectError::BadUrl(_)), "{text}");
    assert!(text.contains("sslrootcert=FILE"), "{text}");
    let missing = url("localhost", "sslmode=verify-full&sslrootcert=/no/such/file");
    let error = preflight(&missing).await.unwrap_err().to_string();
    assert!(error.starts_with("sslrootcert: /no/such/file"), "{error}");
}

pub(crate) fn verified(server: &PostgresServer, host: &str, authorities: &Path) -> String {
    let (port, authorities) = (server.port(), authorities.display());
    format!(
        "postgres://postgres@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={authorities}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signed_itself_is_trusted_by_its_own_file() {
    // Most of them say that they are an authority: that is what `openssl req -x509` writes by default.
    for kind in [&[][..], &["-addext", "basicConstraints=critical,CA:FALSE"]] {
        let folder = tempfile::tempdir().unwrap();
        self_signed(folder.path(), kind);
        let server = encrypting_server(folder.path());
        let own = folder.path().join("server.crt");
        preflight(&verified(&server, "localhost", &own))
            .await
            .unwrap();
        // The name counts all the same, and so do the bytes.
        let other = tempfile::tempdir().unwrap();
        self_signed(other.path(), kind);
        let other = other.path().join("server.crt");
        for url in [
            verified(&server, "127.0.0.1", &own),
            verified(&server, "localhost", &other),
        ] {
            let error = preflight(&url).await.unwrap_err();
            assert!(matches!(error, ConnectError::Certificate { .. }), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificates_need_no_restart() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(old.path());
    certificates(new.path());
    let server = encrypting_server(old.path());
    let trusted = old.path().join("ca.pem");
    let store = PostgresStore::new(&verified(&server, "localhost", &trusted), "test").unwrap();
    let replies = async || Store::ledger(&store, "a", 1).await.is_ok();
    wait_until_async("the server replies", BOUND, replies).await;

    // Another authority has signed the server's certificate now.
    install(&server, new.path());
    let of_others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let refused = async || {
        server.sql(of_others).unwrap();
        let reply = Store::ledger(&store, "a", 1).await;
        reply.is_err_and(|error| error.to_string().contains("certificate"))
    };
    wait_until_async("the new certificate is refused", BOUND, refused).await;
    fs::copy(new.path().join("ca.pem"), &trusted).unwrap();
    wait_until_async("the new authority is trusted", BOUND, replies).await;
}
