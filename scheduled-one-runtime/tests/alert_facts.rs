//! What alerts are made of: each fact of a scheduler that runs is there when it is the case, and gone afterwards.

mod test_store;

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::Bucket;
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
    permits.add_permits(1);
    let second = until("the next one runs", &scheduler, |facts| {
        facts.units[0]
            .running_since_ms
            .is_some_and(|since_ms| since_ms != first_ms)
    });
    let since_ms = second.await.units[0].running_since_ms;
    assert!(
        since_ms >= Some(late.at_ms),
        "since its grant, not since its tick"
    );
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
    assert_eq!(of_job(&scheduler).await.unaccounted, Some(0));
    for tick in [3, 4] {
        world.store.lose_lines_of(begin_ms + tick * 60_000);
    }
    until("two are missing", &scheduler, |facts| {
        facts.units[0].unaccounted == Some(2)
    })
    .await;
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(of_job(&scheduler).await.unaccounted, Some(2));
    until("they are too old", &scheduler, |facts| {
        facts.units[0].unaccounted == Some(0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn ticks_of_a_schedule_that_stands_aside_are_not_missing() {
    let world = World::new();
    let old = world.node("old", quick()).await;
    tokio::time::sleep(5 * MINUTE).await;
    let others = Job::every("j", 90 * SECOND, async || {}).start_deadline(MINUTE);
    let new = world.node("new", others).await;
    for _ in 0..90 {
        tokio::time::sleep(20 * SECOND).await;
        let seen = of_job(&old).await;
        assert_eq!(seen.unaccounted.unwrap_or(0), 0, "{seen:?}");
    }
    assert_eq!(of_job(&old).await.unaccounted, None);
    assert_eq!(of_job(&new).await.unaccounted, Some(0));
    // The old release decides again when the new one is gone: its ticks from then on are those of the job.
    new.shutdown(SECOND).await;
    drop(new);
    until("it is audited again", &old, |facts| {
        facts.units[0].unaccounted == Some(0)
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
    let over = until("it is over", &scheduler, |facts| facts.at_ms >= until_ms);
    let listed = over.await.quarantines;
    assert_eq!(
        listed,
        std::slice::from_ref(quarantine),
        "nobody looked at it while it lasted"
    );
    let over = until("it is long ago", &scheduler, |facts| {
        facts.quarantines.is_empty()
    });
    assert!(over.await.at_ms > until_ms + 600_000);
}

#[tokio::test(start_paused = true)]
async fn a_requested_run_runs_since_its_grant() {
    let world = World::new();
    let job = Job::manual("j", async || std::future::pending::<()>().await);
    let scheduler = world.node("a", job).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(of_job(&scheduler).await.running_since_ms, None);
    let before_ms = facts(&scheduler).await.at_ms;
    let control = scheduler.control().expect("a handle");
    control.run("j").await.expect("asked for");
    let runs = until("it runs", &scheduler, |facts| {
        facts.units[0].running_since_ms.is_some()
    });
    let runs = runs.await;
    let since_ms = runs.units[0].running_since_ms.expect("it runs");
    assert!((before_ms..=runs.at_ms).contains(&since_ms), "{since_ms}");
}

#[tokio::test(start_paused = true)]
async fn a_tick_is_not_due_before_its_jitter() {
    let world = World::new();
    let hour = 60 * MINUTE;
    let job = Job::every("j", hour, async || {}).jitter(50 * MINUTE);
    let scheduler = world.node("a", job.start_deadline(MINUTE)).await;
    for _ in 0..5 * 60 {
        tokio::time::sleep(MINUTE).await;
        let seen = facts(&scheduler).await;
        let due_ms = seen.units[0].due_ms.expect("there is a next one");
        assert!(due_ms >= seen.at_ms - 1_000, "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ticks_that_may_start_late_are_audited_and_jobs_not_audited_yet_are_not_known() {
    let world = World::new();
    let builder = Scheduler::builder("memory://").clock(world.clock);
    let builder = (0..20).fold(builder.store(world.store.clone()), |builder, number| {
        let name = format!("j{number:02}");
        builder.job(Job::every(name, 10 * MINUTE, async || {}).start_deadline(120 * MINUTE))
    });
    let scheduler = builder.start().await.expect("started");
    let first = facts(&scheduler).await;
    let known = first.units.iter().filter(|unit| unit.unaccounted.is_some());
    assert_eq!(known.count(), 16, "with one evaluation");
    let all = facts(&scheduler).await;
    assert!(all.units.iter().all(|unit| unit.unaccounted == Some(0)));
    let begin_ms = first.at_ms / 600_000 * 600_000;
    tokio::time::sleep(30 * MINUTE).await;
    world.store.lose_lines_of(begin_ms + 600_000);
    until("it is missing", &scheduler, |facts| {
        facts.units.iter().any(|unit| unit.unaccounted == Some(1))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_outages_are_two() {
    let world = World::new();
    let scheduler = world.node("a", quick()).await;
    for _ in 0..2 {
        tokio::time::sleep(20 * SECOND).await;
        world.store.panic(usize::MAX);
        tokio::time::sleep(20 * SECOND).await;
        world.store.panic(0);
    }
    tokio::time::sleep(20 * SECOND).await;
    let outages = facts(&scheduler).await.outages;
    assert_eq!(outages.len(), 2, "{outages:?}");
    assert!(
        outages[0].until_ms < Some(outages[1].since_ms),
        "{outages:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_edited_hides_no_other_job() {
    let world = World::new();
    let job = |name: &str| Job::every(name, MINUTE, async || {});
    let other = world.node("other", job("elsewhere")).await;
    let builder = Scheduler::builder("memory://").clock(world.clock);
    let builder = builder
        .store(world.store.clone())
        .job(job("a"))
        .job(job("b"));
    let scheduler = builder.start().await.expect("started");
    let names = |facts: &Facts| {
        let names = facts.units.iter().map(|unit| unit.name.clone());
        names.collect::<Vec<_>>()
    };
    let all = until("all are known", &scheduler, |facts| facts.units.len() == 3);
    assert_eq!(names(&all.await), ["a", "b", "elsewhere"]);
    for (damaged, left) in [("b", 2), ("elsewhere", 1)] {
        world.store.damage(damaged);
        let seen = facts(&scheduler).await;
        assert_eq!(names(&seen).len(), left);
        assert!(!seen.is_partial && names(&seen).contains(&"a".to_owned()));
        let mut unreadable = seen.unreadable.iter();
        let found = unreadable
            .find(|it| it.what == damaged)
            .expect("it is said");
        assert!(found.error.contains("edited"), "{found:?}");
    }
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_away_hides_no_other() {
    let clock = TokioClock::new();
    let (first, second) = TestStore::new(&clock, false).with_second_bucket(&clock);
    let name_in = |bucket: u32| {
        let mut names = (0..).map(|number| format!("job-{number}"));
        let is_in = |name: &String| Bucket::of_job(name, 2).index() == bucket;
        names.find(is_in).expect("names have no end")
    };
    let builder = Scheduler::builder("memory://")
        .clock(clock)
        .store(first)
        .buckets(2);
    let builder = [0, 1].into_iter().fold(builder, |builder, bucket| {
        builder.job(Job::every(name_in(bucket), MINUTE, async || {}))
    });
    let scheduler = builder.start().await.expect("started");
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(facts(&scheduler).await.units.len(), 2);
    second.panic(usize::MAX);
    tokio::time::sleep(MINUTE).await;
    let seen = facts(&scheduler).await;
    assert_eq!((seen.units.len(), &seen.units[0].name), (1, &name_in(0)));
    assert!(seen.is_partial && seen.nodes.is_none() && seen.jobs.is_none());
    let going_on = seen.outages.iter().find(|outage| outage.until_ms.is_none());
    assert_eq!(going_on.expect("it goes on").store, "bucket 1");
    assert_eq!(seen.unreadable, [], "the outage says it");
    let refused = Source::ledger(&scheduler, &name_in(1), 10).await;
    assert!(refused.is_err());
    assert!(
        !Source::ledger(&scheduler, &name_in(0), 10)
            .await
            .expect("lines")
            .is_empty()
    );
    second.panic(0);
    let back = until("it is back", &scheduler, |facts| !facts.is_partial).await;
    assert_eq!((back.units.len(), back.nodes), (2, Some(1)));
}
