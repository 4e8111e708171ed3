//! Each fault of the proxy affects the right connection at the right message.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use test_support::{FaultProxy, Matcher, RedisServer, Verdict, wait_until};

const BOUND: Duration = Duration::from_secs(20);

/// Time in which an answer would have come that must not come.
const SILENCE: Duration = Duration::from_millis(150);

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn passes_on_and_counts() {
    let redis = RedisServer::options().password("letmein").start().unwrap();
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    assert_eq!(
        proxy.url(&redis),
        format!("redis://:letmein@{}", proxy.addr())
    );
    let sets = proxy.count(Matcher::containing("SET").and("key"));
    let mut client = Client::of(&proxy);
    client.send("AUTH letmein\r\nSET key 1\r\nGET key\r\nSET other 1\r\n");
    client.expect("+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
    assert_eq!(sets.get(), 1);
    assert_eq!((proxy.requests(), proxy.replies()), (4, 4));
    assert_eq!((proxy.connections(), proxy.open_connections()), (1, 1));

    redis.restart().unwrap();
    client.expect_end();
    let mut client = Client::of(&proxy);
    client.send("AUTH letmein\r\n");
    client.expect("+OK\r\n");
}

#[test]
fn what_is_delayed_or_held_arrives_in_order_when_healed() {
    let redis = RedisServer::start().unwrap();
    let proxy = FaultProxy::options().seed(7).start(redis.port()).unwrap();
    let mut client = Client::of(&proxy);
    let fault = |at: u32| match at {
        0 => proxy.delay_requests(HOUR, 2 * HOUR),
        1 => proxy.delay_replies(HOUR, 2 * HOUR),
        2 => proxy.hold_requests(),
        _ => proxy.hold_replies(),
    };
    for at in 0..4 {
        fault(at);
        client.send("INCR counter\r\nINCR counter\r\n");
        client.expect_silence();
        let executed = if at % 2 == 0 { 2 * at } else { 2 * at + 2 };
        assert_eq!(counter(&redis), executed, "fault {at}");
        proxy.heal().unwrap();
        client.expect(&format!(":{}\r\n:{}\r\n", 2 * at + 1, 2 * at + 2));
    }
    proxy.delay_replies(Duration::from_millis(1), Duration::from_millis(3));
    client.send("PING\r\n");
    client.expect("+PONG\r\n");
}

#[test]
fn lost_replies_never_come_and_nothing_behind_them() {
    let redis = RedisServer::start().unwrap();
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let mut client = Client::of(&proxy);
    proxy.lose_replies();
    client.send("INCR counter\r\n");
    wait_until("it is executed", BOUND, || counter(&redis) == 1);
    client.expect_silence();
    proxy.heal().unwrap();
    client.expect_end();

    let mut client = Client::of(&proxy);
    proxy.lose_requests();
    client.send("INCR counter\r\n");
    client.expect_silence();
    assert_eq!(counter(&redis), 1);
    proxy.heal().unwrap();
    client.expect_end();
    assert_eq!(counter(&redis), 1);
}

#[test]
fn new_connections_are_turned_away() {
    let redis = RedisServer::start().unwrap();
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let mut old = Client::of(&proxy);
    old.ping();

    proxy.black_hole();
    let mut lost = Client::of(&proxy);
    lost.send("PING\r\n");
    lost.expect_silence();
    proxy.close_new();
    Client::of(&proxy).expect_end();
    proxy.refuse().unwrap();
    let refused = TcpStream::connect(proxy.addr()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    old.ping();

    proxy.heal().unwrap();
    lost.expect_end();
    old.ping();
    Client::of(&proxy).ping();
}

#[test]
fn connections_are_cut() {
    let redis = RedisServer::start().unwrap();
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let mut client = Client::of(&proxy);
    client.ping();
    proxy.cut();
    client.expect_end();
    let mut client = Client::of(&proxy);
    client.ping();

    proxy.churn(Duration::from_millis(50));
    client.expect_end();
    Client::of(&proxy).expect_end();
    proxy.heal().unwrap();
    let mut client = Client::of(&proxy);
    client.ping();
    drop(proxy);
    client.expect_end();
}

#[test]
fn acts_when_a_reply_has_arrived_and_is_not_delivered() {
    let redis = Arc::new(RedisServer::start().unwrap());
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let mut client = Client::of(&proxy);
    let (seen, executed) = mpsc::channel();
    let server = Arc::clone(&redis);
    let hook = proxy.on_reply(Matcher::containing("INCR").after(1), move || {
        seen.send(counter(&server)).unwrap();
        Verdict::Drop
    });
    client.send("SET text *1\r\nINCR counter\r\nGET text\r\n");
    client.expect("+OK\r\n:1\r\n$2\r\n*1\r\n");
    assert!(!hook.has_fired());
    // Frozen, so that all four are forwarded before the first reply comes.
    redis.freeze().unwrap();
    client.send("PING\r\nINCR counter\r\nINCR counter\r\nPING\r\n");
    wait_until("they are forwarded", BOUND, || proxy.requests() == 7);
    redis.thaw().unwrap();
    client.expect("+PONG\r\n");
    hook.wait(BOUND).unwrap();
    assert!(executed.recv().unwrap() >= 2);
    client.expect_silence();

    let mut other = Client::of(&proxy);
    other.send("INCR counter\r\n");
    other.expect(":4\r\n");
}

#[test]
fn acts_before_a_request_is_forwarded() {
    let redis = Arc::new(RedisServer::start().unwrap());
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let mut client = Client::of(&proxy);
    let server = Arc::clone(&redis);
    let freeze = proxy.on_request("INCR", move || {
        server.freeze().unwrap();
        Verdict::Deliver
    });
    client.send("INCR counter\r\n");
    freeze.wait(BOUND).unwrap();
    client.expect_silence();
    redis.thaw().unwrap();
    client.expect(":1\r\n");

    let cut = proxy.on_request("INCR", || Verdict::Cut);
    let delayed = proxy.on_request("GET", || Verdict::Delay(HOUR));
    client.send("PING\r\nGET counter\r\n");
    client.expect("+PONG\r\n");
    delayed.wait(BOUND).unwrap();
    client.expect_silence();
    proxy.heal().unwrap();
    client.expect("$1\r\n1\r\n");
    client.send("INCR counter\r\n");
    client.expect(":2\r\n");
    assert!(!cut.has_fired(), "healing forgets hooks");

    proxy.on_request(Matcher::any(), || Verdict::Cut);
    client.send("INCR counter\r\n");
    client.expect_end();
    assert_eq!(counter(&redis), 2);
}

#[test]
fn an_action_whose_reply_never_came_waits_for_the_next_one() {
    let redis = RedisServer::start().unwrap();
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let mut client = Client::of(&proxy);
    let hook = proxy.on_reply("BLPOP", || Verdict::Deliver);
    client.send("BLPOP list 0\r\n");
    wait_until("it blocks", BOUND, || {
        let info = redis.command(&["INFO", "clients"]);
        info.is_ok_and(|info| info.contains("blocked_clients:1"))
    });
    proxy.cut();
    client.expect_end();
    wait_until("it is gone", BOUND, || proxy.open_connections() == 0);
    assert!(!hook.has_fired());
    redis.command(&["RPUSH", "list", "x"]).unwrap();
    let mut client = Client::of(&proxy);
    client.send("BLPOP list 0\r\n");
    client.expect("*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    assert!(hook.has_fired());
}

#[test]
fn replication_passes_and_can_be_spared() {
    let primary = RedisServer::options()
        .args(["--repl-diskless-sync-delay", "0"])
        .start()
        .unwrap();
    let replica = RedisServer::start().unwrap();
    let proxy = FaultProxy::options()
        .spare_internal()
        .start(primary.port())
        .unwrap();
    proxy.lose_replies();
    let port = proxy.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let mut client = Client::of(&proxy);
    client.ping(); // it might be one of theirs still
    client.send("SET key 1\r\n");
    let replicated = |value: &str| {
        wait_until("it is replicated", BOUND, || {
            replica.command(&["GET", "key"]).is_ok_and(|it| it == value)
        });
    };
    replicated("1");
    client.expect_silence();
    primary.command(&["SET", "key", "2"]).unwrap();
    replicated("2");
}

struct Client(TcpStream);

impl Client {
    fn of(proxy: &FaultProxy) -> Self {
        Self(TcpStream::connect(proxy.addr()).expect("the proxy accepts"))
    }

    fn send(&mut self, requests: &str) {
        self.0.write_all(requests.as_bytes()).expect("it is sent");
    }

    fn ping(&mut self) {
        self.send("PING\r\n");
        self.expect("+PONG\r\n");
    }

    fn expect(&mut self, replies: &str) {
        self.0.set_read_timeout(Some(BOUND)).expect("a bound");
        let mut found = vec![0; replies.len()];
        self.0.read_exact(&mut found).expect(replies);
        assert_eq!(String::from_utf8_lossy(&found), replies);
    }

    fn expect_silence(&mut self) {
        self.0.set_read_timeout(Some(SILENCE)).expect("a bound");
        let found = self.0.read(&mut [0]);
        let timeout = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        let silent = matches!(&found, Err(error) if timeout.contains(&error.kind()));
        assert!(silent, "not silent but open: {found:?}");
    }

    fn expect_end(&mut self) {
        self.0.set_read_timeout(Some(BOUND)).expect("a bound");
        let found = self.0.read(&mut [0]);
        let reset = io::ErrorKind::ConnectionReset;
        let ended = matches!(&found, Ok(0)) || matches!(&found, Err(e) if e.kind() == reset);
        assert!(ended, "{found:?}");
    }
}

fn counter(redis: &RedisServer) -> u32 {
    let answer = redis.command(&["GET", "counter"]).expect("a live server");
    answer.parse().unwrap_or(0)
}
