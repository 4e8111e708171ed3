//! A job that no living node has is gone: it has no ticks until a node with it starts again, and what waited in it
//! ends. On the embedded store, in time that the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod embedded;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use embedded::{BOUND, Embedded, HOUR, MINUTE, SECOND};
use scheduled_one_control::audit::TickStatus;
use scheduled_one_protocol::message::{Occasion, Register};
use scheduled_one_protocol::{DecidingSchedule, ScheduleId, Store, UnitName};
use scheduled_one_runtime::{
    AuditedTick, Job, Misfire, Outcome, Overlap, Scheduler, SchedulerBuilder,
};
use test_support::Log;

/// How often the job ran that comes and goes.
struct World {
    embedded: Embedded,
    runs: Arc<AtomicUsize>,
    /// Runs end only when this is set.
    may_end: Arc<AtomicBool>,
}

impl Deref for World {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        &self.embedded
    }
}

impl World {
    fn new() -> Self {
        World {
            embedded: Embedded::new(),
            runs: Arc::default(),
            may_end: Arc::new(AtomicBool::new(true)),
        }
    }

    fn release(&self, application: &str) -> SchedulerBuilder {
        let builder = self.builder().application(application);
        builder.job(Job::every(format!("stays-{application}"), HOUR, || async {}))
    }

    /// The job that comes and goes, and everything is caught up with.
    fn job(&self) -> Job {
        self.plain_job()
            .misfire(Misfire::RunAll)
            .catch_up(12 * HOUR)
    }

    /// Each minute.
    fn plain_job(&self) -> Job {
        let (runs, may_end) = (Arc::clone(&self.runs), Arc::clone(&self.may_end));
        Job::every("goes", MINUTE, move || {
            runs.fetch_add(1, Ordering::SeqCst);
            let may_end = Arc::clone(&may_end);
            async move {
                while !may_end.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            }
        })
    }

    async fn with_job(&self) -> Scheduler {
        let builder = self.release("billing").job(self.job());
        builder.start().await.unwrap()
    }

    async fn without_job(&self, application: &str) -> Scheduler {
        self.release(application).start().await.unwrap()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    async fn decides(&self) -> DecidingSchedule {
        let units = [UnitName::new("goes", 0)];
        let reply = self.store.inspect(&self.caller(), &units).await.unwrap();
        reply.body[0].decides.clone().unwrap()
    }

    async fn is_gone(&self) -> bool {
        self.decides().await.gone_since_ms().is_some()
    }

    /// The lines of the job, oldest first: outcome, number of ticks, reason.
    async fn lines(&self) -> Vec<(Outcome, u64, String)> {
        let lines = Store::ledger(&self.store, "goes", 100).await.unwrap();
        let lines = lines.into_iter().rev();
        lines
            .map(|line| (line.outcome, line.count, line.reason))
            .collect()
    }
}

/// None after it was gone.
async fn operators_see_no_tick_of_it(world: &World, node: &Scheduler) {
    let control = node.control().unwrap();
    let gone_ms = world.decides().await.gone_since_ms().unwrap();
    let gone = UNIX_EPOCH + Duration::from_millis(gone_ms.unsigned_abs());
    let now = UNIX_EPOCH + Duration::from_secs(world.clock_s().unsigned_abs());
    assert!(
        now > gone + 20 * MINUTE,
        "ticks of its schedule would follow"
    );
    assert_eq!(control.next("goes", 3).await.unwrap(), []);
    let range = now - HOUR..now;
    let matching = control.matching("goes", range.clone()).await.unwrap();
    assert!(matching.iter().all(|tick| *tick <= gone), "{matching:?}");
    assert!(!matching.is_empty());
    let audit = control.audit("goes", range).await.unwrap();
    assert!(audit.iter().all(|tick| tick.tick <= gone), "{audit:?}");
    let ran = TickStatus::Decided(Outcome::Ok);
    let ran = audit.iter().filter(|tick| tick.status == ran);
    assert_eq!(ran.count(), 2, "{audit:?}");
}

#[tokio::test]
async fn the_time_a_job_was_gone_has_no_ticks() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = test_support::subscribe(subscriber.finish());
    let world = World::new();
    let old = world.with_job().await;
    world.until("it runs", async || world.runs() == 2).await;
    assert!(old.shutdown(BOUND).await.recorded);
    let new = world.without_job("billing").await;
    world
        .until("it is gone", async || world.is_gone().await)
        .await;
    assert_eq!(log.lines_with("job gone").len(), 1);
    world.pass(HOUR / 2).await;
    let before = world.lines().await;
    assert_eq!((world.runs(), before.len()), (2, 2), "{before:?}");
    operators_see_no_tick_of_it(&world, &new).await;

