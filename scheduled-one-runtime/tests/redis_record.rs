//! Ledger lines of runs without a claim: a store that takes no writes for now is unavailable, and a ledger that is
//! damaged loses its own lines only.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use scheduled_one_protocol::message::{Caller, Heartbeat, Recorded};
use scheduled_one_protocol::{LedgerRecord, Outcome, Store, StoreError, TickMs};
use scheduled_one_redis::RedisStore;
use test_support::RedisServer;

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 5,
        buckets: 1,
    }
}

fn line(unit: &str) -> LedgerRecord {
    LedgerRecord {
        unit: unit.into(),
        tick: TickMs(1),
        last_tick: TickMs(1),
        count: 1,
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        node: "Node".into(),
        identity: None,
        token: None,
        attempt: Some(1),
        fired_at_ms: Some(1),
        ended_at_ms: 1,
        error: String::new(),
        cause: None,
        actor: String::new(),
        request: String::new(),
    }
}

async fn open(redis: &RedisServer) -> RedisStore {
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    // The namespace is known: a line is the first thing that a request writes.
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    store
}

/// A ledger whose ids are used up takes no line any more.
fn use_up(redis: &RedisServer, job: &str) {
    let (key, last) = (format!("so:{{test}}:log:{job}"), u64::MAX);
    let last = format!("{last}-{last}");
    redis.command(&["XADD", &key, &last, "a", "b"]).unwrap();
}

#[tokio::test]
async fn a_store_that_takes_no_writes_now_is_unavailable() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    for (setting, bad, good, code) in [
        ("maxmemory", "1", "0", "OOM"),
        ("min-replicas-to-write", "1", "0", "NOREPLICAS"),
    ] {
        redis.command(&["CONFIG", "SET", setting, bad]).unwrap();
        let error = store.record(&caller(), &[line("a"), line("b")]).await;
        let error = error.unwrap_err();
        let named = matches!(&error, StoreError::Unavailable(text) if text.contains(code));
        assert!(named, "{error:?}");
        redis.command(&["CONFIG", "SET", setting, good]).unwrap();
        assert_eq!(store.ledger("a", 9).await.unwrap(), []);
    }
    // So they are sent again, and not lost.
    let lines = [line("a"), line("b")];
    let reply = store.record(&caller(), &lines).await.unwrap();
    assert_eq!(reply.body, [Recorded::Written, Recorded::Written]);
    assert_eq!(store.ledger("a", 9).await.unwrap(), lines[..1]);
}

#[tokio::test]
async fn the_right_to_write_lines_is_named_and_they_are_kept() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    let reply = store.record(&caller(), &[line("a")]).await.unwrap();
    assert_eq!(reply.body, [Recorded::Written]);
    redis
        .command(&["ACL", "SETUSER", "default", "-xadd"])
        .unwrap();
    let error = store.record(&caller(), &[line("a")]).await.unwrap_err();
    let named = matches!(&error, StoreError::Unavailable(text) if text.contains("missing: +xadd"));
    assert!(named, "{error:?}");
}

#[tokio::test]
async fn a_line_beside_one_that_cannot_be_written_is_written_once() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    use_up(&redis, "bad");
    let lines = [line("a"), line("bad"), line("b")];
    let reply = store.record(&caller(), &lines).await.unwrap();
    let [Recorded::Written, Recorded::Lost(why), Recorded::Written] = &reply.body[..] else {
        panic!("{reply:?}");
    };
    assert!(why.contains("so:{test}:log:bad takes no line"), "{why}");
    for line in [&lines[0], &lines[2]] {
        let written = store.ledger(&line.unit, 9).await.unwrap();
        assert_eq!(written, std::slice::from_ref(line));
    }
    // Where none is written, nothing is written twice by another try.
    let error = store.record(&caller(), &lines[1..2]).await.unwrap_err();
    let named = matches!(&error, StoreError::Refused(text) if text.contains("log:bad"));
    assert!(named, "{error:?}");
}
