//! Encrypted connections, with the levels of `sslmode`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use scheduled_one_postgres::{ConnectError, PostgresStore};
use scheduled_one_protocol::Store;
use test_support::{PostgresServer, wait_until};

const BOUND: Duration = Duration::from_secs(20);

fn openssl(folder: &Path, args: &[&str]) {
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
fn certificates(folder: &Path) {
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

/// A server that encrypts, and takes nothing else from the network.
fn encrypting_server(folder: &Path) -> PostgresServer {
    let server = PostgresServer::start().unwrap();
    let data = server.data();
    let owner = fs::metadata(&data).unwrap();
    for name in ["server.key", "server.crt"] {
        let path = data.join(name);
        fs::copy(folder.join(name), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    server.sql("ALTER SYSTEM SET ssl = on").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    wait_until("the server encrypts", BOUND, || {
        server.sql("SHOW ssl").unwrap() == "on"
    });
    fs::write(
        data.join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 trust\n",
    )
    .unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    server
}

async fn preflight(url: &str) -> Result<(), ConnectError> {
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
        url("localhost", "sslmode=verify-ca"),
        url("localhost", "sslmode=verify-full"),
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
    let missing = url("localhost", "sslmode=verify-full&sslrootcert=/no/such/file");
    let error = preflight(&missing).await.unwrap_err().to_string();
    assert!(error.starts_with("sslrootcert: /no/such/file"), "{error}");
}
