//! What was over before anybody could look at it, and what is known of it by whom.

use super::*;
use crate::facts::{Quarantine, Unreadable};

fn said_of(watch: &mut Watch, facts: Facts) -> Vec<String> {
    let mut said = watch.step(&[], facts.clone());
    let later = Facts {
        at_ms: facts.at_ms + MINUTE,
        ..facts
    };
    said.extend(watch.step(&[], later));
    said
}

#[test]
fn a_quarantine_that_is_over_is_said_once_as_resolved() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let none: [String; 0] = [];
    assert_eq!(said_of(&mut watch, at(HOUR)), none);
    let quarantine = |since_ms| Quarantine {
        store: "store".to_owned(),
        since_ms,
        until_ms: since_ms + 2 * MINUTE,
    };
    for hour in [2, 4] {
        let facts = Facts {
            quarantines: vec![quarantine(hour * HOUR)],
            ..at(hour * HOUR + 5 * MINUTE)
        };
        let said = said_of(&mut watch, facts.clone());
        assert_eq!(
            said,
            ["[resolved] store: nothing starts: quarantine, lasted 2 min"]
        );
        let again = Facts {
            at_ms: facts.at_ms + 3 * MINUTE,
            ..facts
        };
        assert_eq!(said_of(&mut watch, again), none);
    }
}

#[test]
fn two_outages_between_two_evaluations_are_said() {
    let mut watch = Watch::new(rules(JobRules::new()));
    watch.step(&[], at(HOUR));
    let outage = |since_ms| Outage {
        store: "store".to_owned(),
        since_ms,
        until_ms: Some(since_ms + MINUTE),
        grace_until_ms: 0,
        error: "refused".to_owned(),
    };
    let facts = Facts {
        outages: vec![outage(HOUR + MINUTE), outage(HOUR + 10 * MINUTE)],
        ..at(HOUR + 20 * MINUTE)
    };
    let said = said_of(&mut watch, facts);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("[resolved] store: store did not reply"),
        "{said:?}"
    );
    let ended = watch.state.ended_outages.get("store");
    assert_eq!(ended, Some(&(HOUR + 11 * MINUTE)));
}

#[test]
fn a_disabled_job_changes_nothing_from_turn_to_turn_and_is_without_success() {
    let mut watch = Watch::new(rules(JobRules::new().no_success(Duration::from_secs(600))));
    let off = |now_ms, is_disabled| Facts {
        units: vec![UnitFacts {
            is_disabled,
            ..unit("a")
        }],
        ..at(now_ms)
    };
    let none: [String; 0] = [];
    assert_eq!(watch.step(&[], off(MINUTE, true)), none);
    let before = watch.state.clone();
    assert_eq!(watch.step(&[], off(HOUR, true)), none);
    assert!(!watch.state.differs(&before), "nothing is to be saved");
    assert_eq!(said_of(&mut watch, off(2 * HOUR, false)), none);
    let said = said_of(&mut watch, off(3 * HOUR, false));
    assert_eq!(said, ["[firing] a: no success for too long"]);
}

#[test]
fn what_one_node_has_not_audited_is_not_over() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let audited = |now_ms, unaccounted| Facts {
        units: vec![UnitFacts {
            unaccounted,
            ..unit("a")
        }],
        ..at(now_ms)
    };
    let said = said_of(&mut watch, audited(HOUR, Some(2)));
    assert_eq!(said, ["[firing] a: ticks without an outcome"]);
    assert_eq!(
        said_of(&mut watch, audited(2 * HOUR, None)),
        Vec::<String>::new()
    );
    let said = said_of(&mut watch, audited(3 * HOUR, Some(0)));
    assert!(
        said[0].starts_with("[resolved] a: ticks without"),
        "{said:?}"
    );
}

