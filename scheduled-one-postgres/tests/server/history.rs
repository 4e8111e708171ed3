//! The identity of the history that a server serves.

use scheduled_one_postgres::{ConnectError, PostgresStore};
use scheduled_one_protocol::Store;
use test_support::PostgresServer;

use super::{caller, registration, serving};

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_the_same_and_a_promoted_standby_is_another() {
    let primary = PostgresServer::start().unwrap();
    let store = PostgresStore::new(&primary.url(), "test").unwrap();
    let first = serving(&store).await;
    primary.kill().unwrap();
    primary.restart().unwrap();
    assert_eq!(serving(&store).await, first, "what was committed is there");

    let standby = primary.standby().unwrap();
    let of_standby = PostgresStore::new(&standby.url(), "test").unwrap();
    let error = Store::preflight(&of_standby).await.unwrap_err();
    let error = error.cause.downcast::<ConnectError>().unwrap();
    assert!(matches!(*error, ConnectError::ReadOnly { .. }), "{error}");

    // Of several servers, the one that takes writes is used.
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port());
    let both =
        PostgresStore::new(&format!("postgres://postgres@{hosts}/postgres"), "test").unwrap();
    assert_eq!(serving(&both).await, first);
    primary.kill().unwrap();
    standby.promote().unwrap();
    // The connections to the primary are gone, which may cost a request.
    let second = match both.register(&caller(), &[registration("a")]).await {
        Ok(reply) => reply.head.serving,
        Err(_) => serving(&both).await,
    };
    assert_ne!(second, first);
    assert_eq!(second.split(':').next(), first.split(':').next());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fsync_each_restart_is_another_history() {
    let server = PostgresServer::options()
        .setting("fsync", "off")
        .start()
        .unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    let warnings = Store::preflight(&store).await.unwrap();
    assert!(
        warnings.iter().any(|warning| warning.check == "fsync"),
        "{warnings:?}"
    );
    let first = serving(&store).await;
    server.kill().unwrap();
    server.restart().unwrap();
    assert_ne!(serving(&store).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hides_its_timeline_is_known_by_its_start() {
    let server = PostgresServer::start().unwrap();
    server
        .sql("CREATE ROLE jobs LOGIN; GRANT CREATE ON DATABASE postgres TO jobs")
        .unwrap();
    server
        .sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        .unwrap();
    let store = PostgresStore::new(&server.url_of("jobs"), "test").unwrap();
    let first = serving(&store).await;
    assert!(first.starts_with("start:"), "{first}");
    assert_eq!(serving(&store).await, first);
    server.kill().unwrap();
    server.restart().unwrap();
    assert_ne!(serving(&store).await, first);
}
