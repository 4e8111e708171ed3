//! Runs that the command asks for, cancels and follows.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, command, wait_until};

/// A new namespace counts as one whose memory was lost, for a lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_a_quarantine_is_accepted_and_said_to_wait() {
    let world = World::with(|builder| builder.lease(Duration::from_secs(600))).await;
    let ran = world.run(&["run", "report", "--id", "q1"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let words = [
        "the request is accepted",
        "lost its memory",
        "Z at the latest",
    ];
    assert!(
        words.iter().all(|words| ran.err.contains(words)),
        "{}",
        ran.err
    );
    let again = &world.json(&["run", "report", "--id", "q1"])["run"];
    assert_eq!(again["already"], json!(true));
    assert!(again["quarantined_until"].is_string(), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_waited_for_and_its_outcome_is_the_exit_status() {
    let world = World::start().await;
    let ran = world.run(&["run", "report", "--wait", "--note", "deploy"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("ok"), "{}", ran.out);
    assert_eq!(world.run(&["run", "fails", "--wait"]).status, 1);
    let late = world.run(&["run", "slow", "--id", "s1", "--wait", "--timeout", "300ms"]);
    assert_eq!(late.status, 6, "{}", late.err);
    let again = world.json(&["run", "slow", "--id", "s1"]);
    assert_eq!(again["run"]["already"], json!(true));

    let lines = world.json(&["history", "report"]);
    let tick = lines["lines"][0]["tick"].as_str().unwrap().to_owned();
    assert_eq!(
        lines["lines"][0]["by"].as_str().unwrap().split('@').next(),
        Some("ann")
    );
    assert_eq!(world.run(&["rerun", "report", &tick, "--wait"]).status, 0);
    let lines = world.json(&["history", "report"]);
    assert_eq!(
        (&lines["lines"][0]["cause"], &lines["lines"][0]["tick"]),
        (&json!("rerun"), &json!(tick))
    );
    let failed = world.json(&["history", "report", "--outcome", "failed"]);
    assert_eq!(failed, json!({"version": 1, "lines": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_are_those_of_the_file_and_over_them_those_of_the_arguments() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params.json");
    std::fs::write(&file, r#"{"customer": 1, "full": false}"#).unwrap();
    let file = file.to_str().unwrap();
    let wanted = [
        "run",
        "import",
        "--wait",
        "--params-file",
        file,
        "--param",
        "customer=42",
        "--param",
        "why=a b",
    ];
    assert_eq!(world.run(&wanted).status, 1);
    let lines = world.json(&["history", "import"]);
    let error: Value = serde_json::from_str(lines["lines"][0]["error"].as_str().unwrap()).unwrap();
    assert_eq!(error, json!({"customer": 42, "full": false, "why": "a b"}));
    std::fs::write(file, "[1]").unwrap();
    assert_eq!(world.run(&wanted).status, 2);
    std::fs::write(file, "{").unwrap();
    let bad = world.run(&wanted);
    assert_eq!(bad.status, 2);
    assert!(bad.err.contains("no JSON"), "{}", bad.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_cancelled_by_its_token() {
    let world = World::start().await;
    let job = world.run(&["run", "slow", "--id", "s1", "-o", "name"]);
    assert_eq!((job.status, job.out.as_str()), (0, "s1\n"));
    let mut token = None;
    wait_until("the run starts", || {
        let run = &world.json(&["job", "slow"])["job"]["runs"][0];
        token = run["token"].as_u64();
        token.is_some()
    });
    let token = token.unwrap().to_string();
    assert_eq!(
        world.run(&["cancel", "slow", &token, "--dry-run"]).status,
        0
    );
    let wrong = world.run(&["cancel", "slow", "987654"]);
    assert_eq!(wrong.status, 3, "{}", wrong.err);
    let ran = world.run(&["cancel", "slow", &token, "--note", "wrong input"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    wait_until("the run ends", || {
        world.json(&["history", "slow"])["lines"] != json!([])
    });
    let line = &world.json(&["history", "slow"])["lines"][0];
    assert_eq!(line["outcome"], json!("cancelled"));
    assert!(
        line["reason"].as_str().unwrap().contains("wrong input"),
        "{line}"
    );
    let over = world.run(&["cancel", "slow", &token]);
    assert_eq!(over.status, 4, "{}", over.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_follows_all_ledgers_and_a_reader_may_go() {
    let world = World::start().await;
    assert_eq!(
        world
            .run(&["run", "report", "--id", "before", "--wait"])
            .status,
        0
    );
    let mut tail = command(&world.url, &["tail", "-o", "jsonl"]);
    let mut tail = tail
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["request"], json!("before"));
    assert_eq!(
        world
            .run(&["run", "fails", "--id", "after", "--wait"])
            .status,
        1
    );
    let line = next();
    assert_eq!(
        (&line["job"], &line["request"]),
        (&json!("fails"), &json!("after"))
    );
    // The reader goes; the next line finds nobody.
    drop(lines);
    assert_eq!(world.run(&["run", "report", "--wait"]).status, 0);
    let mut ended = None;
    wait_until("tail ends", || {
        ended = tail.try_wait().unwrap();
        ended.is_some()
    });
    let mut err = String::new();
    tail.stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((ended.unwrap().code(), err.as_str()), (Some(0), ""));
}
