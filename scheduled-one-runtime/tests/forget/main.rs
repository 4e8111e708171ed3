//! A job that no living node has is forgotten when somebody asks for it, and returns as a new one. On the embedded
//! store, in time that the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

#[path = "../embedded/mod.rs"]
mod embedded;
mod races;
#[path = "../test_store/mod.rs"]
mod test_store;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use embedded::{Embedded, HOUR, MINUTE, SECOND};
use scheduled_one_control::{Control, Error};
use scheduled_one_protocol::message::{LowerBounds, Occasion, Register};
use scheduled_one_protocol::{Store, TickMs, UnitName};
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Job, Misfire, Scheduler, SchedulerBuilder};

struct World {
    embedded: Embedded,
    runs: Arc<AtomicUsize>,
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
        }
    }

    /// The job that comes and goes: each minute, and it is caught up with.
    fn job(&self) -> Job {
        let runs = Arc::clone(&self.runs);
        let goes = Job::every("goes", MINUTE, move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async {}
        });
        goes.misfire(Misfire::RunAll).catch_up(12 * HOUR)
    }

    fn release(&self, name: &str) -> SchedulerBuilder {
        let builder = self.builder().node_name(name).application("billing");
        builder.job(Job::every("stays", HOUR, || async {}))
    }

    async fn node(&self, name: &str, has_job: bool) -> Scheduler {
        let builder = self.release(name);
        let builder = match has_job {
            true => builder.job(self.job()),
            false => builder,
        };
        builder.start().await.unwrap()
    }

    fn control(&self) -> Control {
        Control::of_stores(vec![Arc::new(self.store.clone())]).unwrap()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_forgotten_job_leaves_nothing_and_returns_as_a_new_one() {
    let world = World::new();
    let control = world.control();
    let old = world.node("old", true).await;
    world.until("it ran", async || world.runs() >= 3).await;
    assert_eq!(control.gone().await.unwrap(), []);
    let refused = control.forget("goes").await.unwrap_err();
    assert!(
        matches!(&refused, Error::NotGone { nodes, .. } if nodes == &["old"]),
        "{refused}"
    );
    let near = control.forget("gose").await.unwrap_err();
    assert!(
        matches!(&near, Error::UnknownJob { nearest, .. } if nearest == &["goes"]),
        "{near}"
    );

    let new = world.node("new", false).await;
    world.pass(3 * SECOND).await;
    old.shutdown(SECOND).await;
    // Nobody takes it any more, and it is paused.
    control.run("goes").id("late").await.unwrap();
    control.pause("goes").by("ann").await.unwrap();
    let gone = control.gone().await.unwrap();
    assert_eq!(gone.len(), 1, "{gone:?}");
    let left = control.forget("goes").preview().await.unwrap();
    assert_eq!(left, gone[0]);
    assert_eq!((left.job.as_str(), left.requests), ("goes", 1));
    assert!(
        left.units >= 2 && left.ledger_lines >= 3 && left.has_directive && left.last_seen_ms > 0
    );

    let runs = world.runs();
    let done = control
        .forget("goes")
        .by("ann")
        .note("release 8")
        .await
        .unwrap();
    assert!(!done.already && done.left == left, "{done:?}");
    assert_eq!(control.gone().await.unwrap(), []);
    let jobs = control.jobs().await.unwrap();
    assert!(jobs.iter().all(|job| job.job == "stays"), "{jobs:?}");
    assert!(matches!(
        control.forget("goes").await,
        Err(Error::UnknownJob { .. })
    ));
    let trail = control.trail().limit(1).await.unwrap();
    let entry = &trail.entries[0];
    assert_eq!(
        (
            entry.action.as_str(),
            entry.subject.as_str(),
            entry.actor.as_str(),
            entry.note.as_str()
        ),
        ("forget", "goes", "ann", "release 8")
    );
    it_comes_back_as_a_new_one(&world, runs).await;
    new.shutdown(SECOND).await;
}

async fn it_comes_back_as_a_new_one(world: &World, runs: usize) {
    let control = world.control();
    // What other nodes know of it brings nothing back.
    world.pass(HOUR / 2).await;
    let units = [UnitName::new("goes", 0), UnitName::new("goes", 0).lane()];
    let status = world
        .store
        .inspect(&world.caller(), &units)
        .await
        .unwrap()
        .body;
    assert_eq!(status, [Default::default(), Default::default()]);
    assert_eq!(control.gone().await.unwrap(), []);

    // Half an hour of ticks were never ticks of the job that has the name now.
    let again = world.node("again", true).await;
    world.pass(SECOND).await;
    assert_eq!(world.runs(), runs);
    let described = control.describe("goes").await.unwrap();
    assert!(described.pauses.is_empty());
    world
        .until("its first tick", async || world.runs() > runs)
        .await;
    world.pass(5 * SECOND).await;
    assert_eq!(world.runs(), runs + 1);
    let lines = control.history("goes", 10).await.unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    again.shutdown(SECOND).await;
}

/// A clock that was an hour ahead has decided the ticks of that hour.
#[tokio::test]
async fn marks_that_are_ahead_are_taken_back_when_no_node_has_the_job() {
    let world = World::new();
    let control = world.control();
    let old = world.node("old", true).await;
    world.until("it ran", async || world.runs() >= 1).await;
    let now = UNIX_EPOCH + world.clock.wall();
    let first = control.next("goes", 1).await.unwrap()[0];
    assert!(
        first > now && first <= now + MINUTE,
        "{first:?} after {now:?}"
    );
    let decided_ms = (world.clock.wall() + HOUR).as_millis() as i64;
    let wild = Register {
        unit: UnitName::new("goes", 0),
        first_seen_ms: decided_ms,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds {
            decided: Some(TickMs(decided_ms)),
            ..LowerBounds::default()
        },
        next_due_ms: None,
        requests: Vec::new(),
    };
    world
        .store
        .register(&world.caller(), &[wild])
        .await
        .unwrap();
    // No tick runs that is decided.
    let next = control.next("goes", 2).await.unwrap();
    assert!(
        next[0] > now + HOUR && next[1] == next[0] + MINUTE,
        "{next:?}"
    );

    let refused = control.take_back("goes").await.unwrap_err();
    assert!(
        matches!(&refused, Error::NotGone { nodes, .. } if nodes == &["old"]),
        "{refused}"
    );
    old.shutdown(SECOND).await;
    assert_eq!(control.take_back("goes").preview().await.unwrap(), 1);
    let take_back = control.take_back("goes").by("ann").note("NTP");
    assert_eq!(take_back.clone().await.unwrap(), 1);
    assert_eq!(take_back.await.unwrap(), 0);
    let trail = control.trail().limit(9).await.unwrap().entries;
    let entries: Vec<(&str, &str)> = trail
        .iter()
        .map(|entry| (entry.action.as_str(), entry.note.as_str()))
        .collect();
    assert_eq!(entries, [("take-back", "NTP")]);
    assert_eq!(control.next("goes", 1).await.unwrap(), [first]);

    let runs = world.runs();
    let again = world.node("again", true).await;
    world
        .until("it runs again", async || world.runs() > runs)
        .await;
    assert!(UNIX_EPOCH + world.clock.wall() < now + 5 * MINUTE);
    again.shutdown(SECOND).await;
}
