//! When everything fails at once, what is stored stays within what a store takes, and somebody is informed.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use scheduled_one_alerts::{AlertState, Alerts, Facts, Input, Rules, UnitFacts, Webhook};
use scheduled_one_protocol::message::MAX_CHECKPOINT_BYTES;
use scheduled_one_protocol::{LedgerRecord, Outcome, TickMs, UnitName};

const JOBS: usize = 10_000;

fn failed(job: &str, at_ms: i64) -> LedgerRecord {
    LedgerRecord {
        unit: UnitName::new(job, 0),
        tick: TickMs(at_ms),
        last_tick: TickMs(at_ms),
        count: 1,
        outcome: Outcome::Failed,
        retried: false,
        reason: String::new(),
        node: "node-a".to_owned(),
        identity: None,
        cause: None,
        actor: String::new(),
        request: String::new(),
        token: None,
        attempt: Some(1),
        fired_at_ms: Some(at_ms),
        ended_at_ms: at_ms,
        error: "ü".repeat(300),
    }
}

#[test]
fn ten_thousand_jobs_that_fail_are_stored_and_said() {
    let names: Vec<String> = (0..JOBS)
        .map(|n| format!("service/group/job-{n}"))
        .collect();
    let units = names.iter().map(|name| UnitFacts {
        name: name.clone(),
        zone: Some("Europe/Berlin".to_owned()),
        first_seen_ms: Some(1),
        ..UnitFacts::default()
    });
    let units: Vec<UnitFacts> = units.collect();
    let alerts = Alerts::new(Rules::new("shop").console("https://shop.example/jobs"))
        .notify(Webhook::new("https://ops.example/jobs"))
        .route(
            ["service/group/job-9999"],
            Webhook::new("https://ops.example/last").named("last"),
        );
    let mut state = AlertState::new(0);
    let (mut said, mut now_ms) = (Vec::new(), 1_767_225_600_000);
    // Rounds of failures, 4 h apart: each is said again, and nobody takes the messages.
    for _ in 0..4 {
        let lines = names.iter().map(|name| failed(name, now_ms)).collect();
        for (lines, wait_ms) in [(lines, 60_000), (Vec::new(), 4 * 3_600_000)] {
            now_ms += wait_ms;
            let facts = Facts {
                at_ms: now_ms,
                units: units.clone(),
                ..Facts::default()
            };
            said.extend(alerts.evaluate(&mut state, Input { lines, facts }));
        }
        let bytes = state.to_json().len();
        assert!(bytes < MAX_CHECKPOINT_BYTES / 2, "{bytes} bytes");
    }
    assert!(said.len() >= 4, "{}", said.len());
    assert_eq!(said[0].title(), "[firing] 10000 jobs: failed");
    assert_eq!(said[0].count(), JOBS);
    assert_eq!(state.firing().count(), JOBS);
    let kept = AlertState::from_json(&state.to_json()).unwrap();
    assert!(kept.waiting() > 0);
    // A job that is not among those listed has its message over its own channel all the same.
    let json: serde_json::Value = serde_json::from_str(&state.to_json()).unwrap();
    let waiting = json["outbox"]["waiting"].as_array().unwrap();
    assert!(
        waiting
            .iter()
            .all(|it| it["channels"].get("last").is_some())
    );
}
