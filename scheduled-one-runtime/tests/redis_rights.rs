//! The rights of a user of Redis: the documented rights suffice, each of them is needed, and an error names a missing
//! right.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::slice;

use scheduled_one_protocol::message::{
    Caller, Claim, DueTick, Finish, Heartbeat, LowerBounds, Missed, OverdueRun, Register, Renew,
    RunId, Target,
};
use scheduled_one_protocol::{
    Bucket, FencingToken, LedgerRecord, Outcome, Store, StoreError, TickMs,
};
use scheduled_one_redis::{ConnectError, RedisStore};
use test_support::RedisServer;

const SECRET: &str = "hunter2secret";

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

fn register(unit: &str) -> Register {
    Register {
        unit: unit.into(),
        first_seen_ms: 0,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: scheduled_one_protocol::message::Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    }
}

/// Claims a tick that is due now, with two missed ones before it.
fn claim(unit: &str, tick: TickMs, lease_ms: i64) -> Claim {
    let missed = Missed {
        first: TickMs(1),
        last: TickMs(2),
        count: 2,
        outcome: Outcome::Missed,
        reason: "down".into(),
    };
    Claim {
        unit: unit.into(),
        nonce: unit.into(),
        valid_until_ms: i64::MAX >> 12,
        lease_ms,
        takeovers: u32::from(lease_ms == 0),
        schedule: None,
        control: 0,
        with_lane: false,
        bounds: LowerBounds::default(),
        target: Target::Tick(DueTick {
            missed: Some(missed),
            ..DueTick::new(tick)
        }),
    }
}

/// Sends each request, so that every command of every script is used.
async fn use_everything(store: &dyn Store) -> Result<(), StoreError> {
    let caller = caller();
    store.register(&caller, &[register("a")]).await?;
    let now_ms = (store
        .heartbeat(&caller, Heartbeat::alive())
        .await?
        .head
        .now_us
        / 1000) as i64;
    let tick = TickMs(now_ms);
    let reply = store
        .claim(&caller, &[claim("b", tick, 5_000), claim("c", tick, 0)])
        .await?;
    let run = run_of_b(tick, reply.body[0].marks.token);
    store
        .renew(
            &caller,
            &[Renew {
                run: run.clone(),
                valid_until_ms: i64::MAX >> 12,
            }],
        )
        .await?;
    take_over_c(store, &caller, tick).await?;
    finish_and_read(store, &caller, run).await
}

fn run_of_b(tick: TickMs, token: FencingToken) -> RunId {
    RunId {
        unit: "b".into(),
        tick,
        nonce: "b".into(),
        token,
        attempt: 1,
        lease_ms: 5_000,
        granted_at_ms: tick.ms(),
        takeovers: 0,
        origin: None,
    }
}

/// Writes off the run of the unit `c`, whose lease has ended, and starts its next attempt.
async fn take_over_c(store: &dyn Store, caller: &Caller, tick: TickMs) -> Result<(), StoreError> {
    let pulse = store.heartbeat(caller, Heartbeat::leaving()).await?.body;
    let overdue = OverdueRun {
        unit: "c".into(),
        nonce: "c".into(),
        seq: 1,
        lease_ms: 0,
    };
    assert_eq!(pulse.overdue, slice::from_ref(&overdue));
    // The takeover makes the unit ready, until the next attempt starts.
    store.write_off(caller, &[overdue]).await?;
    assert_eq!(
        store
            .heartbeat(caller, Heartbeat::alive())
            .await?
            .body
            .ready,
        ["c"]
    );
    let next = Claim {
        target: Target::Queued { oldest: tick },
        ..claim("c", tick, 5_000)
    };
    store.claim(caller, &[next]).await?;
    assert_eq!(
        store
            .heartbeat(caller, Heartbeat::alive())
            .await?
            .body
            .ready,
        [""; 0]
    );
    Ok(())
}

/// Ends a run of the unit `b`, writes a ledger line of a shard, and reads ledger and units.
async fn finish_and_read(store: &dyn Store, caller: &Caller, run: RunId) -> Result<(), StoreError> {
    let (tick, now_ms) = (run.tick, run.granted_at_ms);
    let finish = Finish {
        run,
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(now_ms),
        ended_at_ms: now_ms,
    };
    store.finish(caller, &[finish]).await?;
    let lines = store.ledger("b", 9).await?;
    assert_eq!(lines.len(), 2);
    let line = LedgerRecord {
        unit: "b#1".into(),
        ..lines[0].clone()
    };
    store.record(caller, slice::from_ref(&line)).await?;
    assert_eq!(store.ledger("b", 1).await?, [line]);
    let stored = store.inspect(caller, &["c".into()]).await?;
    assert_eq!(stored.body[0].running, Some(tick));
    Ok(())
}

/// The rules of the documentation, word for word.
const ACL: &str = "~so:{test}:* -@all +eval +evalsha +info +time +type +hmget +hset +hgetall +hkeys \
                   +hexists +hdel +zadd +zrem +zremrangebyscore +zrangebyscore +xadd +xrevrange +del";

fn without(right: &str) -> String {
    let words: Vec<&str> = ACL.split(' ').filter(|word| *word != right).collect();
    words.join(" ")
}

