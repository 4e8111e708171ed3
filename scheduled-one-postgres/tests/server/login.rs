//! Logins that fail, and passwords that change.

use std::fs;

use scheduled_one_postgres::{ConnectError, PostgresStore};
use scheduled_one_protocol::Store;
use test_support::PostgresServer;

use super::{Database, serving};

async fn refused(url: &str) -> ConnectError {
    let store = PostgresStore::new(url, "test").unwrap();
    let error = Store::preflight(&store).await.unwrap_err();
    *error.cause.downcast::<ConnectError>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_file_is_read_for_each_connection() {
    let server = PostgresServer::options().password("first").start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    let place = format!("postgres@127.0.0.1:{}/postgres", server.port());
    let url = format!("postgres://{place}?passfile={}", file.display());

    let error = refused(&url).await;
    assert!(matches!(error, ConnectError::BadFile { .. }), "{error}");
    fs::write(&file, "*:*:*:postgres:wrong\n").unwrap();
    let error = refused(&url).await;
    assert!(matches!(error, ConnectError::Login { .. }), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    fs::write(&file, "*:*:*:somebody:first\n").unwrap();
    let error = refused(&url).await;
    assert!(error.to_string().contains("wants a password"), "{error}");

    fs::write(&file, "*:*:*:postgres:first\n").unwrap();
    let store = PostgresStore::new(&url, "test").unwrap();
    serving(&store).await;
    // The new password is in the file before the old connections end.
    server.sql("ALTER ROLE postgres PASSWORD 'second'").unwrap();
    fs::write(&file, "*:*:*:postgres:second\n").unwrap();
    let other = Store::open(&store, scheduled_one_protocol::Bucket::WHOLE);
    other.inspect(&super::caller(), &[]).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let database = Database::new();
    let missing = database.url().replace(&database.name, "no_such_database");
    let error = refused(&missing).await;
    assert!(matches!(error, ConnectError::Login { .. }), "{error}");
    assert!(error.to_string().contains("no_such_database"), "{error}");

    let error = refused("postgres://ann:secret@127.0.0.1:1/app").await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1:1/app") && !text.contains("secret"),
        "{text}"
    );

    let url = format!("{}?sslmode=require", database.url());
    let error = refused(&url).await;
    assert!(matches!(error, ConnectError::Certificate { .. }), "{error}");
}
