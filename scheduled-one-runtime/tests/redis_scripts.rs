//! Servers and proxies that do not run all scripts: at start, for the doctor, and while a node runs.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use scheduled_one_protocol::message::{Caller, Heartbeat, LowerBounds, Register};
use scheduled_one_protocol::{Store, StoreError};
use scheduled_one_redis::{ConnectError, RedisStore};
use scheduled_one_runtime::{Job, JobContext, Scheduler, Severity, doctor};
use test_support::{Log, RedisServer, Refuses, ScriptGate, wait_until};

const BOUND: Duration = Duration::from_secs(40);

fn gate(redis: &RedisServer) -> ScriptGate {
    ScriptGate::in_front_of(redis).unwrap()
}

/// Asserts that start and doctor refuse the store for the same reason, which has these words.
async fn assert_refused(what: Refuses, words: &[&str]) {
    let redis = RedisServer::start().unwrap();
    let gate = gate(&redis);
    gate.refuse(what);
    let report = doctor(gate.url()).await;
    let finding = report.finding("scripts").unwrap();
    assert_eq!(finding.severity, Severity::Severe, "{report}");
    assert!(!report.is_usable(), "{report}");
    let job = Job::every("tick", Duration::from_secs(3600), || async {});
    let refused = Scheduler::builder(gate.url()).job(job).start().await;
    let error = refused.unwrap_err().to_string();
    assert!(error.starts_with(&finding.found), "{error}\n{report}");
    assert!(error.ends_with(&finding.remedy), "{error}\n{report}");
    for word in words {
        assert!(error.contains(word), "{what:?}: {word} not in: {error}");
    }
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0", "{what:?}");
}

#[tokio::test]
async fn a_command_that_scripts_may_not_call_is_named() {
    for command in ["TIME", "INFO", "XADD"] {
        let named = format!("scripts may not call {command} there");
        let words = [&*named, "not allowed from script", "redis-compatibility.md"];
        assert_refused(Refuses::Command(command), &words).await;
    }
}

#[tokio::test]
async fn a_proxy_that_reads_scripts_is_named_with_its_switch() {
    let words = [
        "another name for redis.call",
        "should be passed using the KEYS array",
        "set script_check_enable to 0",
    ];
    assert_refused(Refuses::Form, &words).await;
}

#[tokio::test]
async fn a_server_without_scripts_is_named() {
    let words = ["no script runs there", "command eval not support"];
    assert_refused(Refuses::All, &words).await;
}

