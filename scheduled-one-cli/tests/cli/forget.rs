//! Jobs that no living node has.

use std::time::Duration;

use scheduled_one_runtime::{Job, JobContext, Scheduler};
use serde_json::json;

use crate::world::{World, wait_until};

/// A node was there with the job `old`, and is gone.
async fn world() -> World {
    let world = World::start().await;
    let old = Job::cron("old", "0 0 0 1 1 *", |_: JobContext| async {});
    let builder = Scheduler::builder(&world.url).node_name("n2");
    let builder = builder.only(["old"]).job(old);
    let node = Box::pin(builder.start()).await.unwrap();
    // The store knows the jobs of a node after its second heartbeat; a new namespace is in a quarantine before.
    wait_until("the node is in the way", || {
        let refused = world.run(&["forget", "old", "--yes"]);
        assert_eq!(refused.status, 4, "{}", refused.err);
        refused.err.contains("n2")
    });
    node.shutdown(Duration::from_secs(9)).await;
    // A new namespace counts as one that has forgotten, for a lease.
    wait_until("nothing is in the way", || {
        let dry = world.run(&["forget", "old", "--dry-run"]);
        assert!([0, 4].contains(&dry.status), "{}", dry.err);
        dry.status == 0
    });
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_a_node_is_shown_and_forgotten() {
    let world = world().await;
    assert_eq!(world.run(&["run", "old"]).status, 0);
    assert_eq!(world.run(&["pause", "old"]).status, 0);
    assert_eq!(world.run(&["jobs", "--gone", "-o", "name"]).out, "old\n");
    let gone = &world.json(&["jobs", "--gone"])["jobs"][0];
    assert_eq!(
        (&gone["requests"], &gone["directive"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        (&gone["forgotten"], &gone["dry_run"]),
        (&json!(false), &json!(false))
    );
    // A job that has a node, a name that is spelled wrong, and no terminal to ask on.
    for (arguments, status, said) in [
        (["forget", "report", "--yes"], 4, "n1"),
        (["forget", "olt", "--yes"], 3, "old"),
        (["forget", "old", "--note=x"], 2, "--yes"),
    ] {
        let refused = world.run(&arguments);
        assert_eq!(refused.status, status, "{}", refused.err);
        assert!(refused.err.contains(said), "{}", refused.err);
    }
    let dry = world.json(&["forget", "old", "--dry-run"]);
    assert_eq!(dry["jobs"][0]["forgotten"], json!(false));
    assert_eq!(world.run(&["jobs", "--gone", "-o", "name"]).out, "old\n");

    let done = world.run(&[
        "forget",
        "old",
        "--yes",
        "--note",
        "release 8",
        "--by",
        "ann",
    ]);
    assert_eq!(done.status, 0, "{}", done.err);
    assert!(done.out.contains("forgotten"), "{}", done.out);
    assert_eq!(world.run(&["jobs", "--gone", "-o", "name"]).out, "");
    assert_eq!(world.run(&["job", "old"]).status, 3);
    let trail = world.run(&["trail", "-n", "1"]).out;
    for word in ["forget", "old", "release 8", "ann"] {
        assert!(trail.contains(word), "{trail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_are_taken_back_only_without_nodes() {
    let world = world().await;
    let refused = world.run(&["forget", "--marks", "report", "--yes"]);
    assert_eq!(refused.status, 4, "{}", refused.err);
    let none = world.json(&["forget", "--marks", "old", "--yes"]);
    assert_eq!(none["jobs"][0]["units_taken_back"], json!(0));
}