    let again = world.with_job().await;
    world
        .until("it runs again", async || world.runs() > 2)
        .await;
    world.pass(3 * MINUTE).await;
    assert_eq!(world.runs(), 6, "once a minute, and no more");
    let lines = world.lines().await;
    assert!(
        lines.iter().all(|(outcome, ..)| *outcome == Outcome::Ok),
        "{lines:?}"
    );
    let now = jiff::Timestamp::from_second(world.clock_s() + 1).unwrap();
    let audit = again
        .audit_in_full("goes", now - 2 * HOUR..now)
        .await
        .unwrap();
    let ran = |tick: &AuditedTick| tick.status == TickStatus::Decided(Outcome::Ok);
    assert!(audit.ticks.iter().all(ran), "{audit:?}");
    assert_eq!(audit.ticks.len(), 6, "none of the time it was gone");
    assert!(audit.complete_since.is_some(), "{audit:?}");
    for node in [new, again] {
        node.shutdown(BOUND).await;
    }
}

/// Nobody is there to notice it, and the nodes that return have the job: everything is caught up with.
#[tokio::test]
async fn an_outage_of_all_nodes_is_caught_up_with() {
    let world = World::new();
    let old = world.with_job().await;
    world.until("it runs", async || world.runs() == 1).await;
    assert!(old.shutdown(BOUND).await.recorded);
    world.pass(HOUR).await;
    let again = world.with_job().await;
    world
        .until("it caught up", async || world.runs() >= 61)
        .await;
    assert!(!world.is_gone().await);
    again.shutdown(BOUND).await;
}

#[tokio::test]
async fn a_job_that_a_living_node_or_another_program_has_is_not_gone() {
    let world = World::new();
    let old = world.with_job().await;
    let new = world.without_job("billing").await;
    world.pass(5 * MINUTE).await;
    assert!(!world.is_gone().await);
    assert_eq!(world.runs(), 5);
    // The program with the job is down, and only another one lives.
    assert!(new.shutdown(BOUND).await.recorded);
    assert!(old.shutdown(BOUND).await.recorded);
    let other = world.without_job("shipping").await;
    world.pass(5 * MINUTE).await;
    assert!(!world.is_gone().await);
    // Nor does a program count that has the job, and does not run it here.
    let builder = world.release("billing").job(world.job()).without(["goes"]);
    let idle = builder.start().await.unwrap();
    world.pass(5 * MINUTE).await;
    assert!(!world.is_gone().await);
    let again = world.with_job().await;
    world
        .until("it caught up", async || world.runs() >= 15)
        .await;
    for node in [other, idle, again] {
        node.shutdown(BOUND).await;
    }
}

/// A deployment that stops all nodes of a program before it starts the next, while a node lives that counts as one of
/// a release without the job.
#[tokio::test]
async fn a_job_that_somebody_has_again_within_two_minutes_is_not_gone() {
    let world = World::new();
    let old = world.with_job().await;
    let new = world.without_job("billing").await;
    world.pass(5 * MINUTE).await;
    assert!(old.shutdown(BOUND).await.recorded);
    for _ in 0..3 {
        world.pass(100 * SECOND).await;
        let again = world.with_job().await;
        world.pass(10 * SECOND).await;
        assert!(!world.is_gone().await);
        assert!(again.shutdown(BOUND).await.recorded);
    }
    assert_eq!(world.runs(), 10, "all of it is caught up with");
    // Other nodes that come and go do not put it off.
    world.pass(60 * SECOND).await;
    let other = world.without_job("shipping").await;
    world.pass(58 * SECOND).await;
    assert!(!world.is_gone().await);
    other.shutdown(BOUND).await;
    world.pass(20 * SECOND).await;
    assert!(world.is_gone().await);
    new.shutdown(BOUND).await;
}

