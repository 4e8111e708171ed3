//! What the store knows of nodes that are gone, or of an older release.

use std::sync::Arc;

use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::message::{
    Caller, ControlRequest, Heartbeat, JobList, LowerBounds, Occasion, Register,
};
use scheduled_one_protocol::{JobDescriptor, Store, TickMs, UnitName};
use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_schedule::{Schedule, Zone};
use scheduled_one_sqlite::SqliteStore;
use serde_json::json;

use crate::world::World;

/// Two ticks: the New Years of 2024 and 2025.
pub(crate) const YEARS: [&str; 4] = ["--from", "2023-06-01", "--to", "2025-06-01"];

fn store(world: &World) -> SqliteStore {
    SqliteStore::new(&world.url, "default", Arc::new(SystemClock)).unwrap()
}

fn caller() -> Caller {
    Caller {
        node: "n0".to_owned(),
        name: "n0".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 1_000,
        buckets: 1,
    }
}

fn ms(instant: &str) -> i64 {
    instant.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The job `old` of a node that is gone decided the ticks of [`YEARS`], and what became of them is in no ledger.
pub(crate) async fn with_unknown_ticks(world: &World) {
    let (store, caller) = (store(world), caller());
    let cron = "0 0 0 1 1 *";
    let schedule = Schedule::cron(cron, Zone::utc()).unwrap();
    let mut job = JobDescriptor::default();
    job.say("identity", schedule.identity().to_string());
    job.say("cron", cron);
    job.say("ledger_limit", "1000");
    let request = ControlRequest {
        described: vec![("old".to_owned(), job.to_text())],
        ..ControlRequest::default()
    };
    store.control(&caller, &request).await.unwrap();
    let register = Register {
        unit: UnitName::new("old", 0),
        first_seen_ms: ms("2023-06-01T00:00:00Z"),
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds {
            decided: Some(TickMs(ms("2025-06-01T00:00:00Z"))),
            ..LowerBounds::default()
        },
        next_due_ms: None,
        requests: Vec::new(),
    };
    store.register(&caller, &[register]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_with_unknown_ticks_is_a_negative_answer() {
    let world = World::start().await;
    with_unknown_ticks(&world).await;
    let audit = world.run(&[&["audit", "old", "-o", "json"][..], &YEARS].concat());
    assert_eq!(audit.status, 1, "{}", audit.err);
    let audit: serde_json::Value = serde_json::from_str(&audit.out).unwrap();
    let ticks = audit["ticks"].as_array().unwrap();
    assert_eq!(ticks.len(), 2, "{ticks:?}");
    for tick in ticks {
        assert_eq!(
            (&tick["status"], &tick["gap"]),
            (&json!("unknown"), &json!(true))
        );
    }
    let gaps = [&["audit", "old", "--gaps", "-o", "name"][..], &YEARS].concat();
    let gaps = world.run(&gaps);
    assert_eq!((gaps.status, gaps.out.lines().count()), (1, 2));
    // Nobody would run what is asked for.
    let asked = world.run(&["run", "old"]);
    assert_eq!(asked.status, 0, "{}", asked.err);
    assert!(
        asked.err.contains("no living node runs old"),
        "{}",
        asked.err
    );
    assert!(!world.run(&["run", "report"]).err.contains("no living node"));
    let backfill = [&["backfill", "old", "--only", "all", "--yes"][..], &YEARS].concat();
    for more in [&["--dry-run"][..], &[]] {
        let asked = world.run(&[&backfill[..], more].concat());
        assert_eq!(asked.status, 0, "{}", asked.err);
        assert!(
            asked.err.contains("no living node runs old"),
            "{}",
            asked.err
        );
    }
    let again = world.run(&backfill);
    assert_eq!(again.status, 4, "{}", again.out);
    assert!(
        again.err.contains("a backfill of `old` goes on, by ann"),
        "{}",
        again.err
    );
}

/// Which ticks the job had before it was rescheduled is not known any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_of_the_time_before_a_reset_invents_no_gap() {
    let world = World::start().await;
    with_unknown_ticks(&world).await;
    for change in [&["reschedule", "old", "0 0 0 2 1 *"][..], &["reset", "old"]] {
        let changed = world.run(change);
        assert_eq!(changed.status, 0, "{}", changed.err);
        let audit = [&["audit", "old"][..], &YEARS].concat();
        let shown = world.run(&audit);
        assert_eq!(shown.status, 0, "{}", shown.out);
        assert!(shown.err.contains("complete since 20"), "{}", shown.err);
        let json = world.json(&audit);
        assert_eq!(json["ticks"], json!([]));
        let since = json["complete_since"].as_str().unwrap();
        assert!(shown.err.contains(since), "{}", shown.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_an_older_node_would_ignore_is_refused_unless_it_is_forced() {
    let world = World::start().await;
    let (store, caller) = (store(&world), caller());
    let list = JobList::new(["report"]);
    let heartbeat = || Heartbeat {
        jobs: list.digest(),
        job_list: Some(list.clone()),
        ..Heartbeat::alive()
    };
    store.heartbeat(&caller, heartbeat()).await.unwrap();
    for dry in [&["--dry-run"][..], &[]] {
        let refused = world.run(&[&["pause", "report"], dry].concat());
        assert_eq!(refused.status, 5, "{}", refused.err);
        assert!(refused.err.contains("n0"), "{}", refused.err);
    }
    store.heartbeat(&caller, heartbeat()).await.unwrap();
    let forced = world.run(&["pause", "report", "--force"]);
    assert_eq!(forced.status, 0, "{}", forced.err);
    assert_eq!(
        world.json(&["job", "report"])["job"]["pauses"][0]["of"],
        json!("job")
    );
}
