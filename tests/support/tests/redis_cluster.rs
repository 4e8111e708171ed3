//! A Redis Cluster serves, fails over, moves hash slots, and loses the writes that a test chooses.

use test_support::{FaultProxy, RedisCluster, RedisServer, key_slot};

#[test]
fn a_failover_changes_the_owner_of_a_key() {
    let cluster = RedisCluster::options()
        .login("ann", "secret")
        .start()
        .unwrap();
    let ports: Vec<String> = cluster.servers()[..3]
        .iter()
        .map(|it| format!("127.0.0.1:{}", it.port()))
        .collect();
    assert_eq!(
        cluster.url(),
        format!("redis+cluster://ann:secret@{}", ports.join(","))
    );
    assert!(!format!("{cluster:?}").contains("secret"));
    for key in ["a", "b", "{tag}key"] {
        let slot = cluster.servers()[0].command(&["CLUSTER", "KEYSLOT", key]);
        assert_eq!(slot.unwrap(), key_slot(key).to_string());
    }
    let first = cluster.owner_of("key").unwrap();
    first.command(&["SET", "key", "value"]).unwrap();

    let failover = cluster.fail_over("key").unwrap();
    assert_eq!(failover.old.port(), first.port());
    assert_ne!(failover.new.port(), first.port());
    cluster.wait_settled().unwrap();
    assert_eq!(failover.new.command(&["GET", "key"]).unwrap(), "value");
    let moved = first.command(&["GET", "key"]).unwrap_err().to_string();
    assert!(moved.starts_with("MOVED"), "{moved}");

    failover.new.kill().unwrap();
    let back = cluster.wait_for_failover("key", failover.new).unwrap();
    assert_eq!(back.new.port(), first.port());
    assert_eq!(first.command(&["GET", "key"]).unwrap(), "value");
    failover.new.restart().unwrap();
    cluster.wait_settled().unwrap();
}

#[test]
fn a_failover_can_lose_the_last_writes() {
    let cluster = RedisCluster::start().unwrap();
    let first = cluster.owner_of("{t}").unwrap();
    first.command(&["SET", "{t}before", "1"]).unwrap();
    cluster.wait_settled().unwrap();
    let failover = cluster
        .fail_over_losing_writes("{t}", || {
            let answer = first.command(&["SET", "{t}during", "1"]).unwrap();
            assert_eq!(answer, "OK", "the primary acknowledges");
        })
        .unwrap();
    assert_eq!(failover.new.command(&["GET", "{t}before"]).unwrap(), "1");
    assert_eq!(
        failover.new.command(&["GET", "{t}during"]).unwrap(),
        "(nil)"
    );
    first.restart().unwrap();
    cluster.wait_settled().unwrap();
    assert_eq!(cluster.replicas_of(failover.new).unwrap().len(), 1);
}

#[test]
fn a_slot_moves_in_steps() {
    let cluster = RedisCluster::options().password("letmein").start().unwrap();
    let from = cluster.owner_of("{t}").unwrap();
    for key in ["{t}1", "{t}2", "{t}3"] {
        from.command(&["SET", key, "value"]).unwrap();
    }
    let mut primaries = cluster.servers()[..3].iter();
    let to = primaries.find(|it| it.port() != from.port()).unwrap();
    let migration = cluster.migrate_slot(key_slot("{t}"), to).unwrap();
    assert_eq!(migration.from().port(), from.port());
    assert_eq!(error_of(to, "{t}1"), "MOVED");

    migration.begin().unwrap();
    assert_eq!(error_of(from, "{t}none"), "ASK");
    assert_eq!(migration.move_keys(2).unwrap(), 2);
    assert_eq!(from.command(&["DBSIZE"]).unwrap(), "1");
    assert_eq!(cluster.owner_of("{t}").unwrap().port(), from.port());

    migration.finish().unwrap();
    assert_eq!(cluster.owner_of("{t}").unwrap().port(), to.port());
    assert_eq!(to.command(&["DBSIZE"]).unwrap(), "3");
    assert_eq!(error_of(from, "{t}1"), "MOVED");
    cluster.wait_settled().unwrap();
}

#[test]
fn nodes_can_be_known_by_proxies() {
    let cluster = RedisCluster::options()
        .proxied(FaultProxy::options())
        .start()
        .unwrap();
    let owner = cluster.owner_of("key").unwrap();
    let mut servers = cluster.servers().iter();
    let index = servers.position(|it| it.port() == owner.port()).unwrap();
    let other = &cluster.servers()[(index + 1) % 3];
    let moved = other.command(&["GET", "key"]).unwrap_err().to_string();
    let port = cluster.proxies()[index].port();
    assert!(moved.ends_with(&format!("127.0.0.1:{port}")), "{moved}");
    assert!(cluster.url().contains(&format!("127.0.0.1:{port}")));
    cluster.fail_over("key").unwrap();
    cluster.wait_settled().unwrap();
}

fn error_of(server: &RedisServer, key: &str) -> String {
    let error = server.command(&["GET", key]).expect_err("a redirection");
    let text = error.to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}
