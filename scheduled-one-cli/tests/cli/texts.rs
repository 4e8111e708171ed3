//! What is written: help, tables, JSON, documentation.

use std::time::Duration;

use scheduled_one_runtime::alerts::{Alerts, Rules};
use serde_json::json;

use crate::alerts::Receiver;
use crate::older::{YEARS, with_unknown_ticks};
use crate::world::{AWAY, HOSTILE, World, run, same_as_snapshot, wait_until, without_chance};

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
    wait_until("the node says what its clock shows", || {
        world.json(&["nodes"])["nodes"][0]["clock_offset_ms"] == 0
    });
    let mut text = String::new();
    for verb in [
        vec!["jobs"],
        vec!["jobs", "--problems"],
        vec!["job", "slow"],
        vec!["job", "hostile"],
        vec!["history", "report"],
        vec!["nodes"],
        vec!["jobs", "-g", "billing"],
        vec![
            "next",
            "report",
            "--from",
            "2024-01-01",
            "--to",
            "2026-06-01",
        ],
        vec!["audit", "report", "--from", "1h ago"],
        vec!["trail"],
        vec!["trail", "hostile", "--action", "run"],
        vec![
            "backfill",
            "report",
            "--from",
            "2024-01-01",
            "--only",
            "never",
            "--dry-run",
        ],
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
async fn what_changes_say_is_that_of_the_snapshots() {
    let world = World::start().await;
    with_unknown_ticks(&world).await;
    let years = |verb: &[&'static str]| [verb, &YEARS].concat();
    let ran = world.run(&["run", "report", "--id", "r1", "--wait"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let backfill = years(&["backfill", "report", "--only", "never", "--by", "ann@desk"]);
    let backfill = world.run(&[&backfill[..], &["--wait", "--yes"]].concat());
    assert_eq!(backfill.status, 0, "{}", backfill.err);
    assert_eq!(world.run(&["run", "slow", "--id", "s1"]).status, 0);
    let mut token = None;
    wait_until("the run starts", || {
        token = world.json(&["job", "slow"])["job"]["runs"][0]["token"].as_u64();
        token.is_some()
    });
    let token = token.unwrap().to_string();
    // A new namespace counts as one that has forgotten, for a lease.
    wait_until("nothing is in the way", || {
        world.run(&["forget", "old", "--dry-run"]).status == 0
    });
    let mut text = String::new();
    let mut ends_with = |verb: &[&str], formats: &[&str], status: i32| {
        for format in formats {
            let arguments = [verb, &["-o", format]].concat();
            let ran = world.run(&arguments);
            assert_eq!(ran.status, status, "{arguments:?}: {}", ran.err);
            let line = format!("$ scheduled-one {}\n{}", arguments.join(" "), ran.out);
            text.push_str(&format!("{}\n", without_chance(&line)));
        }
    };
    let formats = ["table", "json", "name"];
    ends_with(&years(&["audit", "old"]), &formats, 1);
    ends_with(&["jobs", "--gone"], &formats, 0);
    ends_with(&["forget", "old", "--dry-run"], &formats, 0);
    let four = ["reschedule", "report", "0 0 4 * * *", "--dry-run"];
    ends_with(&four, &formats, 0);
    ends_with(&["reset", "report", "--dry-run"], &formats, 0);
    ends_with(&["run", "report", "--id", "r1"], &formats, 0);
    let rerun = ["rerun", "report", "2024-01-01", "--id", "r2", "--dry-run"];
    ends_with(&rerun, &formats, 0);
    ends_with(&["backfill", "report", "--status"], &formats, 0);
    let cancel = ["cancel", "slow", &token, "--shard", "0"];
    ends_with(&[&cancel[..], &["--dry-run"]].concat(), &formats, 0);
    // After that, the run ends.
    ends_with(&cancel, &["json"], 0);
    same_as_snapshot("changes.txt", &text);
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

/// The words of a command, of which one may be quoted.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('"').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_documentation_are_understood() {
    let alerts = Alerts::new(Rules::default())
        .every(Duration::from_secs(1))
        .notify(Receiver("slack", true));
    let world = World::with(|builder| builder.alerts(alerts)).await;
    wait_until("the node evaluates alerts", || {
        world.run(&["alerts", "show"]).status == 0
    });
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `scheduled-one "));
    let spans = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let mut count = 0;
    // These have no end.
    let endless = [" tail", " console", " --watch"];
    let ends = |span: &&str| !endless.iter().any(|it| span.contains(it));
    for span in spans.filter(ends) {
        let arguments = words(span.strip_prefix("scheduled-one ").unwrap());
        let ran = world.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        // There is no run with the token of the documentation, and no job that was removed.
        let is_of_none = span.contains(" cancel ") || span.contains(" forget ");
        let expected = if is_of_none { 3 } else { 0 };
        assert_eq!(ran.status, expected, "{span}: {}", ran.err);
        count += 1;
    }
    assert!(count >= 16, "{count} commands");
}
