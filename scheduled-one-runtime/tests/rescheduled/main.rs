//! Operators give a job another schedule in place of that in its code. On the embedded store, in time that the test
//! moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod looked_at;

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use scheduled_one_control::{BackfillOnly, Control, Error, ErrorKind};
use scheduled_one_protocol::Store;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{Caller, ControlRequest};
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, JobContext, Misfire, Outcome, Scheduler};
use test_support::Log;

const BOUND: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct World {
    clock: ManualClock,
    store: MemoryStore,
    control: Control,
    /// Ticks that ran, without their date.
    runs: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let world = World {
            control: Control::of_stores(vec![Arc::new(store.clone())]).unwrap(),
            clock,
            store,
            runs: Arc::default(),
        };
        // To the beginning of an hour.
        let past_s = world.clock.wall().as_secs() % 3_600;
        world.clock.advance(Duration::from_secs(3_600 - past_s));
        world
    }

    /// Everything that is missed would be caught up with.
    fn job(&self, cron: &str) -> Job {
        let runs = Arc::clone(&self.runs);
        let job = Job::cron("job", cron, move |ctx: JobContext| {
            let tick = ctx.scheduled_at().to_string()[14..19].to_owned();
            runs.lock().unwrap().push(tick);
            async {}
        });
        job.misfire(Misfire::RunAll)
            .catch_up(Duration::from_secs(12 * 3_600))
    }

    async fn start(&self, cron: &str) -> Scheduler {
        let builder = Scheduler::builder("memory://").clock(self.clock.clone());
        let builder = builder.store(self.store.clone()).job(self.job(cron));
        let scheduler = builder.start().await.unwrap();
        self.pass(5 * SECOND).await;
        scheduler
    }

    fn runs(&self) -> Vec<String> {
        self.runs.lock().unwrap().clone()
    }

    async fn pass(&self, time: Duration) {
        let until = self.clock.wall() + time;
        while self.clock.wall() < until {
            self.clock.advance(SECOND.min(until - self.clock.wall()));
            settle().await;
        }
    }

    /// Lets time pass until these ticks have run.
    async fn until_runs(&self, expected: &[&str]) {
        let look = async {
            while self.runs().len() < expected.len() {
                self.pass(SECOND).await;
            }
        };
        let found = tokio::time::timeout(BOUND, look).await;
        assert!(found.is_ok(), "{expected:?} in {:?}", self.runs());
        assert_eq!(self.runs(), expected);
    }

    async fn outcomes(&self) -> Vec<Outcome> {
        let lines = Store::ledger(&self.store, "job", 1_000).await.unwrap();
        lines.iter().map(|line| line.outcome).collect()
    }
}

/// Every task goes as far as it can without time.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn another_schedule_is_in_force_until_it_is_reset() {
    let world = World::new().await;
    let node = world.start("0 * * * * *").await;
    world.until_runs(&["01:00", "02:00"]).await;
    let half_past = world.control.reschedule("job", "30 * * * * *");
    let preview = half_past.clone().preview().await.unwrap();
    assert!(preview.schedule.contains("30 * * * * *") && !preview.already);
    assert_eq!(preview.next.len(), 5);
    let changed = half_past.by("ann").await.unwrap();
    assert!(!changed.already);
    let of_control = world.control.next("job", 5).await.unwrap();
    assert_eq!(of_control, preview.next);
    world
        .until_runs(&["01:00", "02:00", "02:30", "03:30"])
        .await;
    assert!(node.jobs()[0].schedule.contains("30 * * * * *"));
    let same = world
        .control
        .reschedule("job", " 30 * * * * * ")
        .await
        .unwrap();
    assert!(same.already);

    // From minutely to hourly and back: of the time in between, no minute was a tick.
    world.control.reschedule("job", "every 1h").await.unwrap();
    world.pass(20 * MINUTE).await;
    assert_eq!(world.runs().len(), 4);
    let described = world.control.describe("job").await.unwrap();
    let wanted = described.overridden.unwrap();
    assert_eq!(
        (wanted.wanted.text.as_str(), wanted.is_void),
        ("every 1h", false)
    );
    assert!(!world.control.reset("job").await.unwrap().already);
    assert!(world.control.reset("job").await.unwrap().already);
    world.pass(3 * MINUTE).await;
    assert_eq!(world.runs().len(), 7, "{:?}", world.runs());
    let outcomes = world.outcomes().await;
    assert!(
        outcomes.iter().all(|outcome| *outcome == Outcome::Ok),
        "{outcomes:?}"
    );
    // The audit lists what ran by each of the three schedules, and no tick that none of them had.
    assert_eq!(world.audited(&node).await, world.runs());
    node.shutdown(BOUND).await;
}