fn set_user(redis: &RedisServer, rule: &str) {
    let mut command = vec!["ACL", "SETUSER", "ann", "reset", "on", ">hunter2secret"];
    command.extend(rule.split(' '));
    redis.command(&command).unwrap();
}

#[tokio::test]
async fn the_documented_rights_suffice_and_each_is_needed() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    assert_eq!(RedisStore::acl_rule("test"), ACL);
    set_user(&redis, ACL);
    redis.command(&["ACL", "LOG", "RESET"]).unwrap();
    let store = RedisStore::connect(&url, "test").await.unwrap();
    use_everything(&store).await.unwrap();
    store
        .open(Bucket::WHOLE)
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    assert_eq!(
        redis.command(&["ACL", "LOG"]).unwrap(),
        "",
        "something was refused"
    );

    for right in ACL.split(' ').filter(|word| !word.starts_with('-')) {
        set_user(&redis, &without(right));
        let error = RedisStore::connect(&url, "test").await.unwrap_err();
        let named =
            matches!(&error, ConnectError::MissingRights { missing, .. } if missing == right);
        assert!(named, "without {right}: {error}");
        assert!(error.to_string().contains(ACL), "{error}");
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
    set_user(&redis, "~so:{test}:* -@all +info");
    let error = RedisStore::connect(&url, "test").await.unwrap_err();
    for words in ["missing: +eval +evalsha +time", "+xadd +xrevrange +del;"] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn buckets_need_their_keys_and_the_error_has_the_whole_rule() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    set_user(&redis, ACL);
    let whole = RedisStore::connect(&url, "test").await.unwrap();
    let stores: Vec<RedisStore> = Bucket::all(2)
        .map(|bucket| whole.in_bucket(bucket))
        .collect();
    stores[0].check().await.unwrap();
    let error = stores[1].check().await.unwrap_err();
    let ConnectError::MissingRights { missing, rule, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(missing, "~so:{test+*}:*");
    set_user(&redis, &rule);
    for (store, index) in stores.iter().zip(["", "+01"]) {
        store.check().await.unwrap();
        let caller = Caller {
            buckets: 2,
            ..caller()
        };
        store.heartbeat(&caller, Heartbeat::alive()).await.unwrap();
        let meta = format!("so:{{test{index}}}:meta");
        assert_eq!(redis.command(&["EXISTS", &meta]).unwrap().trim(), "1");
    }
}

#[tokio::test]
async fn rules_that_leave_out_one_job_are_its_trouble_alone() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    // Whatever is not of a job, and of jobs one.
    let keys = "~so:{test}:[^j]* ~so:{test}:job:good";
    set_user(&redis, &ACL.replace("~so:{test}:*", keys));
    let store = RedisStore::connect(&url, "test").await.unwrap();
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    let both = [register("good"), register("bad")];
    // The request is refused, not unavailable, so the node repeats it without the refused unit.
    let error = store.register(&caller(), &both).await.unwrap_err();
    let named = matches!(&error, StoreError::Refused(text) if text.contains(ACL));
    assert!(named, "{error:?}");
    store.register(&caller(), &both[..1]).await.unwrap();
}

#[tokio::test]
async fn a_right_that_is_taken_away_later_is_named() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    set_user(&redis, ACL);
    let store = RedisStore::connect(&url, "test").await.unwrap();
    for right in ["+hset", "+evalsha", "~so:{test}:*"] {
        redis.command(&["DEL", "so:{test}:meta"]).unwrap();
        let rule = without(right);
        redis
            .command(&["ACL", "SETUSER", "ann", "resetkeys", "-@all"])
            .unwrap();
        let mut command = vec!["ACL", "SETUSER", "ann"];
        command.extend(rule.split(' '));
        redis.command(&command).unwrap();
        let error = store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap_err();
        assert!(
            matches!(&error, StoreError::Unavailable(text) if text.contains(&format!("missing: {right}"))),
            "{error}"
        );
        assert!(error.to_string().contains("ACL SETUSER ann"), "{error}");
    }
}

/// Whichever right is missing meanwhile, a request that is repeated until it is
/// answered does what it does once.
#[tokio::test]
async fn what_is_repeated_until_rights_are_back_is_recorded_once() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    set_user(&redis, ACL);
    let store = RedisStore::connect(&url, "test").await.unwrap();
    let now_us = store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap()
        .head
        .now_us;
    let tick = TickMs((now_us / 1000) as i64);
    // A script needs all of them before its first write, whichever it uses this time.
    let rights = "hset zadd zrem xadd time hdel zremrangebyscore";
    for right in rights.split(' ') {
        let claims = &[claim(right, tick, 5_000)];
        let set = |sign: &str| redis.command(&["ACL", "SETUSER", "ann", &format!("{sign}{right}")]);
        set("-").unwrap();
        for _ in 0..3 {
            store.claim(&caller(), claims).await.unwrap_err();
        }
        set("+").unwrap();
        store.claim(&caller(), claims).await.unwrap();
        let lines = store.ledger(right, 9).await.unwrap();
        assert_eq!(lines.len(), 1, "-{right}: {lines:?}");
    }
}
