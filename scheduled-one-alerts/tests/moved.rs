//! A channel whose receiver was gone is used again when it has another address.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod server;

use scheduled_one_alerts::{
    AlertState, Alerts, DeliveryResult, Facts, Input, Rules, Secret, Slack, UnitFacts,
};

use server::{Answer, Server, ok};

const NOW_MS: i64 = 1_767_225_600_000;

/// Each round, a job waits for longer, or not any more: a message each.
async fn round(alerts: &Alerts, state: &mut AlertState, minute: i64) -> Vec<DeliveryResult> {
    let now_ms = NOW_MS + minute * 60_000;
    for at_ms in [now_ms, now_ms + 40_000] {
        let facts = Facts {
            at_ms,
            units: vec![UnitFacts {
                name: "a".to_owned(),
                unaccounted: Some(u64::from(minute % 2 == 0)),
                ..UnitFacts::default()
            }],
            ..Facts::default()
        };
        let lines = Vec::new();
        alerts.evaluate(state, Input { lines, facts });
    }
    let delivered = alerts.deliver_once(state, now_ms + 50_000).await;
    delivered.into_iter().map(|it| it.result).collect()
}

#[tokio::test]
async fn a_channel_that_was_gone_is_used_again_when_what_is_in_its_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("address");
    let gone = Server::start([Answer::Reply(410, String::new())]).await;
    let new = Server::start([ok()]).await;
    std::fs::write(&path, gone.url("/")).unwrap();
    let alerts = Alerts::new(Rules::new("shop")).notify(Slack::new(Secret::file(&path)));
    let mut state = AlertState::new(NOW_MS);
    let none: [DeliveryResult; 0] = [];
    let first = round(&alerts, &mut state, 0).await;
    assert!(
        matches!(&*first, [DeliveryResult::Disabled { .. }]),
        "{first:?}"
    );
    // As long as the file is away, or is the same, nothing goes there.
    assert_eq!(round(&alerts, &mut state, 1).await, none);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(round(&alerts, &mut state, 2).await, none);
    std::fs::write(&path, gone.url("/")).unwrap();
    assert_eq!(round(&alerts, &mut state, 3).await, none);
    assert_eq!(gone.received().len(), 1);
    std::fs::write(&path, new.url("/")).unwrap();
    // The delivery notices the address; the next message goes there.
    round(&alerts, &mut state, 4).await;
    let last = round(&alerts, &mut state, 5).await;
    assert!(last.contains(&DeliveryResult::Delivered), "{last:?}");
    assert_eq!(gone.received().len(), 1);
    assert!(!new.received().is_empty());
}