/// The override is bound to the schedule that it replaces.
#[tokio::test]
async fn a_release_with_another_schedule_wins_and_says_so() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = test_support::subscribe(subscriber.finish());
    let world = World::new().await;
    let node = world.start("0 0 * * * *").await;
    world.control.reschedule("job", "every 1m").await.unwrap();
    world.until_runs(&["01:00", "02:00"]).await;
    // The same release starts again: what operators want still holds.
    node.shutdown(BOUND).await;
    let node = world.start("0 0 * * * *").await;
    world.until_runs(&["01:00", "02:00", "03:00"]).await;
    assert!(log.lines_with("override is void").is_empty());
    node.shutdown(BOUND).await;

    let node = world.start("15 * * * * *").await;
    world
        .until_runs(&["01:00", "02:00", "03:00", "03:15", "04:15"])
        .await;
    assert_eq!(log.lines_with("override is void").len(), 1);
    // It is taken away: with the first schedule in the code again, it is not in force.
    let described = world.control.describe("job").await.unwrap();
    assert_eq!(described.overridden, None);
    let trail = world.control.trail().await.unwrap();
    let by: Vec<&str> = trail
        .entries
        .iter()
        .map(|entry| entry.actor.as_str())
        .collect();
    assert_eq!(by, ["", "scheduled-one"], "{trail:?}");
    let next = world.control.next("job", 1).await.unwrap();
    let next_s = next[0].duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(next_s % 60, 15);
    node.shutdown(BOUND).await;
    let node = world.start("0 0 * * * *").await;
    world.pass(5 * MINUTE).await;
    assert_eq!(world.runs().len(), 5, "{:?}", world.runs());
    node.shutdown(BOUND).await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    let node = world.start("0 0 * * * *").await;
    let control = &world.control;
    let kind_and_text = async |change: scheduled_one_control::ChangeDirective| {
        let error: Error = change.await.unwrap_err();
        (error.kind(), error.to_string())
    };
    let cases = [
        (control.reschedule("job", "0 0 25 * * *"), "25"),
        (control.reschedule("job", ""), "every 5m"),
        (control.reschedule("job", "every 5"), "5"),
        (
            control.reschedule("job", "0 0 9 * * *").tz("Europe/Berln"),
            "Europe/Berlin",
        ),
        (control.reschedule("*", "every 5m"), "one job at a time"),
        (control.reset("job").until(UNIX_EPOCH + BOUND), "until"),
    ];
    for (change, expected) in cases {
        let (kind, text) = kind_and_text(change).await;
        assert_eq!(kind, ErrorKind::Usage, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let (kind, text) = kind_and_text(control.reschedule("jb", "every 5m")).await;
    assert!(
        kind == ErrorKind::NotFound && text.contains("job"),
        "{text}"
    );
    let (kind, _) = kind_and_text(control.reschedule("job", "every 5m").expect(7)).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(control.pause("job").preview().await.is_err());
    node.shutdown(BOUND).await;
}

/// The node that described the job last is not the one whose schedule decides: an override would be bound to the wrong
/// one.
#[tokio::test]
async fn what_nodes_of_two_releases_disagree_about_is_refused() {
    let world = World::new().await;
    let old = world.start("0 0 * * * *").await;
    let control = &world.control;
    let caller = Caller {
        node: "caller".to_owned(),
        name: "caller".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 100,
        buckets: 1,
    };
    let wants = ControlRequest {
        wants_catalog: true,
        ..ControlRequest::default()
    };
    let reply = world.store.control(&caller, &wants).await.unwrap();
    let text = reply.body.catalog.unwrap()["job"].text.clone();
    let new = world.start("0 30 * * * *").await;
    let describe = ControlRequest {
        described: vec![("job".to_owned(), text)],
        ..ControlRequest::default()
    };
    let range = UNIX_EPOCH..UNIX_EPOCH + world.clock.wall();
    for is_refused in [false, true] {
        if is_refused {
            world.store.control(&caller, &describe).await.unwrap();
        }
        let preview = control.reschedule("job", "every 5m").preview().await;
        let backfill = control.backfill("job", range.clone()).dry_run().await;
        let errors = [preview.err(), backfill.err()];
        for error in errors {
            let text = error.map(|error| error.to_string());
            let says = text.as_ref().is_some_and(|text| text.contains("different"));
            assert_eq!(says, is_refused, "{text:?}");
        }
    }
    assert!(control.reset("job").await.unwrap().already);
    for node in [old, new] {
        node.shutdown(BOUND).await;
    }
}

/// Nodes of the release before claim nothing of a job of every day, and have not learned that a node of the next one
/// decides.
#[tokio::test]
async fn nodes_of_the_release_before_leave_what_is_asked_of_the_next_one() {
    let world = World::new().await;
    let hour = (world.clock.wall().as_secs() / 3_600 + 6) % 24;
    let daily = |minute: u32| format!("0 {minute} {hour} * * *");
    let old = [world.start(&daily(0)).await, world.start(&daily(0)).await];
    let new = world.start(&daily(30)).await;
    let control = &world.control;
    control.reschedule("job", "every 1m").await.unwrap();
    world.until_runs(&["01:00", "02:00", "03:00"]).await;
    let wanted = control.describe("job").await.unwrap().overridden;
    assert!(
        wanted.as_ref().is_some_and(|it| it.is_in_force()),
        "{wanted:?}"
    );
    control.reset("job").await.unwrap();

    let now = UNIX_EPOCH + world.clock.wall();
    let days = now - Duration::from_secs(30 * 86_400)..now;
    let backfill = control.backfill("job", days).only(BackfillOnly::Never);
    assert_eq!(backfill.at_a_time(1).await.unwrap().ticks.len(), 30);
    let state = async || control.backfill_state("job").await.unwrap().unwrap();
    let look = async {
        while !state().await.is_over() {
            world.pass(SECOND).await;
        }
    };
    assert!(tokio::time::timeout(BOUND, look).await.is_ok());
    assert_eq!(state().await.ended, "");
    assert_eq!(world.runs().len(), 33);
    for node in old.into_iter().chain([new]) {
        node.shutdown(BOUND).await;
    }
}

/// An hour of missed ticks is about to be caught up with, and nobody wants them any more.
#[tokio::test]
async fn a_catch_up_is_stopped_by_a_resume_that_skips_what_was_missed() {
    let world = World::new().await;
    let node = world.start("0 * * * * *").await;
    world.until_runs(&["01:00", "02:00"]).await;
    node.shutdown(BOUND).await;
    world.clock.advance(56 * MINUTE);
    world.control.pause("job").await.unwrap();
    let node = world.start("0 * * * * *").await;
    world.pass(MINUTE).await;
    assert_eq!(world.runs().len(), 2, "{:?}", world.runs());
    let all = world.control.resume_all().skip_missed().await.unwrap_err();
    assert_eq!(all.kind(), ErrorKind::Usage);
    world.control.resume("job").skip_missed().await.unwrap();
    world.pass(2 * MINUTE).await;
    assert_eq!(world.runs().len(), 4, "{:?}", world.runs());
    let lines = Store::ledger(&world.store, "job", 1_000).await.unwrap();
    let skipped: Vec<u64> = lines
        .iter()
        .filter(|line| line.outcome == Outcome::Skipped)
        .map(|line| line.count)
        .collect();
    assert_eq!(skipped.len(), 1, "{lines:?}");
    assert!(skipped[0] >= 56, "{skipped:?}");
    node.shutdown(BOUND).await;
}
