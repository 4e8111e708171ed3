//! What does not work says why, with its exit status.

use std::time::Duration;

use scheduled_one_redis::RedisStore;
use scheduled_one_runtime::{Job, Scheduler, Scope};
use serde_json::{Value, json};
use test_support::RedisServer;

use crate::world::{AWAY, Ran, World, command, run, scheduler, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_work_says_why_and_has_its_exit_status() {
    let world = World::start().await;
    let unknown = world.run(&["job", "reprot"]);
    assert_eq!(unknown.status, 3);
    assert!(
        unknown.err.contains("did you mean report"),
        "{}",
        unknown.err
    );
    let unlike = world.run(&["history", "xyzxyzxyz"]);
    assert!(
        unlike.err.contains("`scheduled-one jobs`"),
        "{}",
        unlike.err
    );
    assert_eq!(world.run(&["jobs", "--namespace", "other"]).status, 3);
    for wrong in [
        &["jobs", "--url", "memory://"][..],
        &["jobs", "--url", "sqlite:///no/such/file.db"],
        &["jobs", "--url", "nonsense"],
        &["jobs", "--url", ""],
        &["pause", "report", "--for", "2 weeks"],
        &["pause", "report", "--until", "2001-01-01T00:00:00Z"],
        &["pause", "report", "--until", "2h ago"],
        &["pause", "report", "--until", "2001-01-01", "--dry-run"],
        &["run", "report", "--shard", "7", "--dry-run"],
        &["run", "report", "--id", "a b", "--dry-run"],
        &["cancel", "report", "1", "--shard", "7"],
        &["rerun", "report", "yesterday"],
        &["resume", "--all", "--skip-missed", "--yes"],
        &["pause", "report", "--until", "-009999-01-01T00:00:00Z"],
        &["pause", "report", "fails", "--expect", "1"],
        &["run", "report", "--param", "nonsense"],
        &["run", "report", "--id", "a b"],
        &["run", "report", "--shard", "7"],
        &["history", "report", "--outcome", "good"],
        &["tail", "-o", "json"],
        &["jobs", "--watch"],
        &["jobs", "--watch", "-o", "json"],
        &["jobs", "--context", "production"],
        &["schema", "--print", "--schema", "A"],
        &["nonsense"],
    ] {
        let ran = world.run(wrong);
        assert_eq!(ran.status, 2, "{wrong:?}: {}", ran.err);
        assert_ne!(ran.err, "", "{wrong:?}");
    }
    for none in [
        &["cancel", "report", "7", "--dry-run"][..],
        &["run", "reprot", "--dry-run"],
    ] {
        let ran = world.run(none);
        assert_eq!(ran.status, 3, "{none:?}: {}", ran.err);
    }
    let away = run(AWAY, &["jobs"]);
    assert_eq!(away.status, 69, "{}", away.err);
    assert_eq!(run(AWAY, &["doctor"]).status, 1);
}

#[test]
fn passwords_are_no_arguments_and_not_repeated() {
    for url in [
        "redis://ann:s3cret@127.0.0.1:1/",
        "postgres://ann:s3cret@127.0.0.1:1/db",
    ] {
        let refused = run(AWAY, &["jobs", "--url", url]);
        assert_eq!(refused.status, 2, "{}", refused.err);
        assert!(refused.err.contains("SCHEDULED_ONE_URL"), "{}", refused.err);
        // From the environment it is taken.
        let away = run(url, &["jobs"]);
        assert_eq!(away.status, 69, "{}", away.err);
        for ran in [refused, away] {
            let said = format!("{}{}", ran.out, ran.err);
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_redis_with_a_login_from_the_environment() {
    let server = RedisServer::start().unwrap();
    let scheduler = scheduler(&server.url()).await;
    let ran = run(&server.url(), &["run", "report", "--wait"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(
        run(&server.url(), &["jobs", "-o", "name"]).out,
        "fails\nhostile\nimport\nreport\nslow\n"
    );
    let doctor = run(&server.url(), &["doctor", "-o", "json"]);
    let report: Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(report["version"], json!(1));
    assert_eq!(
        doctor.status == 0,
        report["doctor"]["usable"] == json!(true)
    );
    let wrong = server.url().replace("redis://", "redis://ann:wrong@");
    let refused = run(&wrong, &["jobs"]);
    assert_eq!(refused.status, 5, "{}", refused.err);
    drop(scheduler);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_looks_and_its_changes_are_refused() {
    let server = RedisServer::start().unwrap();
    let rule = RedisStore::acl_rule_for_viewer("default");
    let mut set = vec!["ACL", "SETUSER", "vera", "reset", "on", ">secret"];
    set.extend(rule.split(' '));
    if server
        .command(&set)
        .map_or(true, |reply| reply.starts_with("ERR"))
    {
        return; // it is older than the rights to read alone
    }
    let scheduler = scheduler(&server.url()).await;
    wait_until("the node's jobs are known", || {
        run(&server.url(), &["jobs", "-o", "name"])
            .out
            .contains("report")
    });
    let vera = server.url().replace("redis://", "redis://vera:secret@");
    for look in [&["jobs"][..], &["job", "report"], &["trail"], &["nodes"]] {
        let ran = run(&vera, look);
        assert_eq!(ran.status, 0, "{look:?}: {}", ran.err);
    }
    for change in [
        &["pause", "report"][..],
        &["run", "report"],
        &["cancel", "report", "7"],
        &["reschedule", "report", "every 5m"],
    ] {
        let ran = run(&vera, change);
        assert_eq!(ran.status, 5, "{change:?}: {}", ran.err);
    }
    drop(scheduler);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_of_white_space_count_as_unset() {
    let world = World::start().await;
    let with = |store: [&str; 2], namespace: &str| {
        let mut command = command(store[0], &["jobs", "-o", "name"]);
        command.env("REDIS_URL", store[1]);
        command.env("SCHEDULED_ONE_NAMESPACE", namespace);
        Ran::from(command.output().unwrap())
    };
    let url = world.url.as_str();
    let with_newline = format!(" {url}\n");
    for (store, namespace) in [
        (["", url], ""),
        ([" \n", url], " \n"),
        ([&with_newline, AWAY], " default\n"),
    ] {
        let ran = with(store, namespace);
        assert_eq!(ran.status, 0, "{store:?}: {}", ran.err);
        assert!(ran.out.contains("report"), "{}", ran.out);
    }
    assert_eq!(with([url, ""], "other").status, 3);
    let none = with(["", " "], "");
    assert_eq!(none.status, 2, "{}", none.err);
    assert!(none.err.contains("SCHEDULED_ONE_URL"), "{}", none.err);
}

/// Nodes name the jobs that they share: what each runs by itself, and what is disabled, is no trouble.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_nodes_do_not_list_are_no_problem() {
    let world = World::start().await;
    let year = Duration::from_secs(365 * 86_400);
    let _node = Scheduler::builder(&world.url)
        .node_name("n2")
        .lease(Duration::from_secs(2))
        .only(["each-node", "off"])
        .job(Job::every("each-node", year, async || {}).scope(Scope::EveryNode))
        .job(Job::every("off", year, async || {}).enabled(false))
        .start()
        .await
        .unwrap();
    wait_until("the jobs are described", || {
        world.run(&["jobs", "-o", "name"]).out.lines().count() == 7
    });
    let jobs = world.json(&["jobs"]);
    let state = |name: &str| {
        let mut jobs = jobs["jobs"].as_array().unwrap().iter();
        jobs.find(|job| job["job"] == name).unwrap()["state"].clone()
    };
    assert_eq!(state("each-node"), "active");
    assert_eq!(state("off"), "disabled");
    // The others are, until their node has said which jobs it has.
    wait_until("no job is a problem", || {
        world
            .run(&["jobs", "--problems", "-o", "name"])
            .out
            .is_empty()
    });
    let shown = world.run(&["job", "each-node"]).out;
    assert!(!shown.contains("no living node"), "{shown}");
}
