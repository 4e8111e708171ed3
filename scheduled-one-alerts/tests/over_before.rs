//! What was over before it was said, for receivers that know nothing but what fires and what is over.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod server;

use scheduled_one_alerts::{
    AlertState, Alertmanager, Alerts, Channel, Facts, Input, Outage, PagerDuty, Rules, Status,
};
use scheduled_one_protocol::{LedgerRecord, Outcome, TickMs, UnitName};

use server::{Answer, Server, ok};

const NOW_MS: i64 = 1_767_225_600_000;

fn line(job: &str, at_ms: i64, outcome: Outcome) -> LedgerRecord {
    LedgerRecord {
        unit: UnitName::new(job, 0),
        tick: TickMs(at_ms),
        last_tick: TickMs(at_ms),
        count: 1,
        outcome,
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
        error: String::new(),
    }
}

/// An outage of the only store, an hour long: nobody looks before it is over.
fn outage(at_ms: i64) -> Facts {
    let until_ms = NOW_MS + 3_600_000;
    let outage = Outage {
        store: "store".to_owned(),
        since_ms: NOW_MS,
        until_ms: Some(until_ms),
        grace_until_ms: until_ms,
        error: "connection refused".to_owned(),
    };
    Facts {
        at_ms,
        outages: vec![outage],
        ..Facts::default()
    }
}

#[tokio::test]
async fn pagerduty_gets_an_incident_of_what_was_over_before_it_was_said() {
    let server = Server::start([Answer::Reply(202, String::new())]).await;
    let channel = PagerDuty::new("ROUTINGKEY").address(server.url("/v2/enqueue"));
    let alerts = Alerts::new(Rules::new("shop"));
    let mut state = AlertState::new(NOW_MS);
    let mut said = Vec::new();
    for at_ms in [NOW_MS + 3_601_000, NOW_MS + 3_661_000] {
        let facts = outage(at_ms);
        let lines = Vec::new();
        said.extend(alerts.evaluate(&mut state, Input { lines, facts }));
    }
    assert_eq!((said.len(), said[0].status), (1, Status::Resolved));
    channel.deliver(&said[0], NOW_MS).await.unwrap();
    let bodies: Vec<_> = server.received().iter().map(|it| it.json()).collect();
    let actions: Vec<_> = bodies.iter().map(|body| &body["event_action"]).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(bodies[0]["dedup_key"], bodies[1]["dedup_key"]);
    let summary = "[resolved] store: store did not reply, lasted 1 h";
    assert_eq!(bodies[0]["payload"]["summary"], summary);
}

#[tokio::test]
async fn alertmanager_gets_what_was_over_before_it_was_said_as_if_it_ended_soon() {
    let server = Server::start([ok()]).await;
    let alerts = Alerts::new(Rules::new("shop")).notify(Alertmanager::new(server.url("/")));
    let mut state = AlertState::new(NOW_MS);
    for minute in 60..65 {
        let at_ms = NOW_MS + minute * 60_000 + 1_000;
        let lines = match minute {
            60 => [("a", 0, Outcome::Failed), ("b", 0, Outcome::Failed)].to_vec(),
            61 => [("a", -50_000, Outcome::Ok)].to_vec(),
            _ => Vec::new(),
        };
        let lines = lines
            .into_iter()
            .map(|(job, before_ms, outcome)| line(job, at_ms + before_ms, outcome));
        let lines = lines.collect();
        let facts = outage(at_ms);
        alerts.evaluate(&mut state, Input { lines, facts });
        alerts.deliver_once(&mut state, at_ms).await;
    }
    let bodies: Vec<_> = server.received().iter().map(|it| it.json()).collect();
    let alerts = bodies.iter().flat_map(|body| body.as_array().unwrap());
    let alerts = alerts.map(|it| {
        let text = |at: &serde_json::Value| at.as_str().unwrap().to_owned();
        let rule = text(&it["labels"]["rule"]);
        (
            rule,
            text(&it["labels"]["job"]),
            text(&it["startsAt"]),
            text(&it["endsAt"]),
        )
    });
    let alerts: Vec<_> = alerts.collect();
    let expected = [
        (
            "failed",
            "a",
            "2026-01-01T01:00:01Z",
            "2026-01-01T01:06:01Z",
        ),
        (
            "failed",
            "b",
            "2026-01-01T01:00:01Z",
            "2026-01-01T05:15:31Z",
        ),
        (
            "store_lost",
            "store",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:06:01Z",
        ),
    ];
    let expected = expected.map(|(rule, job, from, to)| {
        (
            rule.to_owned(),
            job.to_owned(),
            from.to_owned(),
            to.to_owned(),
        )
    });
    assert_eq!(alerts, expected);
}
