//! Each rule fires, and is over: a rule without a history here does not compile.

use super::*;
use crate::facts::{Quarantine, Unreadable};

/// What makes a rule fire, and what ends it: lines and facts at the instant.
struct History {
    begins: (Vec<LedgerRecord>, fn(&mut Facts)),
    ends: (Vec<LedgerRecord>, fn(&mut Facts)),
}

fn of_ledger(begins: Outcome) -> History {
    History {
        begins: (vec![line("a", HOUR, begins)], |_| {}),
        ends: (vec![line("a", 3 * HOUR, Outcome::Ok)], |_| {}),
    }
}

fn of_facts(begins: fn(&mut Facts)) -> History {
    History {
        begins: (Vec::new(), begins),
        ends: (Vec::new(), |_| {}),
    }
}

fn outage(facts: &mut Facts, until_ms: Option<i64>) {
    facts.outages.push(Outage {
        store: "bucket 1".to_owned(),
        since_ms: HOUR,
        until_ms,
        grace_until_ms: until_ms.unwrap_or_default(),
        error: "connection refused".to_owned(),
    });
}

fn history(rule: RuleKind) -> History {
    match rule {
        RuleKind::Failed => of_ledger(Outcome::Panicked),
        RuleKind::Missed => of_ledger(Outcome::Missed),
        RuleKind::Lost => of_ledger(Outcome::Lost),
        RuleKind::NoSuccess => History {
            begins: (Vec::new(), |_| {}),
            ends: (vec![line("a", 3 * HOUR, Outcome::Ok)], |_| {}),
        },
        RuleKind::Late => of_facts(|facts| facts.units[0].due_ms = Some(HOUR)),
        RuleKind::RunsLonger => of_facts(|facts| facts.units[0].running_since_ms = Some(HOUR)),
        RuleKind::PausedLonger => of_facts(|facts| facts.units[0].paused_since_ms = Some(HOUR)),
        RuleKind::Unaccounted => of_facts(|facts| facts.units[0].unaccounted = Some(3)),
        RuleKind::NoNodeHas => of_facts(|facts| facts.units[0].no_node_has = true),
        RuleKind::StoreLost => History {
            begins: (Vec::new(), |facts| outage(facts, None)),
            ends: (Vec::new(), |facts| outage(facts, Some(3 * HOUR))),
        },
        RuleKind::Quarantine => of_facts(|facts| {
            facts.quarantines.push(Quarantine {
                store: "store".to_owned(),
                since_ms: HOUR,
                until_ms: 3 * HOUR,
            });
        }),
        RuleKind::Unreadable => of_facts(|facts| {
            facts.unreadable.push(Unreadable {
                what: "a".to_owned(),
                error: "line 3 is no JSON".to_owned(),
            });
        }),
        RuleKind::NodesBelow => of_facts(|facts| facts.nodes = Some(1)),
        RuleKind::Drift => of_facts(|facts| facts.drift = Some("two releases".to_owned())),
        RuleKind::Channel | RuleKind::Test => of_facts(|_| {}),
    }
}

/// The rules with nothing on but this one.
fn alone(rule: RuleKind) -> Rules {
    let hour = Duration::from_secs(3_600);
    let is = |wanted| rule == wanted;
    let number = |wanted| u32::from(is(wanted));
    let time = |wanted| if is(wanted) { hour } else { Duration::ZERO };
    let jobs = JobRules::new()
        .failed(number(RuleKind::Failed))
        .missed(number(RuleKind::Missed))
        .lost(is(RuleKind::Lost))
        .unaccounted(is(RuleKind::Unaccounted))
        .no_node_has(is(RuleKind::NoNodeHas))
        .no_success(time(RuleKind::NoSuccess))
        .late(time(RuleKind::Late))
        .runs_longer(time(RuleKind::RunsLonger))
        .paused_longer(time(RuleKind::PausedLonger));
    Rules::new("shop")
        .all_jobs(jobs)
        .store_lost(time(RuleKind::StoreLost))
        .quarantine(is(RuleKind::Quarantine))
        .unreadable(is(RuleKind::Unreadable))
        .nodes_below(2 * number(RuleKind::NodesBelow))
        .drift(time(RuleKind::Drift))
}

