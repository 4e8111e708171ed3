//! Schedules in place of those in the code.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_gets_another_schedule_and_its_own_back() {
    let world = World::start().await;
    let dry = world.json(&[
        "reschedule",
        "report",
        "0 0 4 * * *",
        "--tz",
        "Europe/Berlin",
        "--dry-run",
    ]);
    let change = &dry["changes"][0];
    assert_eq!(
        (&change["changed"], &change["dry_run"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(change["next"].as_array().unwrap().len(), 5);
    assert_eq!(
        world.json(&["job", "report"])["job"]["overridden"],
        json!(null)
    );

    let asked = [
        "reschedule",
        "report",
        "0 0 4 * * *",
        "--tz",
        "Europe/Berlin",
        "--by",
        "ann",
    ];
    let done = world.run(&asked);
    assert_eq!(done.status, 0, "{}", done.err);
    assert!(
        done.out.contains("in force") && done.out.contains("Europe/Berlin"),
        "{}",
        done.out
    );
    let overridden = &world.json(&["job", "report"])["job"]["overridden"];
    assert_eq!(overridden["schedule"], json!("0 0 4 * * *"));
    assert_eq!(
        (&overridden["by"], &overridden["void"]),
        (&json!("ann"), &json!(false))
    );
    let shown = world.run(&["job", "report"]).out;
    assert!(
        shown.contains("0 0 4 * * * in Europe/Berlin") && shown.contains("by ann"),
        "{shown}"
    );
    assert!(world.run(&asked).out.contains("in force already"));

    let stale = world.run(&["reset", "report", "--expect", "1"]);
    assert_eq!(stale.status, 4, "{}", stale.err);
    assert_eq!(world.run(&["reset", "report"]).status, 0);
    let again = world.run(&["reset", "report"]);
    assert!(again.out.contains("in force already"), "{}", again.out);
    assert!(!world.run(&["job", "report"]).out.contains("override"));
    for (schedule, expected) in [("0 0 25 * * *", "25"), ("every 5", "5"), ("", "every 5m")] {
        let refused = world.run(&["reschedule", "report", schedule]);
        assert_eq!(refused.status, 2, "{}", refused.err);
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
    assert_eq!(world.run(&["reschedule", "reprot", "every 5m"]).status, 3);
}
