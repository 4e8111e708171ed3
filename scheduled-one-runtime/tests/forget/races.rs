//! An operator forgets a job at the same time as a node starts with it, or while the nodes that have it are silent.
//! Either that is refused, or the store has all of the job afterwards.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use scheduled_one_control::{Error, ForgottenJob};
use scheduled_one_protocol::{Store, UnitName};
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Job, Scheduler};

use crate::World;
use crate::embedded::{MINUTE, SECOND};
use crate::test_store::TestStore;

/// More requests than a node sends in its first seconds.
const MOST_REQUESTS: usize = 200;

/// A job that ran, and that no living node has; and a living node that does not have it.
async fn dropped() -> (World, Scheduler) {
    let world = World::new();
    let old = world.node("old", true).await;
    world.until("it ran", async || world.runs() >= 1).await;
    let other = world.node("other", false).await;
    world.pass(2 * SECOND).await;
    old.shutdown(SECOND).await;
    (world, other)
}

/// The store has what it has of any job of a living node, and the job runs once a minute.
async fn it_is_whole(world: &World, what: &str) {
    let job = UnitName::new("goes", 0);
    let status = world.store.inspect(&world.caller(), &[job]).await.unwrap();
    let status = &status.body[0];
    assert!(status.marks.first_seen_ms.is_some(), "{what}: {status:?}");
    assert!(status.decides.is_some(), "{what}: {status:?}");
    let jobs = world.control().jobs().await.unwrap();
    let listed = jobs.iter().find(|job| job.job == "goes");
    let listed = listed.unwrap_or_else(|| panic!("{what}: not in {jobs:?}"));
    assert!(listed.cataloged.is_some(), "{what}: {listed:?}");
    assert_eq!(listed.nodes, 1, "{what}");
    let runs = world.runs();
    world.pass(3 * MINUTE).await;
    assert_eq!(world.runs() - runs, 3, "{what}");
}

/// A node starts with the job, and somebody forgets it in front of a request of the node. `None` if the node sends
/// fewer requests in its first seconds.
async fn forgotten_in_front_of(request: usize) -> Option<Result<ForgottenJob, Error>> {
    let (world, _other) = dropped().await;
    let store = TestStore::new_over(&world.store);
    let answer = Arc::new(Mutex::new(None));
    let (control, place) = (world.control(), Arc::clone(&answer));
    store.before_request(request, move || async move {
        let forgotten = control.forget("goes").await;
        *place.lock().unwrap() = Some(forgotten);
    });
    let builder = world.release("starts").store(store).job(world.job());
    let _node = builder.start().await.unwrap();
    world.pass(5 * SECOND).await;
    let answer = answer.lock().unwrap().take()?;
    it_is_whole(
        &world,
        &format!("in front of request {request}: {answer:?}"),
    )
    .await;
    Some(answer)
}

#[tokio::test]
async fn a_job_that_is_forgotten_while_a_node_starts_with_it_is_whole() {
    let (mut removed, mut refused) = (0, 0);
    for request in 1..MOST_REQUESTS {
        match forgotten_in_front_of(request).await {
            Some(Ok(_)) => removed += 1,
            Some(Err(Error::NotGone { nodes, .. })) => {
                assert_eq!(nodes, ["starts"]);
                refused += 1;
            }
            Some(Err(error)) => panic!("in front of request {request}: {error}"),
            None => break,
        }
    }
    assert!(removed >= 5 && refused >= 3, "{removed} and {refused}");
}

/// Its node is cut off, and its lease is longer than a node counts as living.
#[tokio::test]
async fn a_job_whose_run_may_go_on_is_not_forgotten() {
    let (world, _other) = dropped().await;
    let store = TestStore::new_over(&world.store);
    let runs = Arc::clone(&world.runs);
    let long = Job::every("goes", MINUTE, move || {
        runs.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>()
    });
    let builder = world.release("silent").store(store.clone());
    let builder = builder.job(long.lease(20 * SECOND));
    let _node = builder.start().await.unwrap();
    let ran = world.runs();
    world.until("it runs", async || world.runs() > ran).await;
    store.be_away(true);
    world.pass(8 * SECOND).await;
    let forget = world.control().forget("goes");
    let refused = forget.clone().await.unwrap_err();
    let is_named = matches!(&refused, Error::NotYet { why, .. } if why.contains("a run in goes"));
    assert!(is_named, "{refused}");
    world.pass(20 * SECOND).await;
    assert!(!forget.await.unwrap().already);
}

/// The node sends no heartbeat for longer than a node counts as living.
#[tokio::test]
async fn a_job_that_is_forgotten_while_its_node_is_cut_off_is_whole_again() {
    let (world, _other) = dropped().await;
    let store = TestStore::new_over(&world.store);
    let builder = world.release("silent").store(store.clone());
    let _node = builder.job(world.job()).start().await.unwrap();
    let ran = world.runs();
    world.until("it runs", async || world.runs() > ran).await;
    let ran = world.runs();
    store.be_away(true);
    world.pass(6 * SECOND).await;
    let forgotten = world.control().forget("goes").by("ann").await.unwrap();
    assert!(forgotten.left.units >= 1, "{forgotten:?}");
    let wall = world.clock.wall();
    store.be_away(false);
    world.pass(4 * SECOND).await;
    assert!(world.clock.wall() < wall + MINUTE);
    // What its node saw decided does not run again.
    assert_eq!(world.runs(), ran);
    it_is_whole(&world, "forgotten while its node was cut off").await;
}
