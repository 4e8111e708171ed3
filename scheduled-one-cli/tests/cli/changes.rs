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
    // The store is new, and may have forgotten a pause of the job itself: that is ended, and the other one is not.
    for (more, status) in [(&["--dry-run"][..], 4), (&[], 0)] {
        let held = world.run(&[&["resume", "report"], more].concat());
        assert_eq!(held.status, status, "{}", held.out);
        assert!(held.out.contains("paused with all jobs"), "{}", held.out);
        assert!(
            held.err.contains("scheduled-one resume --all"),
            "{}",
            held.err
        );
    }
    assert_eq!(world.run(&["resume", "--all", "--yes"]).status, 0);
    assert_eq!(paused(&world), ["fails"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_would_change() {
    let world = World::start().await;
    let dry = |arguments: &[&str]| {
        let changes = world.json(&[arguments, &["--dry-run"]].concat());
        let changes = changes["changes"].as_array().unwrap().clone();
        let parts = changes.iter().map(|change| {
            let version = change["directive_version"].as_u64().unwrap();
            (change["changed"].as_bool().unwrap(), version)
        });
        parts.collect::<Vec<_>>()
    };
    assert_eq!(dry(&["pause", "--all"]), [(true, 0)]);
    assert_eq!(dry(&["resume", "--all"]), [(false, 0)]);
    assert_eq!(dry(&["pause", "slow"]), [(true, 0)]);
    assert_eq!(world.run(&["pause", "--all", "--yes"]).status, 0);
    let all = dry(&["pause", "--all"]);
    assert!(!all[0].0 && all[0].1 > 0, "{all:?}");
    assert!(dry(&["resume", "--all"])[0].0);
    assert_eq!(dry(&["pause", "slow"]), [(true, 0)], "by itself");
    assert_eq!(world.run(&["pause", "slow"]).status, 0);
    assert!(!dry(&["pause", "slow"])[0].0);
    assert!(dry(&["pause", "slow", "--until", "2100-01-01"])[0].0);

    // Each job once, however often it is named.
    let twice = ["pause", "report", "fails", "report", "-o", "name", "--yes"];
    assert_eq!(world.run(&twice).out, "report\nfails\n");
}

/// The ticks of a pause of which the job has none are skipped, or left to `misfire`: the directive says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_says_what_becomes_of_the_ticks_of_the_pause() {
    let world = World::start().await;
    for how in ["--catch-up", "--skip-missed"] {
        assert_eq!(world.run(&["pause", "report"]).status, 0);
        let resumed = world.run(&["resume", "report", how]);
        assert_eq!(resumed.status, 0, "{}", resumed.err);
        assert_eq!(
            world.json(&["job", "report"])["job"]["pauses"],
            json!([]),
            "{how}"
        );
    }
    let both = world.run(&["resume", "report", "--catch-up", "--skip-missed"]);
    assert_eq!(both.status, 2, "{}", both.err);
}
