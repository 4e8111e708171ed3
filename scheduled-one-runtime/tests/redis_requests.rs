//! Runs that somebody asks for, on a real Redis: whatever becomes of replies and of Redis's memory, an id starts once,
//! and a requested run and a tick do not overlap.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::message::{Ask, Asked, Caller, Cause as Why, Request};
use scheduled_one_protocol::{Store, StoreError, UnitName};
use scheduled_one_redis::RedisStore;
use scheduled_one_runtime::control::{CancelledRun, Control, Error, OnBusy, RunState};
use scheduled_one_runtime::{Job, JobContext, Outcome, Overlap, Params, Scheduler, Scope};
use test_support::{FaultProxy, RedisServer, Verdict, wait_until_async};

const BOUND: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(100);
const LEASE: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Work {
    millis: u64,
}

/// What the function `work` did.
#[derive(Debug, Default)]
struct Seen {
    active: AtomicUsize,
    overlaps: AtomicUsize,
    ticks: AtomicUsize,
    /// Ids of the requests that ran.
    requests: Mutex<Vec<String>>,
    tokens: Mutex<Vec<u64>>,
}

/// Counts a run for as long as it lives.
struct Active(Arc<Seen>);

impl Active {
    fn enter(seen: Arc<Seen>) -> Self {
        if seen.active.fetch_add(1, Ordering::SeqCst) > 0 {
            seen.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        Active(seen)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn work(seen: Arc<Seen>, ctx: JobContext, work: Work) {
    let _active = Active::enter(Arc::clone(&seen));
    match ctx.request_id() {
        None => {
            seen.ticks.fetch_add(1, Ordering::SeqCst);
        }
        Some(id) => seen.requests.lock().unwrap().push(id.to_owned()),
    }
    seen.tokens.lock().unwrap().push(ctx.fencing_token());
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(work.millis)) => {}
        () = ctx.cancelled() => {}
    }
}

async fn start(url: &str, seen: &Arc<Seen>) -> Vec<Scheduler> {
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let seen = Arc::clone(seen);
        let function =
            move |ctx: JobContext, Params(what): Params<Work>| work(Arc::clone(&seen), ctx, what);
        let job = Job::every("work", EVERY, function).overlap(Overlap::Skip);
        let local = Job::every("local", EVERY, || async {}).scope(Scope::EveryNode);
        let builder = Scheduler::builder(url).namespace("test").lease(LEASE);
        nodes.push(Box::pin(builder.job(job).job(local).start()).await.unwrap());
    }
    nodes
}

async fn connect(redis: &RedisServer) -> Control {
    let connected = Control::connect(redis.url()).namespace("test").await;
    connected.unwrap()
}

fn ask(id: &str) -> Ask {
    Ask {
        unit: UnitName::new("work", 0),
        request: Request {
            id: id.to_owned(),
            cause: Why::Manual,
            actor: "ann".to_owned(),
            note: String::new(),
            logical: None,
            on_busy: Some(OnBusy::Wait),
            parameters: r#"{"millis": 20}"#.to_owned(),
        },
    }
}

fn caller() -> Caller {
    Caller {
        node: "operator".to_owned(),
        name: "operator".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 1_000,
        buckets: 1,
    }
}

