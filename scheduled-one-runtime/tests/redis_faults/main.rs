//! Requests while Redis, its data or the caller misbehaves: each fails with the right class of error, and the next
//! call recovers.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod refused;

use std::time::Duration;

use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, ControlRequest, DueTick, Heartbeat, HeartbeatReply, LowerBounds,
    Overlap, Reply, Target, Verdict,
};
use scheduled_one_protocol::{ALL_JOBS, Bucket, Directive, Pause, Store, StoreError, TickMs};
use scheduled_one_redis::{ANSWER_TIMEOUT, RedisStore};
use test_support::{RedisServer, wait_until_async};

const BOUND: Duration = Duration::from_secs(10);

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

fn claim(unit: &str, tick_ms: i64) -> Claim {
    claim_of(unit, DueTick::new(TickMs(tick_ms)))
}

/// A claim of the tick 5 under `allow(most)`.
fn beside(unit: &str, most: u32) -> Claim {
    let due = DueTick {
        overlap: Overlap::Allow(most),
        ..DueTick::new(TickMs(5))
    };
    claim_of(unit, due)
}

fn claim_of(unit: &str, due: DueTick) -> Claim {
    Claim {
        unit: unit.into(),
        nonce: format!("{unit} {}", due.tick),
        valid_until_ms: i64::MAX >> 12,
        lease_ms: 5_000,
        takeovers: 0,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        target: Target::Tick(due),
        with_lane: false,
    }
}

/// A claim of the first waiting tick.
fn next(unit: &str, oldest_ms: i64) -> Claim {
    Claim {
        target: Target::Queued {
            oldest: TickMs(oldest_ms),
        },
        ..claim(unit, oldest_ms)
    }
}

async fn open(redis: &RedisServer) -> RedisStore {
    RedisStore::connect(&redis.url(), "test").await.unwrap()
}

async fn beat(store: &dyn Store) -> Result<Reply<HeartbeatReply>, StoreError> {
    store.heartbeat(&caller(), Heartbeat::alive()).await
}

async fn claims(store: &RedisStore, claims: &[Claim]) -> Result<Vec<Claimed>, StoreError> {
    Ok(store.claim(&caller(), claims).await?.body)
}

/// The number of client connections, without the connection of this question.
fn connections(redis: &RedisServer) -> usize {
    redis.command(&["CLIENT", "LIST"]).unwrap().lines().count() - 1
}

/// Asserts that a request failed as if the store were away: a key is damaged that all jobs need.
fn is_unavailable(result: Result<impl std::fmt::Debug, StoreError>, word: &str) {
    let named = matches!(&result, Err(StoreError::Unavailable(text)) if text.contains(word));
    assert!(named, "{result:?}");
}

fn is_refused(result: Result<impl std::fmt::Debug, StoreError>, words: &[&str]) {
    match result {
        Err(StoreError::Refused(text)) => {
            for word in words {
                assert!(text.contains(word), "{word} not in: {text}");
            }
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    beat(&store).await.unwrap();
    redis.command(&["SCRIPT", "FLUSH"]).unwrap();
    beat(&store).await.unwrap();
    assert_eq!(
        connections(&redis),
        1,
        "NOSCRIPT is no reason to connect again"
    );
}

#[tokio::test]
async fn a_pause_holds_although_somebody_deletes_the_version_of_the_directives() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    let pause = Pause {
        since_ms: 1,
        until_ms: None,
    };
    let seen = Directive {
        version: 7,
        pause: Some(pause),
        ..Directive::default()
    };
    let repeated = ControlRequest {
        seen: vec![(ALL_JOBS.to_owned(), seen)],
        ..ControlRequest::default()
    };
    store.control(&caller(), &repeated).await.unwrap();
    redis.command(&["HDEL", "so:{test}:meta", "cv"]).unwrap();
    let claimed = claims(&store, &[claim("a", 5)]).await.unwrap();
    assert!(matches!(claimed[0].verdict, Verdict::Paused), "{claimed:?}");
}

#[tokio::test]
async fn a_restart_costs_one_answer() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    let before = beat(&store).await.unwrap().head.serving;
    redis.kill().unwrap();
    let error = beat(&store).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "{error}");
    let error = beat(&store).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    redis.restart().unwrap();
    let after = beat(&store).await.unwrap().head;
    assert_ne!(after.serving, before);
}

