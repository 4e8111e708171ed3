//! Requests that the store refuses: because of a key that no script of ours has written, or because of their contents.

use scheduled_one_protocol::message::{Claim, DueTick, Missed, OverdueRun, Verdict};
use scheduled_one_protocol::{Outcome, Store, StoreError, TickMs};
use test_support::RedisServer;

use crate::{
    beat, beside, caller, claim, claim_of, claims, is_refused, is_unavailable, next, open,
};

#[tokio::test]
async fn a_newer_protocol_is_refused_and_not_overwritten() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    redis
        .command(&["HSET", "so:{test}:meta", "ver", "7"])
        .unwrap();
    let error = claims(&store, &[claim("a", 1)]).await.unwrap_err();
    assert_eq!(error, StoreError::NewerProtocol { found: 7 });
    assert_eq!(
        redis.command(&["HGETALL", "so:{test}:meta"]).unwrap(),
        "ver\n7"
    );
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "1");
}

#[tokio::test]
async fn keys_of_other_types_are_named_and_nothing_is_half_done() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    beat(&store).await.unwrap();
    let missed = |unit: &str| {
        let missed = Missed {
            first: TickMs(1),
            last: TickMs(1),
            count: 1,
            outcome: Outcome::Missed,
            reason: String::new(),
        };
        let due = DueTick {
            missed: Some(missed),
            ..DueTick::new(TickMs(5))
        };
        claim_of(unit, due)
    };
    for (kind, key) in [
        ("a string, not a hash", "so:{test}:job:bad"),
        ("a string, not a stream", "so:{test}:log:bad"),
        ("a string, not a zset", "so:{test}:leases"),
        ("a string, not a hash", "so:{test}:meta"),
    ] {
        redis.command(&["SET", key, "x"]).unwrap();
        let batch = [missed("good"), missed("bad")];
        let claimed = claims(&store, &batch).await;
        match key.contains("bad") {
            true => is_refused(claimed, &[key, kind]),
            false => is_unavailable(claimed, &format!("{key} holds {kind}")),
        }
        assert_eq!(
            redis.command(&["EXISTS", "so:{test}:job:good"]).unwrap(),
            "0",
            "{key}"
        );
        assert_eq!(
            redis.command(&["EXISTS", "so:{test}:log:good"]).unwrap(),
            "0",
            "{key}"
        );
        redis.command(&["DEL", key]).unwrap();
    }
    redis.command(&["SET", "so:{test}:nodes", "x"]).unwrap();
    is_refused(beat(&store).await, &["so:{test}:nodes"]);
    redis.command(&["DEL", "so:{test}:nodes"]).unwrap();

    // A slot of a unit, and what is ready, are only looked at if need be.
    redis.command(&["SET", "so:{test}:job:bad~2", "x"]).unwrap();
    let batch = [claim("good", 5), beside("bad", 2)];
    is_refused(claims(&store, &batch).await, &["so:{test}:job:bad~2"]);
    redis.command(&["SET", "so:{test}:ready", "x"]).unwrap();
    is_unavailable(
        claims(&store, &[claim("good", 5), next("bad", 5)]).await,
        "so:{test}:ready",
    );
    let lost = OverdueRun {
        unit: "good".into(),
        nonce: String::new(),
        seq: 0,
        lease_ms: 0,
    };
    let written_off = store.write_off(&caller(), &[lost]).await;
    is_unavailable(written_off, "so:{test}:ready");
    is_unavailable(beat(&store).await, "so:{test}:ready");
    assert_eq!(
        redis.command(&["EXISTS", "so:{test}:job:good"]).unwrap(),
        "0"
    );
}

#[tokio::test]
async fn an_entry_of_ready_that_waits_for_nothing_goes_with_the_first_claim() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    redis
        .command(&["ZADD", "so:{test}:ready", "0", "a"])
        .unwrap();
    assert_eq!(beat(&store).await.unwrap().body.ready, ["a"]);
    redis
        .command(&["HSET", "so:{test}:job:a", "wait", ""])
        .unwrap();
    let claimed = claims(&store, &[next("a", 1)]).await.unwrap();
    assert_eq!(claimed[0].verdict, Verdict::QueueEmpty);
    assert!(!claimed[0].ready);
    assert_eq!(beat(&store).await.unwrap().body.ready, [""; 0]);
}

#[tokio::test]
async fn an_entry_of_leases_that_names_no_run_is_removed() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    redis.command(&["SET", "so:{test}:job:odd", "x"]).unwrap();
    for unit in ["gone", "odd"] {
        redis
            .command(&["ZADD", "so:{test}:leases", "1", unit])
            .unwrap();
    }
    assert_eq!(beat(&store).await.unwrap().body.overdue, []);
    assert_eq!(redis.command(&["ZCARD", "so:{test}:leases"]).unwrap(), "0");
}

#[tokio::test]
async fn what_cannot_be_said_exactly_is_refused_before_it_is_sent() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    is_refused(
        claims(&store, &[claim("a b", 1)]).await,
        &["a b", "names are"],
    );
    for unit in ["a#", "a~x", "a~1#1", "#1"] {
        is_refused(claims(&store, &[claim(unit, 1)]).await, &[unit]);
    }
    is_refused(claims(&store, &[beside("a", 257)]).await, &["257 slots"]);
    is_refused(claims(&store, &[beside("a~1", 32)]).await, &["a~1~1"]);
    is_refused(
        claims(&store, &[claim("a", (1 << 53) + 1)]).await,
        &["2^53"],
    );
    let many: Vec<Claim> = (0..257).map(|i| claim(&i.to_string(), 1)).collect();
    is_refused(claims(&store, &many).await, &["257"]);
    assert_eq!(claims(&store, &many[..256]).await.unwrap().len(), 256);
    assert_eq!(claims(&store, &[]).await.unwrap(), []);
}
