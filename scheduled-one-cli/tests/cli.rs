//! The command as people and scripts use it: a process, on a store with a scheduler.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod world;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value, json};
use test_support::RedisServer;
use world::{HOSTILE, World, command, run, same_as_snapshot, wait_until, without_chance};

const AWAY: &str = "redis://127.0.0.1:1/";

#[test]
fn help_is_that_of_the_snapshot() {
    let mut text = run(AWAY, &["--help"]).out;
    let verbs = text.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty());
    let verbs: Vec<String> = verbs
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        let help = run(AWAY, &[verb, "--help"]);
        assert_eq!(help.status, 0);
        let (own, _of_all) = help.out.split_once("Options of all commands").unwrap();
        text.push_str(&format!(
            "\n--- scheduled-one {verb} ---\n\n{}\n",
            own.trim_end()
        ));
    }
    same_as_snapshot("help.txt", &text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_json_are_those_of_the_snapshots() {
    let world = World::start().await;
    assert_eq!(
        world
            .run(&["run", "report", "--id", "r1", "--by", "ann@desk", "--wait"])
            .status,
        0
    );
    assert_eq!(
        world
            .run(&["run", "hostile", "--id", "h1", "--by", "ann@desk", "--wait"])
            .status,
        1
    );
    let paused = [
        "pause",
        "slow",
        "--note",
        "db migration",
        "--by",
        "ann@desk",
        "--until",
        "2100-01-01T00:00:00Z",
    ];
    assert_eq!(world.run(&paused).status, 0);
    let mut text = String::new();
    for verb in [
        vec!["jobs"],
        vec!["jobs", "--problems"],
        vec!["job", "slow"],
        vec!["job", "hostile"],
        vec!["history", "report"],
        vec!["nodes"],
        vec!["pause", "report", "fails", "--dry-run"],
        vec!["run", "report", "--dry-run", "--param", "a=1"],
    ] {
        for format in ["table", "wide", "json", "jsonl", "name"] {
            let arguments = [&verb[..], &["-o", format]].concat();
            let ran = world.run(&arguments);
            assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{arguments:?}");
            let out = without_chance(&ran.out);
            text.push_str(&format!("$ scheduled-one {}\n{out}\n", arguments.join(" ")));
        }
    }
    same_as_snapshot("output.txt", &text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_waited_for_and_its_outcome_is_the_exit_status() {
    let world = World::start().await;
    let ran = world.run(&["run", "report", "--wait", "--note", "deploy"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
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
        "params",
        "--wait",
        "--params-file",
        file,
        "--param",
        "customer=42",
        "--param",
        "why=a b",
    ];
    assert_eq!(world.run(&wanted).status, 1);
    let lines = world.json(&["history", "params"]);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_work_says_why_and_has_its_exit_status() {
    let world = World::start().await;
    let unknown = world.run(&["job", "reprot"]);
    assert_eq!(unknown.status, 3);
    assert!(
        unknown.err.contains("did you mean report?"),
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
        &["pause", "report", "--until", "-009999-01-01T00:00:00Z"],
        &["pause", "report", "fails", "--expect", "1"],
        &["run", "report", "--param", "nonsense"],
        &["run", "report", "--id", "a b"],
        &["run", "report", "--shard", "7"],
        &["history", "report", "--outcome", "good"],
        &["tail", "-o", "json"],
        &["schema", "--print", "--schema", "A"],
        &["nonsense"],
    ] {
        let ran = world.run(wrong);
        assert_eq!(ran.status, 2, "{wrong:?}: {}", ran.err);
        assert_ne!(ran.err, "", "{wrong:?}");
    }
    let away = run(AWAY, &["jobs"]);
    assert_eq!(away.status, 69, "{}", away.err);
    assert_eq!(run(AWAY, &["doctor"]).status, 1);
}

#[test]
fn passwords_are_not_repeated() {
    for url in [
        "redis://ann:s3cret@127.0.0.1:1/",
        "postgres://ann:s3cret@127.0.0.1:1/db",
    ] {
        let ran = run(AWAY, &["jobs", "--url", url]);
        assert_eq!(ran.status, 69, "{}", ran.err);
        assert!(ran.err.contains("hint: a password"), "{}", ran.err);
        assert!(
            !format!("{}{}", ran.out, ran.err).contains("s3cret"),
            "{}",
            ran.err
        );
        assert!(!run(url, &["jobs"]).err.contains("hint:"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_job_says_commands_the_terminal() {
    let world = World::start().await;
    assert_eq!(
        world
            .run(&["run", "hostile", "--id", "h1", "--wait"])
            .status,
        1
    );
    let is_hostile = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    for format in ["table", "wide", "json", "jsonl", "name"] {
        for verb in [&["history", "hostile"][..], &["job", "hostile"], &["jobs"]] {
            let ran = world.run(&[verb, &["-o", format]].concat());
            assert_eq!(ran.status, 0, "{}", ran.err);
            assert!(
                !ran.out.chars().any(is_hostile),
                "{verb:?} {format}: {:?}",
                ran.out
            );
        }
    }
    let error = &world.json(&["history", "hostile"])["lines"][0]["error"];
    assert_eq!(error, &json!(HOSTILE));
    let name = world.run(&["job", "a\u{1b}[2Jb"]);
    assert_eq!(name.status, 3);
    assert!(!name.err.chars().any(is_hostile), "{:?}", name.err);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_redis_with_a_login_from_the_environment() {
    let server = RedisServer::start().unwrap();
    let scheduler = world::scheduler(&server.url()).await;
    let ran = run(&server.url(), &["run", "report", "--wait"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert_eq!(
        run(&server.url(), &["jobs", "-o", "name"]).out,
        "fails\nhostile\nparams\nreport\nslow\n"
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

#[test]
fn completions_and_tables_need_no_store() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run("", &["completions", shell]);
        assert_eq!(ran.status, 0);
        assert!(ran.out.contains("scheduled-one"), "{}", ran.out);
    }
    let sql = run("", &["schema", "--print", "--user", "jobs"]);
    assert_eq!(sql.status, 0);
    assert!(
        sql.out
            .contains("GRANT USAGE ON SCHEMA \"scheduled_one\" TO \"jobs\";"),
        "{}",
        sql.out
    );
}