/// The script of an older release knows no such fields, and removes them when a node comes or goes.
#[tokio::test]
async fn the_offset_of_a_clock_comes_back_after_an_older_node_removed_it() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    let beat = async |clock_offset_ms| {
        let heartbeat = Heartbeat {
            clock_offset_ms,
            ..Heartbeat::alive()
        };
        let pulse = store.heartbeat(&caller(), heartbeat).await.unwrap();
        let members = pulse.body.membership.members.unwrap();
        (pulse.body.membership.version, members[0].clock_offset_ms)
    };
    let stored = || redis.command(&["HGET", "so:{test}:members", "node offset"]);
    let (version, offset) = beat(Some(-200)).await;
    assert_eq!(offset, Some(-200));
    redis
        .command(&["HDEL", "so:{test}:members", "node offset"])
        .unwrap();
    assert_eq!(beat(Some(-200)).await, (version, Some(-200)));
    assert_eq!(stored().unwrap().trim(), "-200");
    redis
        .command(&["HSET", "so:{test}:members", "node offset", "soon"])
        .unwrap();
    assert_eq!(beat(None).await, (version, None));
    assert_eq!(stored().unwrap().trim(), "(nil)");
    beat(Some(0)).await;
    store
        .heartbeat(&caller(), Heartbeat::leaving())
        .await
        .unwrap();
    assert_eq!(
        stored().unwrap().trim(),
        "(nil)",
        "nothing of a node that left"
    );
}

#[tokio::test]
async fn a_frozen_server_leaves_requests_unknown_and_connections_behind() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    beat(&store).await.unwrap();
    redis.freeze().unwrap();
    let started = std::time::Instant::now();
    let error = beat(&store).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "{error}");
    assert!(started.elapsed() < ANSWER_TIMEOUT + Duration::from_millis(500));
    // An impatient caller, as the watchdog is one.
    let patience = Duration::from_millis(100);
    let batch = [claim("a", 1)];
    let impatient = tokio::time::timeout(patience, claims(&store, &batch)).await;
    assert!(impatient.is_err());
    redis.thaw().unwrap();
    let pulse = beat(&store).await.unwrap();
    let members = pulse.body.membership.members.unwrap_or_default();
    let nodes: Vec<&str> = members.iter().map(|member| &*member.node).collect();
    assert_eq!(nodes, ["node"]);
    // The claim of the dropped call may have been carried out. A repetition with the same nonce is granted, and decides
    // nothing a second time.
    let again = claims(&store, &batch).await.unwrap();
    assert!(matches!(again[0].verdict, Verdict::Granted(_)), "{again:?}");
}

#[tokio::test]
async fn a_dropped_call_takes_its_connection_along() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    beat(&store).await.unwrap();
    let id = |redis: &RedisServer| {
        let list = redis.command(&["CLIENT", "LIST"]).unwrap();
        list.split(' ').next().unwrap().to_owned()
    };
    let before = id(&redis);
    redis.command(&["CLIENT", "PAUSE", "300", "ALL"]).unwrap();
    let impatient = tokio::time::timeout(Duration::from_millis(50), beat(&store)).await;
    assert!(impatient.is_err());
    beat(&store).await.unwrap();
    assert_ne!(id(&redis), before);
    wait_until_async("the old connection is closed", BOUND, async || {
        connections(&redis) == 1
    })
    .await;
}

#[tokio::test]
async fn many_calls_share_one_connection_and_one_attempt() {
    let redis = RedisServer::start().unwrap();
    let store = std::sync::Arc::new(open(&redis).await);
    let all = async |expected_ok: bool| {
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { beat(&*store).await.is_ok() })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), expected_ok);
        }
    };
    all(true).await;
    assert_eq!(connections(&redis), 1);
    redis.kill().unwrap();
    all(false).await;
    redis.restart().unwrap();
    all(true).await;
    assert_eq!(connections(&redis), 1);
    let other = store.open(Bucket::WHOLE);
    beat(&*other).await.unwrap();
    assert_eq!(
        connections(&redis),
        2,
        "an opened store has its own connection"
    );
}

#[test]
fn an_opened_store_works_on_another_runtime() {
    let redis = RedisServer::start().unwrap();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let store = first.block_on(open(&redis));
    let opened = store.open(Bucket::WHOLE);
    let second = runtime();
    for _ in 0..2 {
        second.block_on(beat(&*opened)).unwrap();
        first.block_on(beat(&store)).unwrap();
    }
    drop(second);
    first.block_on(beat(&store)).unwrap();
}

#[tokio::test]
async fn a_demoted_primary_is_left() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    beat(&store).await.unwrap();
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    for _ in 0..2 {
        let error = beat(&store).await.unwrap_err();
        let named = matches!(&error, StoreError::Unavailable(text) if text.contains("READONLY"));
        assert!(named, "{error}");
    }
    redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    beat(&store).await.unwrap();
}

#[tokio::test]
async fn a_full_server_is_unavailable() {
    let redis = RedisServer::start().unwrap();
    let store = open(&redis).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let error = claims(&store, &[claim("a", 1)]).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("OOM")),
        "{error}"
    );
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    claims(&store, &[claim("a", 1)]).await.unwrap();
    redis
        .command(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .unwrap();
    let error = claims(&store, &[claim("b", 1)]).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("NOREPLICAS")),
        "{error}"
    );
    assert_eq!(redis.command(&["EXISTS", "so:{test}:job:b"]).unwrap(), "0");
}
