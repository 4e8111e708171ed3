//! The identity of the history that a server serves.

use scheduled_one_postgres::{ConnectError, PostgresStore};
use std::time::Duration;

use scheduled_one_protocol::{Store, StoreError};
use test_support::{PostgresServer, wait_until, wait_until_async};

use super::{caller, registration, serving};

const BOUND: Duration = Duration::from_secs(30);

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

/// A primary and a standby that has each commit before it is acknowledged.
fn synchronous_pair() -> (PostgresServer, PostgresServer) {
    let primary = PostgresServer::start().unwrap();
    let standby = primary.standby().unwrap();
    primary
        .sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        .unwrap();
    primary.sql("SELECT pg_reload_conf()").unwrap();
    wait_until("the standby is synchronous", BOUND, || {
        let state = primary.sql("SELECT sync_state FROM pg_stat_replication");
        state.is_ok_and(|state| state == "sync")
    });
    (primary, standby)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_synchronous_standby_does_not_have_is_not_acknowledged() {
    let (primary, standby) = synchronous_pair();
    let store = PostgresStore::new(&primary.url(), "test").unwrap();
    serving(&store).await;
    standby.freeze().unwrap();
    let unit = [registration("a")];
    let refused = async || {
        let error = store.register(&caller(), &unit).await.unwrap_err();
        assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
        assert!(error.to_string().contains("wait for a standby"), "{error}");
    };
    refused().await;
    // Then the row is there for all to see, and the standby lacks it.
    primary.kill().unwrap();
    primary.restart().unwrap();
    let count = "SELECT count(*) FROM scheduled_one.unit";
    assert_eq!(primary.sql(count).unwrap(), "1");
    wait_until_async("the connections are new", BOUND, async || {
        let reply = store.ledger("a", 1).await;
        reply.is_ok()
    })
    .await;
    refused().await;
    standby.thaw().unwrap();
    wait_until_async("the store is back", BOUND, async || {
        let unit = [registration("a")];
        store.register(&caller(), &unit).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_stands_still_is_left_for_the_one_that_was_promoted() {
    let primary = PostgresServer::start().unwrap();
    let standby = primary.standby().unwrap();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let store =
        PostgresStore::new(&format!("postgres://postgres@{hosts}/postgres"), "test").unwrap();
    let first = serving(&store).await;
    // It still takes connections, and says nothing.
    primary.freeze().unwrap();
    standby.promote().unwrap();
    wait_until_async("the promoted one is found", BOUND, async || {
        let unit = [registration("a")];
        let reply = store.register(&caller(), &unit).await;
        reply.is_ok_and(|reply| reply.head.serving != first)
    })
    .await;
}
