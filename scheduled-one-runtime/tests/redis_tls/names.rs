//! Servers that name addresses which the certificates do not have: nodes of a cluster, and sentinels.

use std::net::TcpListener;
use std::time::Duration;

use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use test_support::{RedisServer, wait_until, wait_until_async};

use crate::certificates;
use crate::client_certificates::{connect_in_time, strict, strict_sentinel};

/// Longest wait, on a machine that is busy.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_node_that_names_an_address_is_named_with_the_setting_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let tls = certificates(dir.path());
    // The default port of the cluster bus may be above 65535.
    let bus = TcpListener::bind("127.0.0.1:0").unwrap();
    let bus_port = bus.local_addr().unwrap().port().to_string();
    drop(bus);
    let redis = RedisServer::options()
        .tls(tls.clone())
        .args(["--cluster-enabled", "yes", "--cluster-port", &bus_port])
        .args(["--cluster-announce-ip", "127.0.0.1", "--tls-cluster", "yes"])
        .start()
        .unwrap();
    redis
        .command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .unwrap();
    wait_until("the cluster serves", BOUND, || {
        let info = redis.command(&["CLUSTER", "INFO"]);
        info.is_ok_and(|info| info.contains("cluster_state:ok"))
    });
    let options = ConnectOptions::default().tls_ca_file(&tls.ca);
    let port = redis.tls_port().unwrap();
    let url = format!("rediss+cluster://localhost:{port}");

    let error = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConnectError::Certificate { .. }), "{text}");
    for words in [
        format!("127.0.0.1:{port} (named by the node localhost:{port} as the owner of hash slot"),
        "`cluster-announce-hostname`".to_owned(),
        "`cluster-preferred-endpoint-type hostname`".to_owned(),
    ] {
        assert!(text.contains(&words), "{words} not in: {text}");
    }

    // What it says helps.
    for setting in [
        ["cluster-announce-hostname", "localhost"],
        ["cluster-preferred-endpoint-type", "hostname"],
    ] {
        redis
            .command(&["CONFIG", "SET", setting[0], setting[1]])
            .unwrap();
    }
    wait_until_async("the name is used", BOUND, async || {
        RedisStore::connect_with(&url, "test", &options)
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_sentinel_that_names_an_address_is_named_with_the_setting_to_change() {
    let (fixture, _) = strict();
    let tls = &fixture.tls;
    let options = ConnectOptions::default()
        .tls_ca_file(&tls.ca)
        .tls_client_cert(&tls.cert, &tls.key);
    let named = fixture.redis.tls_port().unwrap();
    let port = strict_sentinel(tls, "127.0.0.1", named).await;
    let url = format!("rediss+sentinel://localhost:{port}/mymaster");
    let error = connect_in_time(&url, &options).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConnectError::Certificate { .. }), "{text}");
    for words in [
        format!(
            "127.0.0.1:{named} (named by the sentinel localhost:{port} as the master mymaster)"
        ),
        "`sentinel resolve-hostnames yes`".to_owned(),
    ] {
        assert!(text.contains(&words), "{words} not in: {text}");
    }
}
