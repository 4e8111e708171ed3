//! Runs that somebody asks for: taken from the lane of their unit by one node. In virtual time, on the embedded store.

mod in_the_way;
mod retries;
#[path = "../test_store/mod.rs"]
mod test_store;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, Cause as Why, OnBusy, Request,
};
use scheduled_one_protocol::{FencingToken, Store, TickMs, UnitName};
use scheduled_one_runtime::{
    Cause, Job, JobContext, LedgerEntry, Outcome, Overlap, Params, Scheduler, Scope, scheduled_one,
};
use scheduled_one_testkit::TokioClock;
use serde::Deserialize;
use test_store::TestStore;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const JOB: &str = "report";

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct Range {
    customer: Option<u64>,
}

/// What a function saw of its run.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    customer: Option<u64>,
    cause: Option<Cause>,
    request: Option<String>,
    by: String,
    tick_ms: i64,
    token: u64,
}

struct Cluster {
    clock: TokioClock,
    store: TestStore,
    nodes: Vec<Scheduler>,
    stores: Vec<TestStore>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Cluster {
    /// Two nodes with a job whose runs take this long.
    async fn start(period: Duration, took: Duration, change: impl Fn(Job) -> Job) -> Self {
        let clock = TokioClock::new();
        let mut cluster = Cluster {
            store: TestStore::new(&clock, false),
            clock,
            nodes: Vec::new(),
            stores: Vec::new(),
            seen: Arc::default(),
        };
        for number in 0..2 {
            let seen = Arc::clone(&cluster.seen);
            let function = move |ctx: JobContext, Params(range): Params<Range>| {
                seen.lock().expect("lock").push(Seen {
                    customer: range.customer,
                    cause: ctx.cause(),
                    request: ctx.request_id().map(str::to_owned),
                    by: ctx.requested_by().to_owned(),
                    tick_ms: ctx.scheduled_at().as_millisecond(),
                    token: ctx.fencing_token(),
                });
                async move {
                    tokio::select! {
                        () = tokio::time::sleep(took) => {}
                        () = ctx.cancelled() => {}
                    }
                }
            };
            let store = cluster.store.of_another_node();
            cluster.stores.push(store.clone());
            let scheduler = Scheduler::builder("memory://")
                .clock(cluster.clock)
                .store(store)
                .node_name(format!("n{number}"))
                .only([JOB])
                .job(change(Job::every(JOB, period, function)))
                .start()
                .await
                .expect("started");
            cluster.nodes.push(scheduler);
        }
        tokio::time::sleep(3 * SECOND).await;
        cluster
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

    async fn ask(&self, request: Request) -> Asked {
        let unit = UnitName::new(JOB, 0);
        let asks = [Ask { unit, request }];
        self.store
            .ask(&Self::caller(), &asks)
            .await
            .expect("a reply")
            .body[0]
    }

    async fn cancel(&self, token: u64) -> Cancelled {
        let cancels = [Cancel {
            unit: UnitName::new(JOB, 0).lane(),
            token: FencingToken(token),
            by: "ann".to_owned(),
            note: "wrong input".to_owned(),
        }];
        self.store
            .cancel(&Self::caller(), &cancels)
            .await
            .expect("a reply")
            .body[0]
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }

    async fn lines(&self) -> Vec<LedgerEntry> {
        self.nodes[0].ledger(JOB, 100).await.expect("the ledger")
    }
}

fn request(id: &str) -> Request {
    Request {
        id: id.to_owned(),
        cause: Why::Manual,
        actor: "ann".to_owned(),
        note: "a customer asked".to_owned(),
        logical: None,
        on_busy: None,
        parameters: r#"{"customer": 42}"#.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_runs_once_on_one_node_with_its_parameters() {
    let cluster = Cluster::start(HOUR, SECOND, |job| job).await;
    let asked = cluster.ask(request("deploy-42")).await;
    let Asked::Queued { tick } = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(
        cluster.ask(request("deploy-42")).await,
        Asked::Known { tick }
    );
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(
        cluster.ask(request("deploy-42")).await,
        Asked::Known { tick }
    );
    tokio::time::sleep(4 * SECOND).await;
    let seen = cluster.seen();
    let [run] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(run.customer, Some(42));
    assert_eq!(run.cause, Some(Cause::Manual));
    assert_eq!(run.request.as_deref(), Some("deploy-42"));
    assert_eq!((run.by.as_str(), run.tick_ms), ("ann", tick.ms()));
    let lines = cluster.lines().await;
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(line.outcome, Outcome::Ok);
    assert_eq!(line.cause, Some(Cause::Manual));
    assert_eq!(line.request.as_deref(), Some("deploy-42"));
    assert_eq!(
        (line.by.as_str(), line.tick.as_millisecond()),
        ("ann", tick.ms())
    );
    assert_eq!(line.fencing_token, Some(run.token));
}

#[tokio::test(start_paused = true)]
async fn parameters_that_cannot_be_read_fail_the_request_and_the_job_goes_on() {
    let cluster = Cluster::start(10 * SECOND, SECOND, |job| job).await;
    let bad = Request {
        parameters: r#"{"customer": "secret"}"#.to_owned(),
        ..request("bad")
    };
    cluster.ask(bad).await;
    tokio::time::sleep(20 * SECOND).await;
    let lines = cluster.lines().await;
    let of_request = |line: &&LedgerEntry| line.request.is_some();
    let failed = lines.iter().find(of_request).expect("a line");
    assert_eq!(failed.outcome, Outcome::Failed);
    let error = &failed.error;
    assert!(
        error.contains("expected u64 at line 1 column 21"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    let ticks = lines.iter().filter(|line| line.request.is_none());
    assert!(ticks.clone().count() >= 2, "{lines:?}");
    assert!(ticks.clone().all(|line| line.outcome == Outcome::Ok));
    assert!(cluster.seen().iter().all(|run| run.customer.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_request_leaves_the_ticks_of_the_schedule_alone() {
    let cluster = Cluster::start(10 * SECOND, SECOND / 2, |job| job).await;
    for number in 0..40 {
        cluster.ask(request(&format!("r{number}"))).await;
        tokio::time::sleep(SECOND).await;
    }
    tokio::time::sleep(3 * SECOND).await;
    let now = cluster.nodes[0].jobs()[0].next_ticks[0];
    let from = now - jiff_span(40);
    let audit = cluster.nodes[0]
        .audit(JOB, from..now)
        .await
        .expect("the audit");
    assert!(audit.len() >= 3, "{audit:?}");
    let lines = cluster.lines().await;
    // A tick that comes due during a requested run is skipped, as the policy says; none is lost or missed.
    for tick in &audit {
        assert!(
            ["Decided(Ok)", "Decided(Skipped)"].contains(&format!("{:?}", tick.status).as_str()),
            "{tick:?}"
        );
    }
    let requested = lines.iter().filter(|line| line.request.is_some());
    assert_eq!(requested.count(), 40, "each request has one line");
    let mut tokens: Vec<u64> = cluster.seen().iter().map(|run| run.token).collect();
    let before = tokens.clone();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens, before, "tokens increase over ticks and requests");
}

fn jiff_span(seconds: i64) -> scheduled_one_runtime::jiff::SignedDuration {
    scheduled_one_runtime::jiff::SignedDuration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn ticks_and_requests_do_not_overlap_unless_the_request_says_so() {
    let cluster = Cluster::start(30 * SECOND, 20 * SECOND, |job| job).await;
    // A tick runs now, and the policy of the job is to skip.
    tokio::time::sleep(28 * SECOND).await;
    assert_eq!(cluster.seen().len(), 1);
    let of = |id: &str, on_busy| Request {
        on_busy,
        ..request(id)
    };
    cluster.ask(of("skips", None)).await;
    tokio::time::sleep(3 * SECOND).await;
    cluster.ask(of("beside", Some(OnBusy::Allow))).await;
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(cluster.seen().len(), 2, "{:?}", cluster.seen());
    cluster.ask(of("waits", Some(OnBusy::Wait))).await;
    tokio::time::sleep(10 * SECOND).await;
    let starts = |cluster: &Cluster, id: &str| {
        let seen = cluster.seen();
        seen.iter()
            .filter(|run| run.request.as_deref() == Some(id))
            .count()
    };
    assert_eq!(starts(&cluster, "waits"), 0);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(starts(&cluster, "skips"), 0);
    assert_eq!(starts(&cluster, "beside"), 1);
    assert_eq!(starts(&cluster, "waits"), 1);
    let lines = cluster.lines().await;
    let line = |id: &str| {
        let mut of_id = lines
            .iter()
            .filter(|line| line.request.as_deref() == Some(id));
        let line = of_id.next().expect("a line").clone();
        assert!(of_id.next().is_none());
        line
    };
    assert_eq!(
        (line("skips").outcome, &*line("skips").reason),
        (Outcome::Skipped, "overlap")
    );
    assert_eq!(line("beside").outcome, Outcome::Ok);
    assert_eq!(line("waits").outcome, Outcome::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_the_run_that_it_names_and_no_other() {
    let cluster = Cluster::start(HOUR, 60 * SECOND, |job| job.overlap(Overlap::QueueOne)).await;
    cluster.ask(request("first")).await;
    cluster.ask(request("second")).await;
    tokio::time::sleep(3 * SECOND).await;
    let first = cluster.seen()[0].token;
    assert_eq!(cluster.cancel(first + 1).await, Cancelled::Gone);
    assert_eq!(cluster.cancel(first).await, Cancelled::Cancelling);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(cluster.seen().len(), 2);
    assert_eq!(cluster.cancel(first).await, Cancelled::Gone);
    tokio::time::sleep(70 * SECOND).await;
    let lines = cluster.lines().await;
    let [second, cancelled] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(second.outcome, Outcome::Ok);
    assert_eq!(cancelled.outcome, Outcome::Cancelled);
    assert_eq!(cancelled.reason, "by ann: wrong input; returned");
    assert_eq!(cancelled.request.as_deref(), Some("first"));
}

#[scheduled_one(schedule = manual, name = "by-hand", lease = "2s")]
async fn by_hand(ctx: JobContext, Params(range): Params<Range>) {
    assert_eq!(
        (ctx.cause(), range.customer),
        (Some(Cause::Manual), Some(42))
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_schedule_runs_only_on_request() {
    let clock = TokioClock::new();
    let store = TestStore::new(&clock, false);
    let builder = Scheduler::builder("memory://")
        .clock(clock)
        .store(store.clone());
    let scheduler = builder.start().await.expect("started");
    tokio::time::sleep(HOUR).await;
    let job = &scheduler.jobs()[0];
    assert_eq!((&*job.name, &*job.schedule), ("by-hand", "on request"));
    assert!(job.next_ticks.is_empty());
    assert!(
        scheduler
            .ledger("by-hand", 9)
            .await
            .expect("lines")
            .is_empty()
    );
    let control = scheduler.control().expect("a control");
    let run = control
        .run("by-hand")
        .params(&serde_json::json!({"customer": 42}));
    let handle = run.by("ann").await.expect("asked");
    tokio::time::sleep(4 * SECOND).await;
    let lines = scheduler.ledger("by-hand", 9).await.expect("lines");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (lines[0].outcome, lines[0].request.as_deref()),
        (Outcome::Ok, Some(handle.id()))
    );
    let now = lines[0].ended_at;
    let audit = scheduler
        .audit("by-hand", now - jiff_span(7_000)..now)
        .await;
    assert_eq!(audit.expect("the audit"), [], "it has no ticks");
    let local = Job::manual("local", || async {}).scope(Scope::EveryNode);
    let error = Scheduler::builder("memory://")
        .clock(clock)
        .job(local)
        .start()
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("would never run"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_rerun_has_the_instant_of_its_tick() {
    let cluster = Cluster::start(HOUR, SECOND, |job| job).await;
    let rerun = Request {
        cause: Why::Rerun,
        logical: Some(TickMs(3_600_000)),
        ..request("again")
    };
    cluster.ask(rerun).await;
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(cluster.seen()[0].tick_ms, 3_600_000);
    let lines = cluster.lines().await;
    assert_eq!(lines[0].tick.as_millisecond(), 3_600_000);
    assert_eq!(lines[0].cause, Some(Cause::Rerun));
}

#[tokio::test(start_paused = true)]
async fn each_shard_has_the_id_of_the_request() {
    let cluster = Cluster::start(HOUR, SECOND, |job| job.shards(2)).await;
    let control = cluster.nodes[0].control().expect("a control");
    let run = control.run(JOB).id("deploy-42").params_json("{}");
    assert!(!format!("{run:?}").contains("{}"), "{run:?}");
    run.await.expect("asked");
    let asked = cluster.ask(request("deploy-42")).await;
    assert!(matches!(asked, Asked::Known { .. }), "{asked:?}");
}