/// What is said hour by hour: nothing, then what begins, and for three hours nothing more, then what ends.
fn said(rules: Rules, history: &History) -> Vec<Vec<String>> {
    let mut watch = Watch::new(rules);
    let mut hours = Vec::new();
    for hour in 0..8 {
        let mut facts = Facts {
            units: vec![unit("a")],
            nodes: Some(3),
            ..at(hour * HOUR)
        };
        let (lines, of_facts) = match hour {
            0 => (Vec::new(), None),
            1 => (history.begins.0.clone(), Some(history.begins.1)),
            2..=3 => (Vec::new(), Some(history.begins.1)),
            4 => (history.ends.0.clone(), Some(history.ends.1)),
            _ => (Vec::new(), Some(history.ends.1)),
        };
        of_facts.into_iter().for_each(|change| change(&mut facts));
        let mut said = watch.step(&lines, facts.clone());
        // What begins waits for others for half a minute.
        facts.at_ms += MINUTE;
        said.extend(watch.step(&[], facts));
        hours.push(said);
    }
    hours
}

#[test]
fn each_rule_fires_and_is_over() {
    for rule in RuleKind::ALL {
        let said = said(alone(rule), &history(rule)).concat();
        // A receiver that is gone is no fact: tests/delivery.rs has its history.
        if rule == RuleKind::Channel {
            assert_eq!(said, Vec::<String>::new());
            continue;
        }
        let phrase = rule.phrase();
        assert!(said.len() >= 2, "{rule}: {said:?}");
        let (first, rest) = (&said[0], &said[1..]);
        assert!(first.starts_with("[firing] "), "{rule}: {said:?}");
        assert!(first.ends_with(phrase), "{rule}: {said:?}");
        let over = rest.iter().filter(|it| it.starts_with("[resolved] "));
        let expected = match rule {
            // The job has no success after that.
            RuleKind::NoSuccess => vec!["[resolved] ", "[firing] "],
            _ => vec!["[resolved] "],
        };
        assert_eq!(over.count(), 1, "{rule}: {said:?}");
        let words = rest
            .iter()
            .map(|it| expected.iter().find(|word| it.starts_with(**word)));
        assert_eq!(
            words.flatten().copied().collect::<Vec<_>>(),
            expected,
            "{rule}: {said:?}"
        );
    }
}

#[test]
fn a_rule_that_is_off_says_nothing() {
    for rule in RuleKind::ALL {
        let others = RuleKind::ALL.into_iter().filter(|it| *it != rule);
        for other in others {
            // Runs that are lost count as failures where nothing else says them.
            if (rule, other) == (RuleKind::Failed, RuleKind::Lost) {
                continue;
            }
            let said = said(alone(rule), &history(other)).concat();
            let own = said.iter().filter(|it| !it.contains(rule.phrase()));
            assert_eq!(own.count(), 0, "{rule} with {other}: {said:?}");
        }
    }
}

#[test]
fn a_job_without_a_record_in_the_store_has_to_succeed_as_well() {
    let mut watch = Watch::new(rules(
        JobRules::new().no_success(Duration::from_secs(3_600)),
    ));
    let on_every_node = UnitFacts {
        first_seen_ms: None,
        ..unit("a")
    };
    let mut step = |now_ms| {
        let units = vec![on_every_node.clone()];
        watch.step(
            &[],
            Facts {
                units,
                ..at(now_ms)
            },
        )
    };
    let none: [String; 0] = [];
    assert_eq!(step(HOUR), none);
    assert_eq!(step(2 * HOUR - MINUTE), none);
    assert_eq!(
        step(2 * HOUR + MINUTE),
        ["[firing] a: no success for too long"]
    );
}
