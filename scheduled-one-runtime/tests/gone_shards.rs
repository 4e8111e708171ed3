//! What waits in a shard that no living node has ends, recorded, although nodes have the job: a release has made it
//! fewer shards, or a job of each node. On the embedded store, in time that the test moves.

mod embedded;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use embedded::{BOUND, Embedded, HOUR, MINUTE};
use scheduled_one_protocol::{Store, UnitName};
use scheduled_one_runtime::{Job, Outcome, Overlap, Scheduler, Scope};

struct World {
    embedded: Embedded,
    /// Runs end only when this is set.
    may_end: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        World {
            embedded: Embedded::new(),
            may_end: Arc::default(),
        }
    }

    /// Each hour; so little happens while shards count as missing.
    fn job(&self) -> Job {
        let may_end = Arc::clone(&self.may_end);
        Job::every("report", HOUR, move || {
            let may_end = Arc::clone(&may_end);
            async move {
                while !may_end.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            }
        })
    }

    async fn start(&self, job: Job) -> Scheduler {
        let builder = self.embedded.builder().job(job);
        builder.start().await.expect("started")
    }

    /// Shards whose requests and ticks that waited have ended because the shard is gone.
    async fn ended(&self) -> Vec<u32> {
        let lines = Store::ledger(&self.embedded.store, "report", 200).await;
        let lines = lines.expect("a ledger").into_iter();
        let gone = lines.filter(|line| line.reason == "job gone");
        let mut shards: Vec<u32> = gone
            .map(|line| {
                assert!(line.outcome == Outcome::Missed, "{line:?}");
                line.unit.shard()
            })
            .collect();
        shards.sort_unstable();
        shards
    }
}

#[tokio::test]
async fn what_waits_in_shards_that_a_release_has_not_ends() {
    let world = World::new();
    let job = || world.job().overlap(Overlap::QueueOne);
    let old = world.start(job().shards(4)).await;
    // A run of each shard goes on, and the next tick waits behind it.
    world.embedded.pass(130 * MINUTE).await;
    let new = world.start(job().shards(2)).await;
    let control = new.control().expect("a control");
    let run = control.run("report").id("deploy-42").await.expect("asked");
    assert_eq!(world.ended().await, [] as [u32; 0]);
    // The node dies that has all four.
    drop(old);
    world
        .embedded
        .until("what waited in two shards ends", async || {
            world.ended().await == [2, 2, 3, 3]
        })
        .await;
    // What waited in the others runs.
    world.may_end.store(true, Ordering::SeqCst);
    world
        .embedded
        .until("each part of the request has ended", async || {
            let states = format!("{:?}", run.states().await.expect("states"));
            states.matches("Missed").count() == 2 && states.matches("Ok").count() == 2
        })
        .await;
    assert_eq!(world.ended().await, [2, 2, 3, 3]);
    new.shutdown(BOUND).await;
}

#[tokio::test]
async fn what_waits_in_a_job_that_each_node_runs_now_ends() {
    let world = World::new();
    let old = world.start(world.job()).await;
    world.embedded.pass(61 * MINUTE).await;
    let new = world.start(world.job().scope(Scope::EveryNode)).await;
    let control = new.control().expect("a control");
    let run = control.run("report").id("deploy-42").await.expect("asked");
    drop(old);
    world
        .embedded
        .until("the request ends", async || {
            format!("{:?}", run.states().await.expect("states")).contains("Missed")
        })
        .await;
    assert_eq!(world.ended().await, [0]);
    world.may_end.store(true, Ordering::SeqCst);
    new.shutdown(BOUND).await;
}

/// A node that has the shards keeps them, however long they wait.
#[tokio::test]
async fn shards_that_a_living_node_has_wait_for_it() {
    let world = World::new();
    let job = || world.job().overlap(Overlap::QueueOne);
    let old = world.start(job().shards(4)).await;
    world.embedded.pass(130 * MINUTE).await;
    let new = world.start(job().shards(2)).await;
    let control = new.control().expect("a control");
    let run = control.run("report").id("deploy-42").await.expect("asked");
    world.embedded.pass(10 * MINUTE).await;
    assert_eq!(world.ended().await, [] as [u32; 0]);
    world.may_end.store(true, Ordering::SeqCst);
    world
        .embedded
        .until("each part of the request has run", async || {
            let states = format!("{:?}", run.states().await.expect("states"));
            states.matches("Ok").count() == 4
        })
        .await;
    // Then nobody has them, but nothing waits in them: they are left as they are.
    old.shutdown(BOUND).await;
    world.embedded.pass(5 * MINUTE).await;
    let units = [UnitName::new("report", 2), UnitName::new("report", 3)];
    let caller = world.embedded.caller();
    let status = world.embedded.store.inspect(&caller, &units).await;
    for status in status.expect("a reply").body {
        let decides = status.decides.expect("it was registered");
        assert_eq!(decides.gone_since_ms(), None, "{decides:?}");
    }
    new.shutdown(BOUND).await;
}
