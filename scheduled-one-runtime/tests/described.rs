//! What `Control` shows of a job: its records, its next ticks, the versions of its nodes, and the trail. On the
//! embedded store, in time that the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod embedded;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use embedded::{Embedded, HOUR, MINUTE, SECOND};
use scheduled_one_control::{Control, JobDescription, NextTicks, OnBusy};
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Job, JobContext, Overlap, Scheduler, SchedulerBuilder};

fn control(world: &Embedded) -> Control {
    Control::of_stores(vec![Arc::new(world.store.clone())]).unwrap()
}

/// Waits until a node has described the job, and said which protocol it speaks.
async fn described(world: &Embedded, job: &str) {
    let control = control(world);
    let is_known = async || {
        let known = control.describe(job).await;
        let nodes = control.living_nodes().await.unwrap();
        known.is_ok_and(|job| job.cataloged.is_some())
            && nodes.iter().all(|node| node.protocol.is_some())
    };
    world.until("the job is described", is_known).await;
}

/// Shuts a node down, while time passes.
async fn stop(world: &Embedded, node: Scheduler) {
    let passing = async {
        loop {
            world.pass(SECOND).await;
        }
    };
    tokio::select! {
        _ = node.shutdown(SECOND) => {}
        () = passing => unreachable!("time passes without end"),
    }
}

/// A node with a job that ends when it is cancelled, in three shards, with two runs each; and with others.
async fn node(
    world: &Embedded,
    add: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder,
) -> Scheduler {
    let split = Job::every("split", 5 * SECOND, |ctx: JobContext| async move {
        ctx.cancelled().await;
    });
    let builder = world.builder().node_name("n1");
    let builder = builder
        .job(split.shards(3).overlap(Overlap::Allow(2)))
        .job(Job::every("plain", HOUR, || async {}))
        .job(Job::every("off", HOUR, || async {}).enabled(false))
        .job(Job::manual("asked", || async {}));
    add(builder).start().await.unwrap()
}

#[tokio::test]
async fn the_records_of_all_shards_slots_and_lanes_are_shown() {
    let world = Embedded::new();
    let node = node(&world, |builder| builder).await;
    let control = control(&world);
    let describe = async || control.describe("split").await.unwrap();
    let has_slot = |job: &JobDescription, shard| {
        let mut records = job.records.iter();
        records.any(|it| it.unit.shard() == shard && it.unit.slot() > 0)
    };
    world
        .until("each shard has a run in a slot", async || {
            let job = describe().await;
            (0..3).all(|shard| has_slot(&job, shard))
        })
        .await;
    let request = control.run("split").id("r1").on_busy(OnBusy::Allow);
    request.await.unwrap();
    world
        .until("the request is in the lanes", async || {
            describe().await.open_runs().any(|run| run.is_requested)
        })
        .await;
    let job = describe().await;
    assert_eq!((job.shards, job.shards_left_out), (3, 0));
    for shard in 0..3 {
        let of_shard = job.records.iter().filter(|it| it.unit.shard() == shard);
        let (mut whole, mut slots, mut lanes) = (0, 0, 0);
        for record in of_shard {
            match (record.unit.is_whole(), record.unit.is_lane()) {
                (true, _) => whole += 1,
                (_, true) => lanes += 1,
                _ => slots += 1,
            }
        }
        assert_eq!((whole, lanes), (1, 1), "{:?}", job.records);
        assert!(slots >= 1, "{:?}", job.records);
    }
    let open: Vec<_> = job.open_runs().collect();
    assert_eq!(open, control.active_runs("split").await.unwrap());
    assert!(open.iter().any(|run| run.is_requested), "{open:?}");
    stop(&world, node).await;
}

#[tokio::test]
async fn of_many_shards_the_first_are_shown_and_the_rest_is_counted() {
    let world = Embedded::new();
    let many = Job::every("many", HOUR, || async {}).shards(70);
    let node = world.builder().job(many).start().await.unwrap();
    described(&world, "many").await;
    let job = control(&world).describe("many").await.unwrap();
    assert_eq!((job.shards, job.shards_left_out), (70, 6));
    let last = job.records.iter().map(|record| record.unit.shard()).max();
    assert_eq!(last, Some(63));
    stop(&world, node).await;
}

