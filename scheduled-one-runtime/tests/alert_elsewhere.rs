//! What a node that evaluates alerts finds of jobs that only other nodes have: ticks without an outcome.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod test_store;

use std::time::Duration;

use scheduled_one_runtime::alerts::Source;
use scheduled_one_runtime::{Calendar, Job, Scheduler, Scope};
use scheduled_one_testkit::TokioClock;
use test_store::TestStore;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct World {
    clock: TokioClock,
    store: TestStore,
    /// The node that evaluates, with a job of its own.
    evaluates: Scheduler,
}

impl World {
    /// Another node has these jobs.
    async fn new(jobs: impl IntoIterator<Item = Job>) -> (Self, Scheduler) {
        let clock = TokioClock::new();
        let store = TestStore::new(&clock, false);
        let node = |name: &str| {
            let builder = Scheduler::builder("memory://").clock(clock);
            builder.store(store.clone()).node_name(name)
        };
        let holidays = Calendar::new("holidays", ["12-24"]);
        let others = jobs.into_iter().fold(node("other"), |it, job| it.job(job));
        let others = others.calendar(holidays).start().await.unwrap();
        let own = Job::every("own", 5 * MINUTE, async || {});
        let evaluates = node("evaluates").job(own).start().await.unwrap();
        let world = World {
            clock,
            store,
            evaluates,
        };
        (world, others)
    }

    async fn unaccounted(&self, job: &str) -> Option<u64> {
        let units = self.evaluates.facts().await.unwrap().units;
        let of_job = units.into_iter().find(|unit| unit.name == job);
        of_job.and_then(|unit| unit.unaccounted)
    }

    /// Waits, in virtual time, until so many ticks are unaccounted.
    async fn until(&self, job: &str, ticks: Option<u64>) {
        for _ in 0..2_000 {
            if self.unaccounted(job).await == ticks {
                return;
            }
            tokio::time::sleep(5 * SECOND).await;
        }
        panic!("not within hours: {ticks:?} of {job}");
    }

    fn minute(&self) -> i64 {
        use scheduled_one_runtime::clock::Clock;
        self.clock.wall().as_millis() as i64 / 60_000 * 60_000
    }
}

fn every_minute(name: &str) -> Job {
    Job::every(name, MINUTE, async || {}).start_deadline(MINUTE)
}

#[tokio::test(start_paused = true)]
async fn ticks_of_a_job_of_other_nodes_whose_lines_are_gone_are_unaccounted_for_an_hour() {
    let (world, other) = World::new([every_minute("j")]).await;
    let begin_ms = world.minute();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(world.unaccounted("j").await, Some(0));
    for tick in [3, 4] {
        world.store.lose_lines_of(begin_ms + tick * 60_000);
    }
    world.until("j", Some(2)).await;
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(world.unaccounted("j").await, Some(2));
    world.until("j", Some(0)).await;
    world.store.lose_lines_of(world.minute() - 20 * 60_000);
    world.until("j", Some(1)).await;
    // Nobody has the job any more: what is found from now on would be nobody's.
    other.shutdown(SECOND).await;
    drop(other);
    world.until("j", None).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_ticks_only_its_program_knows_is_not_audited() {
    let job = Job::cron("holy", "0 * * * * *", async || {}).except(["holidays"]);
    let (world, _other) = World::new([job, every_minute("j")]).await;
    let begin_ms = world.minute();
    tokio::time::sleep(10 * MINUTE).await;
    world.store.lose_lines_of(begin_ms + 3 * 60_000);
    world.until("j", Some(1)).await;
    assert_eq!(world.unaccounted("holy").await, None);
}

#[tokio::test(start_paused = true)]
async fn ticks_of_a_schedule_in_place_of_that_in_the_code_are_audited_from_then_on() {
    let (world, _other) = World::new([every_minute("j")]).await;
    tokio::time::sleep(20 * MINUTE).await;
    let control = world.evaluates.control().unwrap();
    control.reschedule("j", "every 90s").await.unwrap();
    let since_ms = world.minute();
    tokio::time::sleep(20 * MINUTE).await;
    // Of the ticks that this schedule has of the time before, every second one was none of the job.
    assert_eq!(world.unaccounted("j").await, Some(0));
    world.store.lose_lines_of((since_ms / 90_000 + 5) * 90_000);
    world.until("j", Some(1)).await;
}

#[tokio::test(start_paused = true)]
async fn of_each_job_the_facts_have_the_most_shards_of_a_living_node() {
    let (world, others) = World::new([every_minute("j").shards(4)]).await;
    let shards = async |job: &str| {
        let jobs = world.evaluates.facts().await.unwrap().jobs;
        jobs.expect("the list can be read").remove(job).flatten()
    };
    let until = async |wanted: Option<u32>| {
        for _ in 0..100 {
            if shards("j").await == wanted {
                return;
            }
            tokio::time::sleep(SECOND).await;
        }
        panic!("not within minutes: {wanted:?}");
    };
    until(Some(4)).await;
    assert_eq!(shards("own").await, Some(1));
    let builder = Scheduler::builder("memory://").clock(world.clock);
    let next = builder.store(world.store.clone()).node_name("next");
    let next = next.job(every_minute("j").shards(2)).start().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(shards("j").await, Some(4), "one of the old release lives");
    others.shutdown(SECOND).await;
    drop(others);
    until(Some(2)).await;
    next.shutdown(SECOND).await;
    drop(next);
    until(None).await;
}

#[tokio::test(start_paused = true)]
async fn two_versions_of_a_job_are_a_drift_until_one_is_left() {
    let (world, _others) = World::new([every_minute("other")]).await;
    let node = async |name: &str, version: &str| {
        let builder = Scheduler::builder("memory://").clock(world.clock);
        let builder = builder.store(world.store.clone()).node_name(name);
        let builder = builder.version(version).job(every_minute("j"));
        builder.start().await.unwrap()
    };
    let until = async |wanted: Option<&str>| {
        for _ in 0..100 {
            let facts = world.evaluates.facts().await.unwrap();
            if facts.drift.as_deref() == wanted {
                return;
            }
            tokio::time::sleep(SECOND).await;
        }
        panic!("not within minutes: {wanted:?}");
    };
    let old = node("old", "1.4.0").await;
    let _same = node("same", "1.5.0").await;
    until(Some(
        "living nodes have different versions (1.4.0, 1.5.0) of j",
    ))
    .await;
    old.shutdown(SECOND).await;
    drop(old);
    until(None).await;
}

#[tokio::test(start_paused = true)]
async fn the_identities_of_living_nodes_are_those_of_lines() {
    let (world, others) = World::new([every_minute("j").scope(Scope::EveryNode)]).await;
    let until = async |count: usize| {
        for _ in 0..100 {
            let facts = world.evaluates.facts().await.unwrap();
            let identities = facts.identities.expect("the list can be read");
            assert_eq!(facts.nodes, Some(identities.len() as u32));
            if identities.len() == count {
                return identities;
            }
            tokio::time::sleep(SECOND).await;
        }
        panic!("not within minutes: {count} nodes");
    };
    let both = until(2).await;
    tokio::time::sleep(2 * MINUTE).await;
    let line = others.ledger("j", 1).await.unwrap().remove(0);
    let ran_on = line.identity.expect("each node runs it by itself");
    assert!(both.contains(&ran_on), "{ran_on} of {both:?}");
    others.shutdown(SECOND).await;
    drop(others);
    assert!(!until(1).await.contains(&ran_on));
}
