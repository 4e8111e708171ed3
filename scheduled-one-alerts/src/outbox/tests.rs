//! Deliveries in time.

use super::*;

const FAST: Rate = Rate {
    per_minute: 60,
    burst: 10,
};

fn alert(incident: &str, transition: &str) -> Alert {
    let mut alert = Alert::test("shop", 0);
    alert.id = format!("{incident}.{transition}");
    alert.incident = incident.to_owned();
    alert
}

fn outbox(alerts: &[(&str, &str)]) -> Outbox {
    let mut outbox = Outbox::default();
    for (incident, transition) in alerts {
        outbox.push(alert(incident, transition), &["a".to_owned()]);
    }
    assert!(outbox.take_dropped().is_empty());
    outbox
}

fn due(outbox: &mut Outbox, now_ms: i64) -> Vec<String> {
    let due = outbox.due("a", FAST, now_ms);
    due.into_iter().map(|alert| alert.id).collect()
}

fn attempted(
    outbox: &mut Outbox,
    id: &str,
    now_ms: i64,
    result: Result<(), DeliveryError>,
) -> DeliveryResult {
    outbox
        .attempted("a", "x", id, now_ms, result)
        .unwrap()
        .result
}

fn unreachable() -> Result<(), DeliveryError> {
    Err(DeliveryError::Unreachable("refused".to_owned()))
}

#[test]
fn attempts_follow_the_table_and_end() {
    let mut outbox = outbox(&[("i", "f")]);
    let (mut now_ms, mut waits_s) = (1, Vec::new());
    loop {
        assert_eq!(due(&mut outbox, now_ms), ["i.f"]);
        match attempted(&mut outbox, "i.f", now_ms, unreachable()) {
            DeliveryResult::Again { in_ms, .. } => {
                assert!(due(&mut outbox, now_ms + in_ms - 1).is_empty());
                now_ms += in_ms;
                waits_s.push(in_ms / 1000);
            }
            end => {
                assert!(matches!(end, DeliveryResult::GivenUp { .. }));
                break;
            }
        }
    }
    assert_eq!(waits_s.len(), WAITS_S.len());
    for (wait_s, table_s) in waits_s.iter().zip(WAITS_S) {
        // A channel that fails and fails is left alone a little longer.
        let longest = (table_s + table_s / 10).max(MAX_PAUSE_MS / 1000);
        assert!((table_s..=longest).contains(wait_s), "{waits_s:?}");
    }
    assert_eq!(outbox.len(), 0);
}

#[test]
fn a_receiver_that_says_when_is_left_alone_until_then() {
    let mut outbox = outbox(&[("i", "f"), ("j", "f")]);
    let slow = || {
        Err(DeliveryError::Slow {
            retry_after_ms: Some(900_000),
            why: String::new(),
        })
    };
    assert_eq!(due(&mut outbox, 1), ["i.f", "j.f"]);
    attempted(&mut outbox, "i.f", 1, slow());
    assert!(
        due(&mut outbox, 900_000).is_empty(),
        "the other message, too"
    );
    assert_eq!(due(&mut outbox, 900_001), ["i.f", "j.f"]);
}

#[test]
fn a_resolved_message_does_not_overtake_the_firing_one() {
    let mut outbox = outbox(&[("i", "f"), ("i", "x"), ("j", "f")]);
    attempted(&mut outbox, "i.f", 1, unreachable());
    assert_eq!(due(&mut outbox, 5_001), ["j.f"]);
    assert_eq!(due(&mut outbox, 5_501), ["i.f", "i.x", "j.f"]);
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_until_its_address_changes() {
    let mut outbox = outbox(&[("i", "f"), ("j", "f")]);
    let gone = Err(DeliveryError::Gone {
        why: "410".to_owned(),
    });
    let result = attempted(&mut outbox, "i.f", 7, gone);
    assert!(matches!(result, DeliveryResult::Disabled { .. }));
    assert_eq!(outbox.len(), 0, "what waited is dropped");
    assert_eq!(outbox.disabled().collect::<Vec<_>>(), [("a", 7, "410")]);
    outbox.push(alert("k", "f"), &["a".to_owned()]);
    let with = |address: &str| BTreeMap::from([("a".to_owned(), address.to_owned())]);
    outbox.keep_channels(&with("x"));
    assert!(due(&mut outbox, i64::MAX / 2).is_empty());
    outbox.keep_channels(&with("y"));
    assert_eq!(due(&mut outbox, i64::MAX / 2), ["k.f"]);
    outbox.keep_channels(&BTreeMap::new());
    assert_eq!(outbox.len(), 0, "a channel that is no more");
}

#[test]
fn no_minute_has_more_messages_than_the_rate() {
    let rate = Rate {
        per_minute: 15,
        burst: 5,
    };
    let mut outbox = Outbox::default();
    for n in 0..200 {
        outbox.push(alert(&n.to_string(), "f"), &["a".to_owned()]);
    }
    let mut sent_at_s = Vec::new();
    for second in 1..=600 {
        for alert in outbox.due("a", rate, second * 1000) {
            attempted(&mut outbox, &alert.id, second * 1000, Ok(()));
            sent_at_s.push(second);
        }
    }
    let most = (0..600).map(|from| {
        let in_minute = |at: &&i64| (from..from + 60).contains(*at);
        sent_at_s.iter().filter(in_minute).count()
    });
    assert!(most.max() <= Some(20));
    assert!(sent_at_s.len() >= 150, "{}", sent_at_s.len());
}

#[test]
fn what_waits_is_bounded() {
    let mut outbox = Outbox::default();
    for n in 0..MAX_WAITING + 3 {
        outbox.push(alert(&n.to_string(), "f"), &["a".to_owned()]);
    }
    assert_eq!(outbox.len(), MAX_WAITING);
    let dropped = outbox.take_dropped();
    let ids: Vec<&str> = dropped.iter().map(|it| &*it.id).collect();
    assert_eq!(ids, ["0.f", "1.f", "2.f"]);
    assert!(dropped.iter().all(|it| it.result.as_str() == "given_up"));
    assert!(outbox.take_dropped().is_empty(), "it is said once");
}
