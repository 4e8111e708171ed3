//! Pauses.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_one_job_is_changed_only_after_a_yes() {
    let world = World::start().await;
    for arguments in [&["pause", "report", "fails"][..], &["pause", "--all"]] {
        let ran = world.run(arguments);
        assert_eq!(ran.status, 2, "{}", ran.err);
        assert!(ran.err.contains("--yes"), "{}", ran.err);
    }
    let dry = world.run(&["pause", "report", "fails", "--dry-run"]);
    assert_eq!(dry.status, 0);
    let paused = |world: &World| {
        let jobs = world.json(&["jobs"]);
        let jobs = jobs["jobs"].as_array().unwrap().iter();
        let paused = jobs.filter(|job| job["paused"] == json!(true));
        paused
            .map(|job| job["job"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(paused(&world), [""; 0]);
    assert_eq!(
        world
            .run(&["pause", "report", "fails", "--yes", "--for", "2h"])
            .status,
        0
    );
    assert_eq!(paused(&world), ["fails", "report"]);
    // A wrong name is found before anything is changed.
    assert_eq!(
        world.run(&["resume", "report", "reprot", "--yes"]).status,
        3
    );
    assert_eq!(paused(&world), ["fails", "report"]);
    let version = world.json(&["job", "report"])["job"]["directive_version"]
        .as_u64()
        .unwrap();
    let stale = (version - 1).to_string();
    for extra in [&["--dry-run"][..], &[]] {
        let ran = world.run(&[&["resume", "report", "--expect", &stale], extra].concat());
        assert_eq!(ran.status, 4, "{}", ran.err);
    }
    assert_eq!(
        world
            .run(&["resume", "report", "--expect", &version.to_string()])
            .status,
        0
    );
    assert_eq!(paused(&world), ["fails"]);
    assert_eq!(world.run(&["pause", "--all", "--yes"]).status, 0);
    assert_eq!(paused(&world).len(), 5);
    assert_eq!(world.run(&["resume", "--all", "--yes"]).status, 0);
    assert_eq!(paused(&world), ["fails"]);
}