impl Seen {
    fn starts_of(&self, id: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|it| *it == id).count()
    }

    async fn ticks_go_on(&self, when: &str) {
        let more = self.ticks.load(Ordering::SeqCst) + 5;
        let what = format!("ticks run {when}");
        wait_until_async(&what, BOUND, async || {
            self.ticks.load(Ordering::SeqCst) >= more
        })
        .await;
    }

    fn assert_exclusive(&self) {
        assert_eq!(self.overlaps.load(Ordering::SeqCst), 0, "two runs at once");
        let tokens = self.tokens.lock().unwrap();
        assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_asked_for_three_times_without_a_reply_runs_once() {
    let redis = RedisServer::start().unwrap();
    let seen = Arc::default();
    let nodes = start(&redis.url(), &seen).await;
    let proxy = FaultProxy::in_front_of(&redis).unwrap();
    let store = RedisStore::connect(&proxy.url(&redis), "test")
        .await
        .unwrap();
    for _ in 0..3 {
        let lost = proxy.on_reply("EVALSHA", || Verdict::Drop);
        let asks = [ask("deploy-42")];
        let reply = store.ask(&caller(), &asks).await;
        assert!(matches!(reply, Err(StoreError::Unknown(_))), "{reply:?}");
        assert!(lost.has_fired());
        proxy.heal().unwrap();
    }
    let control = connect(&redis).await;
    let handle = control.run("work").id("deploy-42").await.unwrap();
    assert!(handle.already());
    let lines = handle.finished(BOUND).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].outcome, &*lines[0].actor), (Outcome::Ok, "ann"));
    assert_eq!(seen.starts_of("deploy-42"), 1);

    // The nodes tell a store that forgot everything which ids have started.
    redis.flush().unwrap();
    seen.ticks_go_on("after the flush").await;
    let again = store.ask(&caller(), &[ask("deploy-42")]).await.unwrap();
    assert!(matches!(again.body[0], Asked::Known { .. }), "{again:?}");
    let gone = handle.finished(BOUND).await;
    assert!(matches!(gone, Err(Error::Unknown { .. })), "{gone:?}");
    seen.ticks_go_on("after that").await;
    assert_eq!(seen.starts_of("deploy-42"), 1);
    seen.assert_exclusive();
    drop(nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_run_keeps_ticks_away_also_when_redis_forgets_it() {
    let redis = RedisServer::start().unwrap();
    let seen: Arc<Seen> = Arc::default();
    let nodes = start(&redis.url(), &seen).await;
    let control = connect(&redis).await;
    let long = Work { millis: 4_000 };
    let run = control.run("work").id("long").params(&long);
    let handle = run.by("ann").on_busy(OnBusy::Wait).await.unwrap();
    wait_until_async("the request runs", BOUND, async || {
        seen.starts_of("long") == 1
    })
    .await;
    redis.flush().unwrap();
    // Ticks come due every 100 ms, and the quarantine is over after 1.5 s.
    let ended =
        async || seen.active.load(Ordering::SeqCst) == 0 || seen.ticks.load(Ordering::SeqCst) > 0;
    wait_until_async("the run ends", BOUND, ended).await;
    seen.ticks_go_on("after the run").await;
    seen.assert_exclusive();
    let lines = handle.finished(BOUND).await.unwrap();
    assert_eq!(lines[0].outcome, Outcome::Ok, "{lines:?}");
    drop(nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_by_its_token_and_bad_requests_are_named() {
    let redis = RedisServer::start().unwrap();
    let seen: Arc<Seen> = Arc::default();
    let nodes = start(&redis.url(), &seen).await;
    let control = connect(&redis).await;
    let run = control.run("work").params(&Work { millis: 600_000 });
    let handle = run.on_busy(OnBusy::Wait).await.unwrap();
    let mut token = 0;
    wait_until_async("the request runs", BOUND, async || {
        if let [RunState::Running { token: its }] = &handle.states().await.unwrap()[..] {
            token = *its;
        }
        token > 0
    })
    .await;
    let other = control.cancel("work", token - 1).await.unwrap();
    assert_eq!(other, CancelledRun::Gone { outcome: None });
    let cancel = control.cancel("work", token).by("ann").note("wrong input");
    assert_eq!(cancel.await.unwrap(), CancelledRun::Cancelling);
    let lines = handle.finished(BOUND).await.unwrap();
    assert_eq!(lines[0].outcome, Outcome::Cancelled);
    assert_eq!(lines[0].reason, "by ann: wrong input; returned");
    let gone = control.cancel("work", token).await.unwrap();
    assert!(matches!(gone, CancelledRun::Gone { outcome: Some(_) }));
    seen.ticks_go_on("after the cancel").await;
    seen.assert_exclusive();

    let bad = |error: Error, words: &[&str]| {
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{word} not in {text}");
        }
    };
    bad(
        control.run("wrok").await.unwrap_err(),
        &["there is no job `wrok`", "work"],
    );
    bad(control.run("local").await.unwrap_err(), &["every_node"]);
    bad(
        control.run("work").id("a b").await.unwrap_err(),
        &["the id \"a b\"", "without spaces"],
    );
    bad(
        control.run("work").params_json("{").await.unwrap_err(),
        &["`params`", "no JSON"],
    );
    bad(
        control.run("work").shard(3).await.unwrap_err(),
        &["no shard 3"],
    );
    drop(nodes);
}
