//! A job is paused from a process that runs no jobs, and stays paused whatever becomes of Redis.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use scheduled_one_runtime::control::{Control, Error, JobSummary};
use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{Job, JobContext, LedgerEntry, Outcome, Scheduler, TickStatus};
use test_support::{RedisServer, wait_until_async};

const BOUND: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(100);
const LEASE: Duration = Duration::from_millis(500);

/// Nodes with the job `tick`, and the ticks that ran.
struct Service {
    nodes: Vec<Scheduler>,
    ticks: Arc<Mutex<Vec<i64>>>,
    others: Arc<AtomicUsize>,
}

impl Service {
    async fn start(url: &str, nodes: usize) -> Self {
        let mut service = Service {
            nodes: Vec::new(),
            ticks: Arc::default(),
            others: Arc::default(),
        };
        for _ in 0..nodes {
            let (ticks, others) = (Arc::clone(&service.ticks), Arc::clone(&service.others));
            let tick = Job::every("tick", EVERY, move |ctx: JobContext| {
                ticks
                    .lock()
                    .unwrap()
                    .push(ctx.scheduled_at().as_millisecond());
                async {}
            });
            let other = Job::every("other", EVERY, move |_: JobContext| {
                others.fetch_add(1, Ordering::Relaxed);
                async {}
            });
            let builder = Scheduler::builder(url).namespace("test").lease(LEASE);
            let started = Box::pin(builder.job(tick).job(other).start()).await;
            service.nodes.push(started.unwrap());
        }
        service.runs("at first").await;
        service
    }

    fn count(&self) -> usize {
        self.ticks.lock().unwrap().len()
    }

    /// The job `tick` runs.
    async fn runs(&self, when: &str) {
        let more = self.count() + 3;
        let what = format!("`tick` runs {when}");
        wait_until_async(&what, BOUND, async || self.count() >= more).await;
    }

    /// Other jobs run for a while.
    async fn others_run(&self, when: &str) {
        let more = self.others.load(Ordering::Relaxed) + 10;
        let what = format!("other jobs run {when}");
        wait_until_async(&what, BOUND, async || {
            self.others.load(Ordering::Relaxed) >= more
        })
        .await;
    }

    /// What the audit says of the newest tick.
    async fn status_of_newest(&self) -> TickStatus {
        let from = Timestamp::now() - Duration::from_secs(1);
        let audit = self.nodes[0].audit("tick", from..Timestamp::now());
        let audit = audit.await.unwrap();
        audit.last().unwrap().status
    }

    /// The pause is one line.
    async fn one_line_since(&self, since_ms: i64) {
        let lines = self.paused_lines().await;
        assert_eq!(lines.len(), 1, "one line for the whole pause: {lines:?}");
        assert!(lines[0].count > 10, "{lines:?}");
        assert!(lines[0].tick.as_millisecond() >= since_ms, "{lines:?}");
    }

    async fn paused_lines(&self) -> Vec<LedgerEntry> {
        let lines = self.nodes[0].ledger("tick", 1_000).await.unwrap();
        let paused =
            |line: &LedgerEntry| line.outcome == Outcome::Skipped && line.reason == "paused";
        lines.into_iter().filter(paused).collect()
    }
}