/// Nodes of two programs that run the same jobs: each looks for the jobs that its program has dropped.
#[tokio::test]
async fn each_program_looks_for_its_own_jobs() {
    let world = World::new();
    let old = world.with_job().await;
    world.until("it runs", async || world.runs() == 1).await;
    let of = async |application: &str, identity: &str| {
        let builder = Scheduler::builder("memory://").clock(world.clock.clone());
        let builder = builder.store(world.store.clone()).identity(identity);
        let builder = builder.job(Job::every("both", HOUR, || async {}));
        builder.application(application).start().await.unwrap()
    };
    let nodes = [of("shipping", "1").await, of("billing", "2").await];
    assert!(old.shutdown(BOUND).await.recorded);
    world
        .until("it is gone", async || world.is_gone().await)
        .await;
    for node in nodes {
        node.shutdown(BOUND).await;
    }
}

#[tokio::test]
async fn what_waited_in_a_job_that_is_gone_ends() {
    let world = World::new();
    world.may_end.store(false, Ordering::SeqCst);
    let job = world.plain_job().overlap(Overlap::QueueOne);
    let builder = world.release("billing").job(job);
    let old = builder.start().await.unwrap();
    let new = world.without_job("billing").await;
    world.pass(3 * MINUTE).await;
    let run = new
        .control()
        .unwrap()
        .run("goes")
        .id("deploy-42")
        .await
        .unwrap();
    assert_eq!(world.runs(), 1);
    // Its node dies: the run is lost, and the tick behind it and the request wait for nobody.
    drop(old);
    world
        .until("what waited ends", async || {
            let lines = world.lines().await;
            lines
                .iter()
                .filter(|(_, _, reason)| reason == "job gone")
                .count()
                == 2
        })
        .await;
    assert!(world.is_gone().await);
    let of_request = run.states().await.unwrap();
    let of_request = format!("{of_request:?}");
    assert!(of_request.contains("Missed"), "{of_request}");
    // Whoever asks for another run gets to know as well.
    let control = new.control().unwrap();
    let late = control.run("goes").id("deploy-43").await.unwrap();
    world
        .until("the request ends", async || {
            format!("{:?}", late.states().await.unwrap()).contains("Missed")
        })
        .await;
    assert_eq!(world.runs(), 1);
    let counted = r#"scheduled_one_ticks_missed_total{job_name="other",reason="job gone"} 3"#;
    let is_counted = async || new.openmetrics().contains(counted);
    world.until("they are counted", is_counted).await;
    new.shutdown(BOUND).await;
}

/// Somebody believed that nobody has the job, while a node of it lives: that node takes its ticks back at once.
#[tokio::test]
async fn a_living_node_takes_its_ticks_back() {
    let world = World::new();
    let node = world.with_job().await;
    // It lives, so nobody takes over because it is gone.
    let mistaken = world.release("shipping").identity("mistaken");
    let mistaken = mistaken.start().await.unwrap();
    world.until("it runs", async || world.runs() == 1).await;
    let register = |decides| Register {
        unit: UnitName::new("goes", 0),
        first_seen_ms: i64::MAX,
        lease_ms: 1,
        schedule: Some(ScheduleId::NONE),
        generation: 0,
        occasion: Occasion::Gone,
        decides: Some(decides),
        bounds: Default::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    let seen = world.decides().await;
    let older = DecidingSchedule {
        generation: 0,
        registered_ms: seen.registered_ms - 1,
        ..seen.clone()
    };
    for (decides, is_gone) in [(older, false), (seen, true)] {
        let registrations = [register(decides)];
        let caller = world.caller();
        world.store.register(&caller, &registrations).await.unwrap();
        assert_eq!(world.is_gone().await, is_gone);
    }
    world
        .until("it runs again", async || world.runs() >= 3)
        .await;
    assert!(!world.is_gone().await);
    let lines = world.lines().await;
    assert!(
        lines.iter().all(|(outcome, ..)| *outcome == Outcome::Ok),
        "{lines:?}"
    );
    for node in [node, mistaken] {
        node.shutdown(BOUND).await;
    }
}

impl World {
    fn clock_s(&self) -> i64 {
        use scheduled_one_runtime::clock::Clock;
        self.clock.wall().as_secs() as i64
    }
}