#[tokio::test]
async fn the_next_ticks_are_those_in_force_or_it_is_said_why_there_are_none() {
    let world = Embedded::new();
    let node = node(&world, |builder| builder).await;
    let control = control(&world);
    described(&world, "plain").await;
    let next = async |job: &str| control.describe(job).await.unwrap().next;
    let of_code = next("plain").await;
    assert_eq!(of_code.ticks(), control.next("plain", 10).await.unwrap());
    assert_eq!(of_code.ticks().len(), 10);
    assert_eq!(next("asked").await, NextTicks::Manual);
    assert_eq!(next("off").await, NextTicks::Disabled);

    control.reschedule("plain", "every 5m").await.unwrap();
    let other = next("plain").await;
    let apart = other.ticks()[1].duration_since(other.ticks()[0]).unwrap();
    assert_eq!(apart, 5 * MINUTE, "the schedule that somebody asked for");

    let until = UNIX_EPOCH + world.clock.wall() + HOUR;
    control.pause("plain").until(until).await.unwrap();
    let paused = next("plain").await;
    let until_ms = (world.clock.wall() + HOUR).as_millis() as i64;
    assert!(
        matches!(&paused, NextTicks::Paused { until_ms: Some(until), .. } if *until == until_ms),
        "{paused:?}"
    );
    assert!(paused.ticks().is_empty() && paused.to_string().contains("paused"));
    assert_eq!(paused.if_resumed(), other.ticks());
    control.pause_all().await.unwrap();
    let paused = next("plain").await;
    assert!(
        matches!(paused, NextTicks::Paused { until_ms: None, .. }),
        "the other pause has no end"
    );
    stop(&world, node).await;
}

#[tokio::test]
async fn nodes_say_which_version_of_a_job_they_have() {
    let world = Embedded::new();
    let old = node(&world, |builder| builder.node_name("old").version("1.4.0")).await;
    let new = node(&world, |builder| {
        builder.node_name("new").version("1.5.0+a")
    })
    .await;
    // A node whose jobs are made by hand, and whose builder was given nothing.
    let silent = node(&world, |builder| builder.node_name("silent")).await;
    let control = control(&world);
    let versions = async || control.describe("plain").await.unwrap().versions;
    world
        .until("all nodes are known", async || versions().await.len() == 3)
        .await;
    let expected = [("", "silent"), ("1.4.0", "old"), ("1.5.0+a", "new")];
    let expected = expected.map(|(version, node)| (version.to_owned(), vec![node.to_owned()]));
    assert_eq!(versions().await, expected.into());
    let nodes = control.living_nodes().await.unwrap();
    let of = |name: &str| {
        let node = nodes.iter().find(|node| node.name == name).unwrap();
        node.versions.iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("old"), ["1.4.0"]);
    assert_eq!(of("silent"), [""; 0]);
    // The shards of a job, and its name, are what they were.
    let split = control.describe("split").await.unwrap();
    assert_eq!((split.shards, split.versions.len()), (3, 3));
    for node in [old, new, silent] {
        stop(&world, node).await;
    }
}

#[tokio::test]
async fn a_version_that_is_no_word_is_refused() {
    let world = Embedded::new();
    for version in ["", "1.4 beta", "a*b", &"1".repeat(65)] {
        let builder = world.builder().job(Job::every("a", HOUR, || async {}));
        let error = builder.version(version).start().await.unwrap_err();
        assert!(error.to_string().contains("version"), "{error}");
    }
}

#[tokio::test]
async fn a_request_for_all_shards_is_one_entry_of_the_trail() {
    let world = Embedded::new();
    let node = node(&world, |builder| builder).await;
    let control = control(&world);
    control.run("split").id("r1").by("ann").await.unwrap();
    control
        .run("split")
        .id("r2")
        .shard(1)
        .by("ann")
        .await
        .unwrap();
    let trail = control.trail().await.unwrap();
    let entries = trail.entries.iter();
    let entries: Vec<(&str, &str)> = entries
        .map(|entry| (entry.subject.as_str(), entry.request.as_str()))
        .collect();
    assert_eq!(entries, [("split", "r1"), ("split#1", "r2")]);
    // Page by page, although the store has three entries of the first.
    let page = control.trail().limit(3).await.unwrap();
    assert_eq!(page.entries.len(), 1, "{page:?}");
    let earlier = page.earlier.unwrap();
    let rest = control.trail().limit(3).before(earlier).await.unwrap();
    assert_eq!((rest.entries.len(), rest.earlier), (1, None));
    stop(&world, node).await;
}
