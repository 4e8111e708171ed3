//! `next`, `audit`, `backfill` and `trail`, and groups.

use serde_json::{Value, json};

use crate::world::World;

/// The ticks of a job of New Year in these years.
fn new_years(ticks: &Value) -> Vec<&str> {
    let ticks = ticks.as_array().unwrap().iter();
    ticks.map(|tick| tick["tick"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_of_the_past_are_found_and_run_once() {
    let world = World::start().await;
    let years = ["--from", "2023-06-01", "--to", "2025-06-01"];
    let next = world.json(&[&["next", "report"][..], &years].concat());
    let expected = ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"];
    assert_eq!(new_years(&next["ticks"]), expected);
    assert_eq!(
        new_years(&world.json(&["next", "report", "-n", "2"])["ticks"]).len(),
        2
    );

    // The job was not there in these years: nothing was missed, and the audit has nothing to say.
    let audit = world.run(&[&["audit", "report"][..], &years].concat());
    assert_eq!((audit.status, audit.err.as_str()), (0, ""));
    let backfill = |more: &[&'static str]| [&["backfill", "report"][..], &years, more].concat();
    let missed = world.json(&backfill(&["--dry-run"]));
    assert_eq!(missed["backfill"]["ticks"], json!([]));
    let never = world.json(&backfill(&[
        "--only",
        "never",
        "--newest-first",
        "--dry-run",
    ]));
    let (newest_first, oldest_first) = ([expected[1], expected[0]], expected);
    assert_eq!(new_years(&never["backfill"]["ticks"]), newest_first);
    assert_eq!(
        world.json(&["history", "report"])["lines"],
        json!([]),
        "a dry run"
    );

    let asked = world.run(&backfill(&["--only", "never"]));
    assert_eq!(
        asked.status, 2,
        "without a terminal to ask on: {}",
        asked.err
    );
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    let ran = world.json(&backfill(&[
        "--only", "never", "--yes", "--wait", "--note", "outage",
    ]));
    assert_eq!(
        (&ran["backfill"]["ok"], &ran["backfill"]["not_ok"]),
        (&json!(2), &json!(0))
    );
    let lines = world.json(&["history", "report"]);
    let lines = lines["lines"].as_array().unwrap();
    let ticks: Vec<&str> = lines
        .iter()
        .rev()
        .map(|line| line["tick"].as_str().unwrap())
        .collect();
    assert_eq!(ticks, oldest_first);
    assert!(lines.iter().all(|line| line["cause"] == json!("backfill")));

    let again = world.json(&backfill(&["--only", "all", "--yes", "--wait"]));
    assert_eq!(again["backfill"]["ticks"], json!([]), "no tick runs twice");
    let status = world.json(&["backfill", "report", "--status"]);
    assert_eq!(
        (&status["backfill"]["total"], &status["backfill"]["asked"]),
        (&json!(2), &json!(2))
    );
    let trail = world.json(&["trail", "report"]);
    let entry = &trail["trail"]["entries"][0];
    assert_eq!(
        (&entry["action"], &entry["note"]),
        (&json!("backfill"), &json!("outage"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_whose_runs_fail_is_a_negative_answer() {
    let world = World::start().await;
    let never = world.run(&["backfill", "slow", "--status"]);
    assert_eq!(never.status, 3, "{}", never.err);
    let years = [
        "--from",
        "2024-06-01",
        "--to",
        "2025-06-01",
        "--only",
        "never",
        "--yes",
        "--wait",
    ];
    let ran = world.run(&[&["backfill", "fails"][..], &years].concat());
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("0 runs ended ok, 1 not"), "{}", ran.out);
    // What did not end well is run again when it is asked for again.
    let again = world.run(&[&["backfill", "fails"][..], &years].concat());
    assert_eq!(again.status, 1, "{}", again.err);
    assert!(
        again.out.contains("0 runs ended ok, 1 not"),
        "{}",
        again.out
    );
    let lines = world.json(&["history", "fails"]);
    assert_eq!(lines["lines"].as_array().unwrap().len(), 2);
    let long = world.run(&[&["backfill", "slow"][..], &years, &["--timeout", "2s"]].concat());
    assert_eq!(long.status, 6, "{}", long.err);
    assert_eq!(world.run(&["backfill", "slow", "--stop"]).status, 0);
}

/// The ledger keeps fewer lines than the backfill has ticks: that all ended ok is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_of_which_not_all_ends_are_known_is_a_negative_answer() {
    let world = World::with(|builder| builder.ledger_limit(10)).await;
    let never = [
        "backfill",
        "report",
        "--from",
        "1971-06-01",
        "--to",
        "2025-06-01",
        "--only",
        "never",
        "--at-a-time",
        "54",
        "--yes",
        "--wait",
    ];
    let ran = world.run(&[&never[..], &["-o", "json"]].concat());
    let backfill: Value = serde_json::from_str(&ran.out).unwrap();
    let backfill = &backfill["backfill"];
    let number = |name: &str| backfill[name].as_u64().unwrap();
    assert_eq!((number("total"), number("not_ok")), (54, 0), "{backfill}");
    assert_eq!(number("ok") + number("unknown"), 54, "{backfill}");
    // On a machine that is slow enough, each line is seen before it goes.
    let is_known = number("unknown") == 0;
    assert_eq!(ran.status == 0, is_known, "{backfill} {}", ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_that_goes_on_is_changed_only_without_dry_run() {
    let world = World::start().await;
    let range = [
        "--from",
        "2000-06-01",
        "--to",
        "2025-06-01",
        "--only",
        "never",
    ];
    let begin = ["backfill", "slow", "--at-a-time", "1", "--yes"];
    let begun = world.run(&[&begin[..], &range].concat());
    assert_eq!(begun.status, 0, "{}", begun.err);
    let backfill = |arguments: &[&str]| {
        world.json(&[&["backfill", "slow"], arguments].concat())["backfill"].clone()
    };
    let dry = |option: &str| backfill(&[option, "--dry-run"])["would"].clone();
    assert_eq!(
        (dry("--stop"), dry("--pause")),
        (json!("stop"), json!("pause"))
    );
    assert_eq!(dry("--resume"), json!(null), "it is not paused");
    let status = backfill(&["--status"]);
    assert_eq!(
        (&status["paused"], &status["ended"]),
        (&json!(false), &json!(""))
    );
    let job = world.json(&["job", "slow"])["job"].clone();
    assert_eq!(job["backfill"]["total"], status["total"]);
    let shown = world.run(&["job", "slow"]).out;
    assert!(shown.contains("25 ticks asked for"), "{shown}");

    assert_eq!(backfill(&["--pause"])["paused"], json!(true));
    assert_eq!(
        (dry("--pause"), dry("--resume")),
        (json!(null), json!("resume"))
    );
    let text = world.run(&["backfill", "slow", "--stop", "--dry-run"]).out;
    assert!(text.contains("would stop"), "{text}");
    let stopped = backfill(&["--stop"])["ended"].clone();
    assert!(
        stopped.as_str().unwrap().contains("stopped by"),
        "{stopped}"
    );
    assert_eq!(dry("--stop"), json!(null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_goes_on_behind_its_cursor() {
    let world = World::start().await;
    assert_eq!(world.run(&["pause", "report", "--by", "ann"]).status, 0);
    let cursor = world.run(&["trail", "-o", "name"]).out;
    assert_eq!(world.run(&["resume", "report", "--by", "bob"]).status, 0);
    let news = world.json(&["trail", "--after", cursor.trim()]);
    let entries = news["trail"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["action"], &entries[0]["by"]),
        (&json!("resume"), &json!("bob"))
    );
    let by_ann = world.json(&["trail", "--actor", "ann"]);
    assert_eq!(by_ann["trail"]["entries"][0]["action"], json!("pause"));
    assert_eq!(world.run(&["trail", "--after", "deploy"]).status, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_the_jobs_that_are_in_it_now() {
    let world = World::start().await;
    let jobs = world.run(&["jobs", "-g", "billing", "-o", "name"]);
    assert_eq!(jobs.out, "report\n");
    let paused = world.run(&["pause", "-g", "billing", "-o", "name"]);
    assert_eq!(
        (paused.status, paused.out.as_str()),
        (0, "report\n"),
        "{}",
        paused.err
    );
    let job = world.json(&["job", "report"]);
    assert_eq!(job["job"]["group"], json!("billing"));
    assert_eq!(job["job"]["pauses"].as_array().unwrap().len(), 1);
    assert_eq!(world.run(&["resume", "--group", "billing"]).status, 0);
    let wrong = world.run(&["pause", "-g", "biling"]);
    assert_eq!(wrong.status, 2, "{}", wrong.err);
}
