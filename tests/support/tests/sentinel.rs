//! Deployments with Sentinel serve, fail over, and lose the writes that a test chooses.

use std::time::Duration;

use test_support::{FaultProxy, RedisServer, Sentinel, wait_until};

const BOUND: Duration = Duration::from_secs(60);

#[test]
fn a_failover_makes_another_server_the_primary() {
    let sentinel = Sentinel::options()
        .login("ann", "secret")
        .sentinel_password("watchword")
        .start()
        .unwrap();
    let ports: Vec<String> = sentinel
        .sentinels()
        .iter()
        .map(|it| format!("127.0.0.1:{}", it.port()))
        .collect();
    assert_eq!(
        sentinel.url(),
        format!("redis+sentinel://ann:secret@{}/mymaster", ports.join(","))
    );
    assert!(!format!("{sentinel:?}").contains("secret"));
    let first = &sentinel.servers()[0];
    assert_eq!(sentinel.primary().unwrap().port(), first.port());
    first.command(&["SET", "key", "value"]).unwrap();
    sentinel.wait_settled().unwrap();

    let failover = sentinel.failover().unwrap();
    assert_eq!(failover.old.port(), first.port());
    assert_ne!(failover.new.port(), first.port());
    assert_eq!(failover.new.command(&["GET", "key"]).unwrap(), "value");
    sentinel.wait_settled().unwrap();
    assert_eq!(role(first), "slave");

    // Whoever is restarted comes back in the role that it has by now.
    first.restart().unwrap();
    assert_eq!(role(first), "slave");
    sentinel.sentinels()[0].restart().unwrap();
    sentinel.wait_settled().unwrap();
    assert_eq!(sentinel.primary().unwrap().port(), failover.new.port());
}

#[test]
fn a_failover_can_lose_the_last_writes() {
    let sentinel = Sentinel::start().unwrap();
    let first = sentinel.primary().unwrap();
    first.command(&["SET", "before", "1"]).unwrap();
    sentinel.wait_settled().unwrap();
    let failover = sentinel
        .fail_over_losing_writes(|| {
            let answer = first.command(&["SET", "during", "1"]).unwrap();
            assert_eq!(answer, "OK", "the primary acknowledges");
        })
        .unwrap();
    assert_eq!(failover.old.pid(), None, "the old primary is dead");
    assert_eq!(failover.new.command(&["GET", "before"]).unwrap(), "1");
    assert_eq!(failover.new.command(&["GET", "during"]).unwrap(), "(nil)");

    failover.old.restart().unwrap();
    sentinel.wait_settled().unwrap();
    assert_eq!(role(failover.old), "slave");
    assert_eq!(failover.old.command(&["GET", "before"]).unwrap(), "1");
}

#[test]
fn a_primary_that_was_frozen_becomes_a_replica() {
    let sentinel = Sentinel::options()
        .replicas(1)
        .min_replicas_to_write(1, Duration::from_secs(2))
        .start()
        .unwrap();
    let old = sentinel.primary().unwrap();
    old.freeze().unwrap();
    sentinel.sentinels()[1].freeze().unwrap(); // two are still a majority
    let new = sentinel.wait_for_failover(old).unwrap().new;
    let refusal = new.command(&["SET", "key", "value"]).unwrap_err();
    assert!(refusal.to_string().starts_with("NOREPLICAS"), "{refusal}");
    old.thaw().unwrap();
    sentinel.sentinels()[1].thaw().unwrap();
    sentinel.wait_settled().unwrap();
    assert_eq!(role(old), "slave");
    wait_until("the primary takes writes", BOUND, || {
        new.command(&["SET", "key", "value"]).is_ok()
    });
}

#[test]
fn servers_can_be_known_by_proxies() {
    let options = FaultProxy::options().spare_internal();
    let sentinel = Sentinel::options()
        .replicas(1)
        .proxied(options)
        .start()
        .unwrap();
    let proxies = sentinel.proxies();
    let master = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
    let known = |index: usize| format!("127.0.0.1\n{}", proxies[index].port());
    assert_eq!(sentinel.sentinels()[0].command(&master).unwrap(), known(0));
    // Clients get no answers; sentinels and replicas do.
    for proxy in proxies {
        proxy.lose_replies();
    }
    let failover = sentinel.failover().unwrap();
    sentinel.wait_settled().unwrap();
    assert_eq!(failover.new.port(), sentinel.servers()[1].port());
    assert_eq!(sentinel.sentinels()[0].command(&master).unwrap(), known(1));
    failover.old.restart().unwrap();
    sentinel.wait_settled().unwrap();
}

fn role(server: &RedisServer) -> String {
    let answer = server.command(&["ROLE"]).expect("a live server");
    answer.lines().next().unwrap_or_default().to_owned()
}