async fn now_ms(control: &Control) -> i64 {
    control.describe("tick").await.unwrap().pauses[0]
        .pause
        .since_ms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_stands_still_through_a_flush_until_it_is_resumed() {
    let redis = RedisServer::start().unwrap();
    let service = Service::start(&redis.url(), 2).await;
    let control = Control::connect(redis.url())
        .namespace("test")
        .await
        .unwrap();
    let paused = control
        .pause("tick")
        .note("db migration")
        .by("ann")
        .await
        .unwrap();
    assert!(!paused.already);
    let since_ms = now_ms(&control).await;
    // What was granted before may still begin.
    service.others_run("while `tick` is paused").await;
    let before = service.count();
    service.others_run("while `tick` is paused").await;
    assert_eq!(service.count(), before, "a tick ran in the pause");
    let again = control
        .pause("tick")
        .note("db migration")
        .by("bob")
        .await
        .unwrap();
    assert_eq!((again.version, again.already), (paused.version, true));

    let status = service.status_of_newest().await;
    assert_eq!(status, TickStatus::Paused);
    redis.flush().unwrap();
    service.others_run("after the flush").await;
    service.others_run("after the flush").await;
    assert_eq!(service.count(), before, "the flush has lifted the pause");
    let described = control.describe("tick").await.unwrap();
    assert_eq!(described.version, paused.version, "repeated by the nodes");
    let nodes: Vec<usize> = described.nodes.values().map(Vec::len).collect();
    assert_eq!(nodes, [2], "two nodes with one schedule: {described:?}");
    let pause = &described.pauses[0];
    assert_eq!((&*pause.by, &*pause.note), ("ann", "db migration"));

    // A node that never saw the pause.
    redis.restart().unwrap();
    let late = Service::start_late(&redis.url()).await;
    service.others_run("after the restart").await;
    assert_eq!((service.count(), late.count()), (before, 0));

    let wrong = control
        .resume("tick")
        .expect(paused.version - 1)
        .await
        .unwrap_err();
    assert!(matches!(wrong, Error::Conflict { .. }), "{wrong}");
    assert!(wrong.to_string().contains("by ann"), "{wrong}");
    let resumed = control
        .resume("tick")
        .by("ann")
        .expect(paused.version)
        .await
        .unwrap();
    assert!(resumed.version > paused.version);
    let ran = service.count() + late.count();
    wait_until_async("`tick` runs again", BOUND, async || {
        service.count() + late.count() > ran + 3
    })
    .await;

    service.one_line_since(since_ms).await;
}

impl Service {
    /// One more node, while the job is paused.
    async fn start_late(url: &str) -> Self {
        let ticks: Arc<Mutex<Vec<i64>>> = Arc::default();
        let noted = Arc::clone(&ticks);
        let tick = Job::every("tick", EVERY, move |ctx: JobContext| {
            noted
                .lock()
                .unwrap()
                .push(ctx.scheduled_at().as_millisecond());
            async {}
        });
        let builder = Scheduler::builder(url).namespace("test").lease(LEASE);
        let node = Box::pin(builder.job(tick).start()).await.unwrap();
        Service {
            nodes: vec![node],
            ticks,
            others: Arc::default(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_by_itself_and_a_pause_of_all_jobs_is_another_one() {
    let redis = RedisServer::start().unwrap();
    let service = Service::start(&redis.url(), 1).await;
    let control = service.nodes[0].control().unwrap();
    // The first change of a new namespace waits for what nodes may repeat.
    control.resume("tick").await.unwrap();
    let until = SystemTime::now() + Duration::from_millis(800);
    control.pause("tick").until(until).await.unwrap();
    service.runs("after `until`").await;
    assert_eq!(service.paused_lines().await.len(), 1);

    control.pause_all().note("release").await.unwrap();
    let jobs = control.jobs().await.unwrap();
    let shown = |job: &JobSummary| {
        (
            job.job.clone(),
            job.is_paused,
            job.nodes,
            job.schedules.len(),
        )
    };
    let shown: Vec<_> = jobs.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            ("other".to_owned(), true, 1, 1),
            ("tick".to_owned(), true, 1, 1)
        ]
    );
    control.pause("tick").await.unwrap();
    control.resume_all().await.unwrap();
    service.others_run("after the pause of all").await;
    let before = service.count();
    service.others_run("after the pause of all").await;
    assert_eq!(service.count(), before, "the job's own pause holds");
    control.resume("tick").catch_up().await.unwrap();
    service.runs("after its own pause").await;

    let unknown = control.pause("tock").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no job `tock`; did you mean tick?"
    );
    let over = SystemTime::now() - Duration::from_secs(60);
    let late = control.pause("tick").until(over).await.unwrap_err();
    assert!(
        matches!(
            late,
            Error::Argument {
                argument: "until",
                ..
            }
        ),
        "{late}"
    );
}

#[tokio::test]
async fn a_namespace_that_nobody_uses_is_an_error_and_stays_unused() {
    let redis = RedisServer::start().unwrap();
    let error = Control::connect(redis.url())
        .namespace("shpo")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::EmptyNamespace { .. }), "{error}");
    let keys = redis.command(&["KEYS", "*"]).unwrap();
    assert!(!keys.contains("meta"), "{keys}");
    let error = Control::connect("memory://a").await.unwrap_err();
    assert!(error.to_string().contains("Scheduler::control"), "{error}");
}

/// Another schedule is what operators want, as a pause is: it survives a flush.
#[tokio::test(flavor = "multi_thread")]
async fn another_schedule_holds_through_a_flush_until_it_is_reset() {
    let redis = RedisServer::start().unwrap();
    let service = Service::start(&redis.url(), 2).await;
    let control = Control::connect(redis.url()).namespace("test");
    let control = control.await.unwrap();
    control.reschedule("tick", "every 366d").await.unwrap();
    // The other node may not have read it yet; what it claims decides nothing.
    let before = service.count();
    service
        .others_run("while the other schedule is in force")
        .await;
    assert!(
        service.count() <= before + 1,
        "a run that was granted ahead"
    );
    let before = service.count();
    redis.flush().unwrap();
    service.others_run("after the flush").await;
    assert_eq!(service.count(), before);
    let described = control.describe("tick").await.unwrap();
    assert_eq!(described.overridden.unwrap().wanted.text, "every 366d");

    let asked = Timestamp::now();
    control.reset("tick").by("ann").await.unwrap();
    service.runs("after the reset").await;
    let lines = service.nodes[0].ledger("tick", 1_000).await.unwrap();
    // Later ones are those of a node that is slow today.
    let missed = |line: &&LedgerEntry| line.outcome == Outcome::Missed && line.tick < asked;
    assert_eq!(lines.iter().filter(missed).count(), 0, "{lines:?}");
}
