//! The internal job that evaluates alerts: one node at a time, which goes on where another stopped.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{Caller, Checkpoint, CheckpointRequest, Checkpointed};
use scheduled_one_protocol::{BoxFuture, Store, UnitName};
use scheduled_one_runtime::alerts::{
    Alert, Alerts, Channel, DeliveryError, JobRules, Rules, Secret, Source, Webhook,
};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Error, Job, Scheduler, State};
use test_support::wait_until_async;

const BOUND: Duration = Duration::from_secs(20);

/// A channel that keeps what it is sent: by which node, which message.
#[derive(Clone, Debug)]
struct Kept {
    node: &'static str,
    sent: Arc<Mutex<Vec<(&'static str, Alert)>>>,
}

impl Channel for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        _now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            self.sent.lock().unwrap().push((self.node, alert.clone()));
            Ok(())
        })
    }
}

async fn work(State(is_broken): State<Arc<AtomicBool>>) -> Result<(), std::io::Error> {
    match is_broken.load(Ordering::SeqCst) {
        true => Err(std::io::Error::other("disk full")),
        false => Ok(()),
    }
}

struct World {
    clock: ManualClock,
    store: MemoryStore,
    is_broken: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<(&'static str, Alert)>>>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        World {
            store: MemoryStore::new(Arc::new(clock.clone())),
            clock,
            is_broken: Arc::new(AtomicBool::new(true)),
            sent: Arc::default(),
        }
    }

    async fn node(&self, node: &'static str) -> Scheduler {
        let sent = Arc::clone(&self.sent);
        let alerts = Alerts::new(Rules::default()).notify(Kept { node, sent });
        let rules = JobRules::new().failed(2).runbook("https://wiki.example/a");
        Scheduler::builder("memory://")
            .store(self.store.clone())
            .namespace("shop")
            .node_name(node)
            .clock(self.clock.clone())
            .state(Arc::clone(&self.is_broken))
            .job(Job::every("a", Duration::from_secs(60), work).alert(rules))
            .alerts(alerts)
            .start()
            .await
            .unwrap()
    }

    /// Lets time go by, second by second, until so many messages were sent.
    async fn sent(&self, count: usize) -> Vec<(&'static str, Alert)> {
        wait_until_async("messages are sent", BOUND, async || {
            self.clock.advance(Duration::from_secs(1));
            self.sent.lock().unwrap().len() >= count
        })
        .await;
        self.sent.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_failure_is_said_with_the_rules_of_the_job_and_the_next_node_resolves_it() {
    let world = World::new();
    let first = world.node("first").await;
    let sent = world.sent(1).await;
    let (node, fired) = &sent[0];
    assert_eq!((*node, &*fired.namespace), ("first", "shop"));
    assert_eq!(fired.title(), "[firing] a: failed");
    let subject = &fired.subjects[0];
    assert_eq!(subject.runbook.as_deref(), Some("https://wiki.example/a"));
    assert!(
        subject.count >= 1 && subject.text.contains("disk full"),
        "{subject:?}"
    );
    first.shutdown(Duration::from_secs(5)).await;
    drop(first);

    let second = world.node("second").await;
    world.is_broken.store(false, Ordering::SeqCst);
    let sent = world.sent(2).await;
    let (node, over) = &sent[1];
    assert_eq!(*node, "second");
    assert!(
        over.title().starts_with("[resolved] a: failed"),
        "{}",
        over.title()
    );
    assert_eq!(
        over.incident, fired.incident,
        "the second node goes on with the state"
    );
    drop(second);
}

#[tokio::test]
async fn the_job_is_internal() {
    let world = World::new();
    let scheduler = world.node("only").await;
    world.sent(1).await;
    let names: Vec<String> = scheduler.jobs().into_iter().map(|job| job.name).collect();
    assert_eq!(names, ["a"]);
    let control = scheduler.control().unwrap();
    let jobs = control.jobs().await.unwrap();
    assert!(jobs.iter().all(|job| job.job == "a"), "{jobs:?}");
    let nodes = control.living_nodes().await.unwrap();
    assert!(nodes[0].jobs.iter().eq(["a"]), "{nodes:?}");
    assert!(!scheduler.openmetrics().contains("$alerts"));
    let unknown = scheduler.ledger("b", 1).await.unwrap_err().to_string();
    assert!(!unknown.contains('$'), "{unknown}");
    // Whoever asks for it by name sees it.
    assert!(scheduler.job("$alerts").is_some());
    assert!(!scheduler.ledger("$alerts", 9).await.unwrap().is_empty());
    assert!(control.describe("$alerts").await.is_ok());
}

#[tokio::test]
async fn no_job_of_a_program_has_such_a_name() {
    let job = Job::every("$alerts", Duration::from_secs(1), || async {});
    let started = Scheduler::builder("memory://").job(job).start().await;
    let Err(error @ Error::Job { .. }) = started else {
        panic!("a job took the name of an internal one");
    };
    assert!(error.to_string().contains("'$'"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_used_is_an_error_at_start() {
    let secret = Secret::file("/no/such/file");
    let webhook = Webhook::new("https://ops.example/jobs").secret(secret);
    let no_secret = Alerts::new(Rules::default()).notify(webhook);
    let often = Alerts::new(Rules::default()).every(Duration::from_millis(1));
    let many = Rules::default().all_jobs(JobRules::new().failed(5_000));
    let bad = [
        (no_secret, "/no/such/file"),
        (often, "`every`"),
        (Alerts::new(many), "`failed`"),
    ];
    for (alerts, named) in bad {
        let job = Job::every("a", Duration::from_secs(60), || async {});
        let started = Scheduler::builder("memory://")
            .job(job)
            .alerts(alerts)
            .start()
            .await;
        let Err(
            error @ Error::Setting {
                setting: "alerts", ..
            },
        ) = started
        else {
            panic!("started although of {named}");
        };
        assert!(error.to_string().contains(named), "{error}");
    }
    let job = Job::every("a", Duration::from_secs(60), || async {});
    let job = job.alert(JobRules::new().runbook("wiki"));
    let started = Scheduler::builder("memory://").job(job).start().await;
    assert!(started.err().unwrap().to_string().contains("`runbook`"));
}

/// Reads the state, or writes it, as a node would.
async fn checkpoint(world: &World, write: Option<Checkpoint>) -> Checkpointed {
    let caller = Caller {
        node: "old".to_owned(),
        name: "old".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    };
    let unit = UnitName::new("$alerts", 0);
    let request = CheckpointRequest { unit, write };
    world
        .store
        .checkpoint(&caller, &request)
        .await
        .unwrap()
        .body
}

async fn write(world: &World, state: Checkpoint) -> Checkpointed {
    checkpoint(world, Some(state)).await
}

async fn stored(world: &World) -> Checkpoint {
    match checkpoint(world, None).await {
        Checkpointed::Found(Some(stored)) => stored,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_that_was_followed_does_not_overwrite_the_state() {
    let world = World::new();
    let scheduler = world.node("only").await;
    world.sent(1).await;
    let stored = stored(&world).await;
    assert!(stored.text.contains("\"revision\""), "{}", stored.text);
    let old = Checkpoint {
        token: scheduled_one_protocol::FencingToken(stored.token.get() - 1),
        text: "old".to_owned(),
    };
    assert_eq!(write(&world, old).await, Checkpointed::Superseded);
    drop(scheduler);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_says_how_to_begin_anew_and_so_it_does() {
    let world = World::new();
    let scheduler = world.node("first").await;
    world.sent(1).await;
    let edited = Checkpoint {
        text: "edited".to_owned(),
        ..stored(&world).await
    };
    assert_eq!(write(&world, edited).await, Checkpointed::Written);
    let error = async || {
        let lines = scheduler.ledger("$alerts", 1).await.unwrap();
        lines[0].error.clone()
    };
    wait_until_async("an evaluation fails", BOUND, async || {
        world.clock.advance(Duration::from_secs(1));
        !error().await.is_empty()
    })
    .await;
    let said = error().await;
    let control = scheduler.control().unwrap();
    let shown = control.alerts().await.unwrap_err().to_string();
    for (text, way) in [
        (said, "scheduled-one forget '$alerts'"),
        (shown, "`$alerts`"),
    ] {
        assert!(
            text.contains("stop all nodes that evaluate alerts"),
            "{text}"
        );
        assert!(text.contains(way), "{text}");
    }
    scheduler.shutdown(Duration::from_secs(5)).await;
    drop(scheduler);
    wait_until_async("it can be forgotten", BOUND, async || {
        world.clock.advance(Duration::from_secs(1));
        control.forget("$alerts").await.is_ok()
    })
    .await;
    let second = world.node("second").await;
    let sent = world.sent(2).await;
    assert_eq!(sent[1].0, "second", "it still fires");
    assert_eq!(sent[1].1.title(), "[firing] a: failed");
    drop(second);
}

/// A job of another release of the same program, or of another program.
async fn other(world: &World, application: &str) -> Scheduler {
    Scheduler::builder("memory://")
        .store(world.store.clone())
        .clock(world.clock.clone())
        .application(application)
        .job(Job::every("b", Duration::from_secs(3600), || async {}))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_that_a_release_has_dropped_is_gone_and_that_of_nodes_which_are_down_is_missing() {
    let world = World::new();
    for (application, is_gone) in [("stock", false), ("billing", true)] {
        let old = other(&world, application).await;
        old.shutdown(Duration::from_secs(5)).await;
        drop(old);
        let now = Scheduler::builder("memory://")
            .store(world.store.clone())
            .clock(world.clock.clone())
            .application("billing")
            .job(Job::every("a", Duration::from_secs(3600), || async {}))
            .start()
            .await
            .unwrap();
        let mut seconds = 0;
        wait_until_async("it is gone, or missing for a minute", BOUND, async || {
            world.clock.advance(Duration::from_secs(1));
            seconds += 1;
            let facts = now.facts().await.unwrap();
            let of_b = facts.units.iter().find(|unit| unit.name == "b");
            match facts.gone.as_slice() {
                [] => !is_gone && seconds > 60 && of_b.is_some_and(|unit| unit.no_node_has),
                gone => is_gone && gone == ["b"] && of_b.is_none(),
            }
        })
        .await;
        now.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn rules_of_jobs_that_nobody_evaluates_are_warned_of() {
    let log = test_support::Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _guard = test_support::subscribe(subscriber.finish());
    let world = World::new();
    let without = async || {
        let rules = JobRules::new().failed(2);
        Scheduler::builder("memory://")
            .store(world.store.clone())
            .clock(world.clock.clone())
            .job(Job::every("c", Duration::from_secs(60), || async {}).alert(rules))
            .start()
            .await
            .unwrap()
    };
    let warned = || log.lines_with("nobody evaluates alerts");
    let first = without().await;
    let lines = warned();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("jobs=\"c\"") && lines[0].contains(".alerts("),
        "{lines:?}"
    );
    // With a node that evaluates alerts, the rules have an effect.
    let evaluates = world.node("evaluates").await;
    world.sent(1).await;
    let second = without().await;
    assert_eq!(warned().len(), 1);
    drop((first, second, evaluates));
}
