//! With `replicas(n)`, a run starts only after a replica of Redis has its claim.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod steady_job;

use std::collections::HashSet;

use scheduled_one_protocol::message::{
    Caller, Claim, DueTick, Heartbeat, LowerBounds, Overlap, Reply, Target, Verdict,
};
use scheduled_one_protocol::{Outcome, Store, StoreError, TickMs};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::{Scheduler, TickStatus};
use steady_job::{BOUND, SteadyJob};
use test_support::{RedisServer, wait_until, wait_until_async};

const REASON: &str = "too few replicas had the claim";

/// A primary and a replica in sync.
fn pair() -> (RedisServer, RedisServer) {
    let (primary, replica) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let port = primary.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    wait_until("the replica is in sync", BOUND, || {
        let info = replica.command(&["INFO", "replication"]).unwrap();
        info.contains("master_link_status:up")
    });
    // The link is up before the replica's first acknowledgement, without which the primary counts none.
    wait_until("the primary counts the replica", BOUND, || {
        primary.command(&["WAIT", "1", "10"]).unwrap() == "1"
    });
    (primary, replica)
}

/// Ticks that were not run for want of replicas, by the ledger.
async fn declined(steady_job: &SteadyJob) -> usize {
    let lines = steady_job.scheduler().ledger("tick", 100).await.unwrap();
    let declined = |reason: &str, outcome| reason == REASON && outcome == Outcome::Missed;
    lines
        .iter()
        .filter(|line| declined(&line.reason, line.outcome))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_while_the_replica_stands_still() {
    let (primary, replica) = pair();
    let steady_job = SteadyJob::start(Scheduler::builder(primary.url()).replicas(1)).await;
    assert_eq!(declined(&steady_job).await, 0);

    replica.freeze().unwrap();
    wait_until_async("the ledger says so", BOUND, async || {
        declined(&steady_job).await > 0
    })
    .await;
    let ran = steady_job.count();
    let before = declined(&steady_job).await;
    wait_until_async("more ticks are declined", BOUND, async || {
        declined(&steady_job).await >= before + 5
    })
    .await;
    assert_eq!(steady_job.count(), ran);

    replica.thaw().unwrap();
    steady_job.expect_more_runs("with the replica back").await;
    let decided = steady_job.scheduler().ledger("tick", 1_000).await.unwrap();
    let (first, last) = (decided.last().unwrap(), decided.first().unwrap());
    let range = first.tick..last.tick;
    let audit = steady_job.scheduler().audit("tick", range).await.unwrap();
    assert!(
        audit
            .iter()
            .all(|it| matches!(it.status, TickStatus::Decided(_)))
    );
    let mut ticks = HashSet::new();
    assert!(audit.iter().all(|it| ticks.insert(it.tick)), "{audit:?}");
    steady_job.stop().await;
}

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

fn claim(unit: &str, overlap: Overlap) -> Claim {
    Claim {
        unit: unit.into(),
        nonce: unit.into(),
        valid_until_ms: i64::MAX >> 12,
        lease_ms: 60_000,
        takeovers: 0,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        with_lane: false,
        target: Target::Tick(DueTick {
            overlap,
            ..DueTick::new(TickMs(1))
        }),
    }
}

async fn ask(store: &RedisStore, unit: &str) -> Result<Verdict, StoreError> {
    let claims = [claim(unit, Overlap::Skip)];
    let Reply { mut body, .. } = store.claim(&caller(), &claims).await?;
    Ok(body.remove(0).verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_repeated_is_confirmed_again() {
    let (primary, replica) = pair();
    let options = ConnectOptions::default().replicas(1);
    let connect = async || {
        RedisStore::connect_with(&primary.url(), "test", &options)
            .await
            .unwrap()
    };
    let store = connect().await;
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    let granted = |verdict: &Verdict| matches!(verdict, Verdict::Granted(_));
    assert!(granted(&ask(&store, "a").await.unwrap()));

    replica.freeze().unwrap();
    // Many at once, on one connection: none waits for the waits of all others.
    let many: Vec<String> = (0..20).map(|number| format!("b{number}")).collect();
    let asked = many.iter().map(|unit| ask(&store, unit));
    let verdicts = join_all(asked).await;
    for verdict in verdicts {
        let verdict = verdict.unwrap();
        assert!(matches!(verdict, Verdict::NotReplicated(_)), "{verdict:?}");
    }
    let stats = primary.command(&["INFO", "commandstats"]).unwrap();
    let waits = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_wait:calls="));
    let waits: u32 = waits.unwrap().split(',').next().unwrap().parse().unwrap();
    // One for "a", and two or three for the twenty; probes of rights are among them.
    assert!(waits < 10, "{waits}");
    // On a fresh connection, which has written nothing, the same claim.
    let other = connect().await;
    let again = ask(&other, "b0").await.unwrap();
    assert!(matches!(again, Verdict::NotReplicated(_)), "{again:?}");
    replica.thaw().unwrap();
    assert!(granted(&ask(&other, "b0").await.unwrap()));
}

/// `WAIT` is for what its own connection has written, and from Redis 7.2 on it
/// is answered at once where that is nothing.
#[tokio::test]
async fn a_claim_that_is_granted_again_is_written_again() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    let written = || -> u64 {
        let info = redis.command(&["INFO", "persistence"]).unwrap();
        let mut lines = info.lines();
        let changes = lines.find_map(|it| it.strip_prefix("rdb_changes_since_last_save:"));
        changes.unwrap().trim().parse().unwrap()
    };
    for (unit, overlap) in [("a", Overlap::Skip), ("b", Overlap::Allow(2))] {
        let mut tokens = Vec::new();
        for time in ["first", "again"] {
            let before = written();
            let claims = [claim(unit, overlap)];
            let answer = store.claim(&caller(), &claims).await.unwrap();
            let Verdict::Granted(grant) = &answer.body[0].verdict else {
                panic!("{answer:?}");
            };
            tokens.push(grant.token);
            assert!(written() > before, "{unit}, {time}");
        }
        assert_eq!(tokens[0], tokens[1]);
    }
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn the_right_to_wait_is_needed_only_then_and_the_number_has_a_limit() {
    let redis = RedisServer::start().unwrap();
    let options = ConnectOptions::default().replicas(1);
    let url = format!("redis://ann:pass@127.0.0.1:{}", redis.port());
    let grant = |rule: &str| {
        let mut command = vec!["ACL", "SETUSER", "ann", "reset", "on", ">pass"];
        command.extend(rule.split(' '));
        redis.command(&command).unwrap();
    };
    grant(&RedisStore::acl_rule("test"));
    RedisStore::connect(&url, "test").await.unwrap();
    let error = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("missing: +wait"), "{error}");
    grant(&RedisStore::acl_rule_for(&url, "test", &options).unwrap());
    let store = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap();
    // Taken away later: what was granted is not run for want of an answer.
    grant(&RedisStore::acl_rule("test"));
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    let error = ask(&store, "a").await.unwrap_err();
    assert!(error.to_string().contains("missing: +wait"), "{error}");

    let error = RedisStore::connect_with(&url, "test", &options.replicas(9))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::BadOption { .. }), "{error:?}");
}