#[test]
fn what_cannot_be_read_lasts_while_a_store_is_away() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let facts = |now_ms, is_partial, is_bad: bool| {
        let bad = Unreadable {
            what: "a".to_owned(),
            error: "edited".to_owned(),
        };
        Facts {
            unreadable: is_bad.then_some(bad).into_iter().collect(),
            is_partial,
            ..at(now_ms)
        }
    };
    watch.step(&[], facts(HOUR, false, true));
    // The minute that it has to last goes on, although nobody can look at it in between.
    watch.step(&[], facts(HOUR + MINUTE / 2, true, false));
    watch.step(&[], facts(HOUR + MINUTE, false, true));
    let said = said_of(&mut watch, facts(HOUR + 2 * MINUTE, true, false));
    assert_eq!(said, ["[firing] a: cannot be read, so no rule looks at it"]);
    let said = said_of(&mut watch, facts(HOUR + 9 * MINUTE, false, false));
    assert!(
        said[0].starts_with("[resolved] a: cannot be read"),
        "{said:?}"
    );
}

#[test]
fn a_node_that_always_fails_is_not_hidden_by_one_that_is_well() {
    let mut watch = Watch::new(rules(JobRules::new().failed(3)));
    let of_node = |node: &str, at_ms, outcome| LedgerRecord {
        identity: Some(node.to_owned()),
        ..line("each", at_ms, outcome)
    };
    let (mut said, mut now_ms) = (Vec::new(), HOUR);
    let mut turn = |bad: Outcome, said: &mut Vec<String>| {
        now_ms += MINUTE;
        let lines = [
            of_node("well", now_ms, Outcome::Ok),
            of_node("bad", now_ms, bad),
        ];
        said.extend(watch.lines(&lines, now_ms + 1));
    };
    (0..2).for_each(|_| turn(Outcome::Failed, &mut said));
    assert_eq!(said, Vec::<String>::new());
    (0..4).for_each(|_| turn(Outcome::Failed, &mut said));
    assert_eq!(said, ["[firing] each: failed"]);
    (0..2).for_each(|_| turn(Outcome::Ok, &mut said));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].starts_with("[resolved] each: failed"), "{said:?}");
}

#[test]
fn a_node_that_lives_no_more_does_not_keep_an_alert_going() {
    let day = 24 * HOUR;
    let mut watch = Watch::new(rules(JobRules::new()));
    let turn = |watch: &mut Watch, now_ms, living: [&str; 2], outcome| {
        let lines = living.map(|node| LedgerRecord {
            identity: Some(node.to_owned()),
            ..line("each", now_ms, outcome)
        });
        let facts = Facts {
            identities: Some(living.map(str::to_owned).into()),
            ..at(now_ms + MINUTE)
        };
        watch.step(&lines, facts)
    };
    let said = turn(&mut watch, day, ["a", "b"], Outcome::Failed);
    assert_eq!(said, ["[firing] each: failed"]);
    // The release that mends it: both nodes are others, and well.
    let said = turn(&mut watch, 2 * day, ["c", "d"], Outcome::Ok);
    assert_eq!(said, ["[resolved] each: failed, lasted 1 d"]);
    // A node that has started a moment ago may not be listed yet.
    let of_new = LedgerRecord {
        identity: Some("e".to_owned()),
        ..line("each", 3 * day - 1, Outcome::Failed)
    };
    let facts = Facts {
        identities: Some(["c".to_owned()].into()),
        ..at(3 * day)
    };
    watch.step(&[of_new], facts);
    let said = turn(&mut watch, 3 * day, ["c", "d"], Outcome::Ok);
    assert_eq!(said, ["[firing] each: failed"]);
}

#[test]
fn failures_of_two_nodes_are_not_in_a_row() {
    let mut watch = Watch::new(rules(JobRules::new().failed(3)));
    let nodes = ["a", "b", "c", "d"].into_iter().enumerate();
    let lines = nodes.map(|(at, node)| LedgerRecord {
        identity: Some(node.to_owned()),
        ..line("each", HOUR + at as i64, Outcome::Failed)
    });
    let lines: Vec<LedgerRecord> = lines.collect();
    let mut said = watch.lines(&lines, HOUR + MINUTE);
    said.extend(watch.lines(&[], HOUR + 2 * MINUTE));
    assert_eq!(said, Vec::<String>::new());
}