#[tokio::test]
async fn scripts_that_run_leave_nothing_behind() {
    let redis = RedisServer::start().unwrap();
    let gate = gate(&redis);
    let report = doctor(gate.url()).await;
    assert!(report.is_usable(), "{report}");
    let store = RedisStore::connect(&gate.url(), "test").await.unwrap();
    store.check().await.unwrap();
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0");
    let writes = redis.command(&["INFO", "commandstats"]).unwrap();
    for command in ["hset", "zadd", "zrem", "xadd", "del"] {
        let called = writes.contains(&format!("cmdstat_{command}:"));
        assert!(called, "{command} was not tried: {writes}");
    }
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

async fn register(store: &RedisStore, units: &[&str]) -> Result<(), StoreError> {
    let register = |unit: &&str| Register {
        unit: (*unit).into(),
        first_seen_ms: 0,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: scheduled_one_protocol::message::Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    let batch: Vec<Register> = units.iter().map(register).collect();
    store.register(&caller(), &batch).await.map(drop)
}

/// An error that says nothing about what it concerns is sorted by whether the scripts run on other keys.
#[tokio::test]
async fn a_refusal_of_one_key_is_not_one_of_the_store() {
    let redis = RedisServer::start().unwrap();
    let gate = gate(&redis);
    let store = RedisStore::connect(&gate.url(), "test").await.unwrap();
    gate.refuse(Refuses::Key("{test}:job:bad"));
    let error = register(&store, &["good", "bad"]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("internal error 17"), "{error}");
    register(&store, &["good"]).await.unwrap();
}

#[tokio::test]
async fn a_refusal_of_all_scripts_is_one_of_the_store() {
    let redis = RedisServer::start().unwrap();
    let gate = gate(&redis);
    let store = RedisStore::connect(&gate.url(), "test").await.unwrap();
    gate.refuse(Refuses::Command("TIME"));
    let error = register(&store, &["good"]).await.unwrap_err();
    let named =
        matches!(&error, StoreError::Unavailable(text) if text.contains("may not call TIME"));
    assert!(named, "{error:?}");
    let connected = RedisStore::connect(&gate.url(), "test").await;
    let same = connected.unwrap_err();
    assert!(
        matches!(same, ConnectError::ScriptsRefused { .. }),
        "{same}"
    );
    assert_eq!(error, StoreError::Unavailable(same.to_string()));
    gate.refuse(Refuses::Nothing);
    register(&store, &["good"]).await.unwrap();
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
}

/// The log of all threads of this process.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_are_refused_later_lose_the_store_once() {
    let log = log();
    let redis = RedisServer::start().unwrap();
    let gate = gate(&redis);
    let runs = Arc::new(AtomicUsize::new(0));
    let counting = |name: &str| {
        let runs = Arc::clone(&runs);
        Job::every(name, Duration::from_millis(200), move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async {}
        })
    };
    let builder = Scheduler::builder(gate.url()).lease(Duration::from_secs(1));
    let builder = builder.job(counting("one")).job(counting("two"));
    let scheduler = Box::pin(builder.start()).await.unwrap();
    let run_on = |what: &str| {
        let more = runs.load(Ordering::SeqCst) + 4;
        wait_until(what, BOUND, || runs.load(Ordering::SeqCst) >= more);
    };
    run_on("the jobs run");

    gate.refuse(Refuses::Command("TIME"));
    let before = gate.refused();
    wait_until("the store is lost", BOUND, || {
        !log.lines_with("store lost").is_empty()
    });
    // The heartbeat, the claims and the trials are repeated meanwhile.
    wait_until("requests are repeated", BOUND, || {
        gate.refused() >= before + 40
    });
    let lost = log.lines_with("store lost");
    assert_eq!(lost.len(), 1, "{lost:#?}");
    assert!(lost[0].contains("may not call TIME"), "{lost:#?}");
    for blame in ["refuses this job", "store refuses a request", "given up"] {
        assert_eq!(log.lines_with(blame), [""; 0]);
    }

    gate.refuse(Refuses::Nothing);
    run_on("the jobs run again");
    assert_eq!(log.lines_with("store back").len(), 1);
    assert_eq!(log.lines_with("store lost").len(), 1);
    scheduler.shutdown(Duration::from_secs(5)).await;
}

/// Renewals have a connection of their own: claims and heartbeats say nothing about them.
#[tokio::test(flavor = "multi_thread")]
async fn renewals_that_keep_failing_are_one_warning_with_the_cause() {
    let log = log();
    let redis = RedisServer::start().unwrap();
    let gate = gate(&redis);
    let cancelled = Arc::new(AtomicUsize::new(0));
    let noting = Arc::clone(&cancelled);
    let job = Job::every(
        "held",
        Duration::from_millis(200),
        move |ctx: JobContext| {
            let noting = Arc::clone(&noting);
            async move {
                ctx.cancelled().await;
                noting.fetch_add(1, Ordering::SeqCst);
            }
        },
    );
    let builder = Scheduler::builder(gate.url()).lease(Duration::from_secs(1));
    let scheduler = Box::pin(builder.job(job).start()).await.unwrap();
    wait_until("the job runs", BOUND, || scheduler.running() == 1);

    // A comment of the script that renews.
    gate.refuse(Refuses::Key("Port of `machine::renew`"));
    wait_until("its lease is lost", BOUND, || {
        cancelled.load(Ordering::SeqCst) > 0
    });
    let warnings = log.lines_with("renewals fail");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    for words in ["WARN", "failures=3", "internal error 17"] {
        assert!(warnings[0].contains(words), "{words}: {warnings:#?}");
    }
    gate.refuse(Refuses::Nothing);
    scheduler.shutdown(Duration::from_secs(5)).await;
}
