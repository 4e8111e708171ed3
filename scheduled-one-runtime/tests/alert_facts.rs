//! What alerts are made of: each fact of a scheduler that runs is there when it is the case, and gone afterwards.

mod test_store;

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_runtime::alerts::{Facts, Source, UnitFacts};
use scheduled_one_runtime::{Job, Overlap, Scheduler};
use scheduled_one_testkit::{ForgetfulStore, TokioClock};
use test_store::TestStore;
use tokio::sync::Semaphore;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct World {
    clock: TokioClock,
    store: TestStore,
}

impl World {
    fn new() -> Self {
        let clock = TokioClock::new();
        let store = TestStore::new(&clock, false);
        World { clock, store }
    }

    async fn node(&self, name: &str, job: Job) -> Scheduler {
        let builder = Scheduler::builder("memory://")
            .clock(self.clock)
            .store(self.store.clone())
            .node_name(name)
            .job(job);
        builder.start().await.expect("started")
    }
}

fn quick() -> Job {
    Job::every("j", MINUTE, async || {}).start_deadline(MINUTE)
}

async fn facts(scheduler: &Scheduler) -> Facts {
    scheduler.facts().await.expect("facts")
}

async fn of_job(scheduler: &Scheduler) -> UnitFacts {
    let units = facts(scheduler).await.units;
    let of_job = units.into_iter().find(|unit| unit.name == "j");
    of_job.expect("the job is there")
}

/// Waits, in virtual time, until the facts are so.
async fn until(what: &str, scheduler: &Scheduler, holds: impl Fn(&Facts) -> bool) -> Facts {
    let mut seen = facts(scheduler).await;
    for _ in 0..2_000 {
        if holds(&seen) {
            return seen;
        }
        tokio::time::sleep(5 * SECOND).await;
        seen = facts(scheduler).await;
    }
    panic!("not within hours: {what}: {seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_waits_is_due_and_a_run_runs_since_its_tick() {
    let world = World::new();
    let permits = Arc::new(Semaphore::new(0));
    let of_job_ = Arc::clone(&permits);
    let job = Job::every("j", MINUTE, move || {
        let permits = Arc::clone(&of_job_);
        async move { permits.acquire().await.expect("open").forget() }
    });
    let scheduler = world.node("a", job.overlap(Overlap::QueueOne)).await;
    let runs = until("it runs", &scheduler, |facts| {
        facts.units[0].running_since_ms.is_some()
    });
    let first_ms = runs.await.units[0].running_since_ms.expect("it runs");
    let waits = until("the next one waits", &scheduler, |facts| {
        facts.at_ms > first_ms + 90_000
    });
    let late = waits.await;
    assert_eq!(late.units[0].due_ms, Some(first_ms + 60_000));
    assert_eq!(late.units[0].running_since_ms, Some(first_ms));
    permits.add_permits(100);
    let over = until("both have ended", &scheduler, |facts| {
        facts.units[0].running_since_ms.is_none()
    });
    let over = over.await;
    assert!(over.units[0].due_ms > Some(over.at_ms), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn ticks_whose_lines_are_gone_are_unaccounted_for_an_hour() {
    let world = World::new();
    let scheduler = world.node("a", quick()).await;
    let begin_ms = facts(&scheduler).await.at_ms / 60_000 * 60_000;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(of_job(&scheduler).await.unaccounted, 0);
    for tick in [3, 4] {
        world.store.lose_lines_of(begin_ms + tick * 60_000);
    }
    until("two are missing", &scheduler, |facts| {
        facts.units[0].unaccounted == 2
    })
    .await;
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(of_job(&scheduler).await.unaccounted, 2);
    until("they are too old", &scheduler, |facts| {
        facts.units[0].unaccounted == 0
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nodes_are_counted_and_those_with_another_schedule_are_a_drift() {
    let world = World::new();
    let first = world.node("a", quick()).await;
    let alone = until("it lives", &first, |facts| facts.nodes == Some(1)).await;
    assert_eq!(alone.drift, None);
    let same = world.node("b", quick()).await;
    let two = until("there are two", &first, |facts| facts.nodes == Some(2)).await;
    assert_eq!(two.drift, None);
    let other = world
        .node("c", Job::every("j", 2 * MINUTE, async || {}))
        .await;
    let drifts = until("they differ", &first, |facts| facts.drift.is_some()).await;
    assert_eq!(drifts.nodes, Some(3));
    assert!(drifts.drift.expect("a text").ends_with("schedules of j"));
    other.shutdown(SECOND).await;
    drop(other);
    until("they are the same", &first, |facts| facts.drift.is_none()).await;
    same.shutdown(SECOND).await;
    drop(same);
    until("one is left", &first, |facts| facts.nodes == Some(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_known_when_it_is_over_and_for_ten_minutes() {
    let world = World::new();
    let scheduler = world.node("a", quick()).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(facts(&scheduler).await.outages, []);
    world.store.panic(usize::MAX);
    tokio::time::sleep(40 * SECOND).await;
    assert!(
        scheduler.facts().await.is_err(),
        "nobody knows anything now"
    );
    world.store.panic(0);
    for _ in 0..60 {
        if scheduler.facts().await.is_ok() {
            break;
        }
        tokio::time::sleep(SECOND).await;
    }
    let back = until("it is over", &scheduler, |facts| {
        facts.outages.iter().any(|outage| outage.until_ms.is_some())
    });
    let outage = back.await.outages[0].clone();
    let until_ms = outage.until_ms.expect("it is over");
    let lasted_ms = until_ms - outage.since_ms;
    assert!((30_000..60_000).contains(&lasted_ms), "{outage:?}");
    assert!(outage.grace_until_ms > until_ms && !outage.error.is_empty());
    assert_eq!(outage.store, "store");
    let over = until("it is long ago", &scheduler, |facts| {
        facts.outages.is_empty()
    });
    assert!(over.await.at_ms > until_ms + 600_000);
}

#[tokio::test(start_paused = true)]
async fn a_quarantine_lasts_as_long_as_leases_do_and_a_new_namespace_has_none() {
    let clock = TokioClock::new();
    let store = ForgetfulStore::new(Arc::new(clock));
    let builder = Scheduler::builder("memory://").clock(clock);
    let builder = builder.store(store.clone()).job(quick().lease(MINUTE));
    let scheduler = builder.start().await.expect("started");
    let new = facts(&scheduler).await;
    assert_eq!(new.quarantines, [], "a new namespace has forgotten nothing");
    tokio::time::sleep(2 * MINUTE).await;
    store.flush();
    let begun = until("it begins", &scheduler, |facts| {
        !facts.quarantines.is_empty()
    });
    let begun = begun.await;
    let quarantine = &begun.quarantines[0];
    assert!(quarantine.since_ms > new.at_ms && quarantine.until_ms > begun.at_ms);
    let until_ms = quarantine.until_ms;
    let over = until("it is over", &scheduler, |facts| {
        facts.quarantines.is_empty()
    });
    assert!(over.await.at_ms >= until_ms);
}
