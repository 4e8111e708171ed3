//! Several hosts: a primary that hangs, one that was replaced and comes back, and a disk that was set back.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::message::Heartbeat;
use test_support::{PostgresServer, wait_until_async};
use tokio::task::JoinSet;

use super::{caller, registration, serving, unavailable};

const BOUND: Duration = Duration::from_secs(60);

/// A store with the hosts of both servers.
fn of_both(primary: &PostgresServer, standby: &PostgresServer) -> PostgresStore {
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    PostgresStore::new(&format!("postgres://postgres@{hosts}/postgres"), "test").unwrap()
}

/// Sends requests at the same time until the handle has so many connections.
async fn warm_up(store: &Arc<PostgresStore>, server: &PostgresServer, connections: &str) {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scheduled-one'";
    wait_until_async("the handle has its connections", BOUND, async || {
        let mut requests = JoinSet::new();
        for _ in 0..16 {
            let store = Arc::clone(store);
            requests.spawn(async move { store.ledger("a", 1).await.is_ok() });
        }
        requests.join_all().await;
        server.sql(count).unwrap() == connections
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_primary_is_waited_for_once_and_not_by_each_connection() {
    let primary = PostgresServer::start().unwrap();
    let standby = primary.standby().unwrap();
    let store = Arc::new(of_both(&primary, &standby));
    let first = serving(&store).await;
    warm_up(&store, &primary, "8").await;
    primary.freeze().unwrap();
    standby.promote().unwrap();
    let mut waited = 0;
    wait_until_async("the promoted one is used", BOUND, async || {
        waited += 1;
        let reply = store.register(&caller(), &[registration("a")]).await;
        reply.is_ok_and(|reply| reply.head.serving != first)
    })
    .await;
    // One, and one or two more on a machine that is so busy that the standby does not reply in time either.
    assert!(waited <= 4, "{waited} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_replaced_and_comes_back_gets_no_requests() {
    let primary = PostgresServer::start().unwrap();
    let standby = primary.standby().unwrap();
    let store = of_both(&primary, &standby);
    let first = serving(&store).await;
    primary.freeze().unwrap();
    standby.promote().unwrap();
    let is_second = async || {
        let reply = store.heartbeat(&caller(), Heartbeat::alive()).await;
        reply.is_ok_and(|reply| reply.head.serving != first)
    };
    wait_until_async("the promoted one is used", BOUND, is_second).await;
    // Nobody fences the first, and the second is away for a moment.
    primary.thaw().unwrap();
    standby.kill().unwrap();
    let register = async || store.register(&caller(), &[registration("a")]).await;
    wait_until_async("the first is reached, and refused", BOUND, async || {
        unavailable(register().await).contains("a primary that was replaced")
    })
    .await;
    let count = "SELECT count(*) FROM scheduled_one.unit";
    assert_eq!(primary.sql(count).unwrap(), "0");
    standby.restart().unwrap();
    wait_until_async("the second is used again", BOUND, is_second).await;
    register().await.unwrap();
    assert_eq!(primary.sql(count).unwrap(), "0");
    assert_eq!(standby.sql(count).unwrap(), "1");
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_set_back_to_a_snapshot_is_another_history() {
    let server = PostgresServer::start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    let other = PostgresStore::new(&server.url(), "test").unwrap();
    let first = serving(&store).await;
    let (data, snapshot) = (server.data(), server.data().with_file_name("snapshot"));
    server.kill().unwrap();
    copy(&data, &snapshot);
    server.restart().unwrap();
    for store in [&store, &other] {
        assert_eq!(serving_again(store).await, first);
    }
    let units: Vec<_> = (0..100)
        .map(|unit| registration(&format!("unit-{unit}")))
        .collect();
    store.register(&caller(), &units).await.unwrap();
    serving(&other).await;

    server.kill().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&snapshot, &data);
    server.restart().unwrap();
    let second = serving_again(&store).await;
    assert_ne!(second, first, "the units are forgotten");
    // One loss, whoever sees it, and those who start later.
    let late = PostgresStore::new(&server.url(), "test").unwrap();
    for store in [&other, &late, &store] {
        assert_eq!(serving_again(store).await, second);
    }
    server.kill().unwrap();
    server.restart().unwrap();
    assert_eq!(serving_again(&store).await, second);
}

/// The identity after a restart, which ended the connections.
async fn serving_again(store: &PostgresStore) -> String {
    let mut serving = String::new();
    wait_until_async("the connections are new", BOUND, async || {
        let reply = store.heartbeat(&caller(), Heartbeat::alive()).await;
        let found = reply.map(|reply| reply.head.serving);
        serving = found.clone().unwrap_or_default();
        found.is_ok()
    })
    .await;
    serving
}
