//! What the rules say of histories.

mod each_rule;
mod ended;
mod properties;
mod turn_back;

use std::time::Duration;

use scheduled_one_protocol::{Outcome, TickMs, UnitName};

use super::*;
use crate::facts::{CLUSTER, Facts, Outage, UnitFacts};
use scheduled_one_schedule::alert::JobRules;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

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

fn at(at_ms: i64) -> Facts {
    Facts {
        at_ms,
        ..Facts::default()
    }
}

fn unit(name: &str) -> UnitFacts {
    UnitFacts {
        unaccounted: Some(0),
        name: name.to_owned(),
        first_seen_ms: Some(0),
        ..UnitFacts::default()
    }
}

fn rules(jobs: JobRules) -> Rules {
    Rules::new("shop").all_jobs(jobs)
}

/// The rules with a state, to be fed.
struct Watch {
    rules: Rules,
    state: EngineState,
}

impl Watch {
    fn new(rules: Rules) -> Self {
        let state = EngineState::new(0);
        Watch { rules, state }
    }

    fn lines(&mut self, lines: &[LedgerRecord], now_ms: i64) -> Vec<String> {
        self.step(lines, at(now_ms))
    }

    fn step(&mut self, lines: &[LedgerRecord], facts: Facts) -> Vec<String> {
        let lines = lines.to_vec();
        let input = Input { lines, facts };
        let alerts = self.state.step(&self.rules, input, Vec::new());
        alerts.iter().map(Alert::title).collect()
    }
}

#[test]
fn failures_in_a_row_fire_once_and_resolve() {
    let mut watch = Watch::new(rules(JobRules::new().failed(3).recover(2)));
    let failed = |at| line("a", at, Outcome::Failed);
    let ok = |at| line("a", at, Outcome::Ok);
    let none: [String; 0] = [];
    assert_eq!(
        watch.lines(&[failed(1), failed(2), ok(3), failed(4), failed(5)], HOUR),
        none
    );
    let retried = LedgerRecord {
        retried: true,
        ..failed(HOUR)
    };
    assert_eq!(
        watch.lines(&[retried], HOUR + MINUTE),
        none,
        "a retried attempt does not count"
    );
    let panicked = line("a", HOUR + MINUTE, Outcome::Panicked);
    let fired = watch.lines(&[panicked], HOUR + 2 * MINUTE);
    assert_eq!(fired, ["[firing] a: failed"]);
    assert_eq!(
        watch.lines(&[failed(2 * HOUR)], 3 * HOUR),
        none,
        "nothing is said twice"
    );
    assert_eq!(
        watch.lines(&[ok(3 * HOUR)], 4 * HOUR),
        none,
        "one ok is not enough"
    );
    let over = watch.lines(&[ok(4 * HOUR)], 5 * HOUR);
    assert_eq!(over, ["[resolved] a: failed, lasted 3 h 59 min"]);
}

#[test]
fn a_cancelled_or_skipped_tick_neither_fails_nor_recovers() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let lines = [
        line("a", 1, Outcome::Cancelled),
        line("a", 2, Outcome::Skipped),
        line("a", 3, Outcome::FinishedWithoutLease),
    ];
    assert_eq!(watch.lines(&lines, HOUR), Vec::<String>::new());
    let fired = watch.lines(&[line("a", HOUR, Outcome::TimedOut)], 2 * HOUR);
    assert_eq!(fired, ["[firing] a: failed"]);
    let lines = [line("a", 2 * HOUR, Outcome::Skipped)];
    assert_eq!(watch.lines(&lines, 3 * HOUR), Vec::<String>::new());
    assert_eq!(watch.state.firing().count(), 1);
}

#[test]
fn an_alert_is_said_again_seldom_and_only_the_newest_time() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let lines = [line("a", 0, Outcome::Failed)];
    assert_eq!(watch.lines(&lines, MINUTE).len(), 1);
    assert!(watch.lines(&[], 4 * HOUR).is_empty());
    assert_eq!(
        watch.lines(&[], 4 * HOUR + MINUTE),
        ["[still firing] a: failed, for 4 h"]
    );
    // The evaluation stands still for days: one message, not eighteen.
    let said = watch.lines(&[], 80 * HOUR);
    assert_eq!(said, ["[still firing] a: failed, for 3 d 4 h"]);
}

#[test]
fn many_jobs_of_one_rule_are_one_message() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let missed = |n: i64| {
        let line = line(&format!("job{n}"), n * 1000, Outcome::Missed);
        LedgerRecord {
            reason: "store down".to_owned(),
            ..line
        }
    };
    let lines: Vec<LedgerRecord> = (0..17).map(missed).collect();
    assert_eq!(watch.lines(&lines, MINUTE), ["[firing] 17 jobs: missed"]);
    let ok = |n: i64| line(&format!("job{n}"), HOUR + n, Outcome::Ok);
    let most: Vec<LedgerRecord> = (0..16).map(ok).collect();
    assert!(watch.lines(&most, 2 * HOUR).is_empty(), "one is left");
    let last = line("job16", 2 * HOUR, Outcome::Ok);
    let said = watch.lines(&[last], 3 * HOUR);
    assert_eq!(said, ["[resolved] 17 jobs: missed, lasted 2 h"]);
}

#[test]
fn a_job_that_fails_again_while_others_of_its_message_still_fail_is_said() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let lines = ["a", "b"].map(|job| line(job, 0, Outcome::Failed));
    assert_eq!(watch.lines(&lines, MINUTE), ["[firing] 2 jobs: failed"]);
    let lines = [
        line("a", MINUTE, Outcome::Ok),
        line("a", 2 * MINUTE, Outcome::Failed),
    ];
    assert_eq!(watch.lines(&lines, HOUR), ["[firing] a: failed"]);
}

#[test]
fn what_is_over_before_it_is_said_is_one_message() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let lines = [
        line("a", 0, Outcome::Failed),
        line("a", 10_000, Outcome::Ok),
    ];
    let said = watch.lines(&lines, MINUTE);
    assert_eq!(said, ["[resolved] a: failed, lasted 10 s"]);
}

#[test]
fn a_lost_run_is_said_by_its_own_rule() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let said = watch.lines(&[line("a", 0, Outcome::Lost)], MINUTE);
    assert_eq!(said, ["[firing] a: lost"]);
    // It counts as a failure in a row.
    let mut watch = Watch::new(rules(JobRules::new().failed(2)));
    let lines = [line("a", 0, Outcome::Lost), line("a", 1, Outcome::Failed)];
    assert_eq!(watch.lines(&lines, MINUTE).len(), 2);
    let mut watch = Watch::new(rules(JobRules::new().lost(false)));
    let said = watch.lines(&[line("a", 0, Outcome::Lost)], MINUTE);
    assert_eq!(said, ["[firing] a: failed"]);
}

#[test]
fn a_job_that_never_ran_has_no_success() {
    let day = Duration::from_secs(24 * 3600);
    let mut watch = Watch::new(rules(JobRules::new().no_success(day)));
    let facts = |now_ms| Facts {
        units: vec![unit("a")],
        ..at(now_ms)
    };
    assert!(watch.step(&[], facts(24 * HOUR - 1)).is_empty());
    let said = watch.step(&[], facts(25 * HOUR));
    assert_eq!(said, ["[firing] a: no success for too long"]);
    // A failed run is no success, and fires for itself.
    let said = watch.step(&[line("a", 26 * HOUR, Outcome::Failed)], facts(27 * HOUR));
    assert_eq!(said, ["[firing] a: failed"]);
    let said = watch.step(&[line("a", 28 * HOUR, Outcome::Ok)], facts(28 * HOUR));
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn a_paused_job_is_neither_without_success_nor_missed_and_counts_anew() {
    let hour = Duration::from_secs(3600);
    let rules = rules(JobRules::new().no_success(hour).paused_longer(hour * 10));
    let mut watch = Watch::new(rules);
    let facts = |now_ms, paused_since_ms| Facts {
        units: vec![UnitFacts {
            paused_since_ms,
            ..unit("a")
        }],
        ..at(now_ms)
    };
    let none: [String; 0] = [];
    assert_eq!(watch.step(&[], facts(MINUTE, Some(MINUTE))), none);
    let missed = line("a", HOUR, Outcome::Missed);
    assert_eq!(watch.step(&[missed], facts(9 * HOUR, Some(MINUTE))), none);
    let said = watch.step(&[], facts(11 * HOUR, Some(MINUTE)));
    assert_eq!(said, none, "it waits for others");
    let said = watch.step(&[], facts(11 * HOUR + MINUTE, Some(MINUTE)));
    assert_eq!(said, ["[firing] a: paused for long"]);
    let said = watch.step(&[], facts(12 * HOUR, None));
    assert_eq!(said, ["[resolved] a: paused for long, lasted 11 h 59 min"]);
    assert_eq!(watch.step(&[], facts(13 * HOUR - 1, None)), none);
    let said = watch.step(&[], facts(14 * HOUR, None));
    assert_eq!(said, ["[firing] a: no success for too long"]);
}

#[test]
fn late_and_long_runs_fire_while_they_happen() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let mut watch = Watch::new(rules(
        JobRules::new().late(minutes(5)).runs_longer(minutes(60)),
    ));
    let facts = |now_ms, due_ms, running_since_ms| Facts {
        units: vec![UnitFacts {
            due_ms,
            running_since_ms,
            ..unit("a")
        }],
        ..at(now_ms)
    };
    assert!(watch.step(&[], facts(4 * MINUTE, Some(0), None)).is_empty());
    assert!(watch.step(&[], facts(5 * MINUTE, Some(0), None)).is_empty());
    let said = watch.step(&[], facts(6 * MINUTE, Some(0), None));
    assert_eq!(said, ["[firing] a: due and not started"]);
    let said = watch.step(&[], facts(7 * MINUTE, None, Some(7 * MINUTE)));
    assert_eq!(said, ["[resolved] a: due and not started, lasted 7 min"]);
    watch.step(&[], facts(67 * MINUTE, None, Some(7 * MINUTE)));
    let said = watch.step(&[], facts(68 * MINUTE, None, Some(7 * MINUTE)));
    assert_eq!(said, ["[firing] a: runs longer than it should"]);
    let said = watch.step(&[], facts(69 * MINUTE, None, None));
    assert_eq!(
        said,
        ["[resolved] a: runs longer than it should, lasted 1 h 2 min"]
    );
}

#[test]
fn conditions_of_the_cluster_have_to_last() {
    let mut watch = Watch::new(rules(JobRules::new()));
    watch.rules = watch.rules.clone().nodes_below(2);
    let facts = |now_ms, nodes, drift: Option<&str>| Facts {
        nodes: Some(nodes),
        drift: drift.map(str::to_owned),
        ..at(now_ms)
    };
    let old = Some("two releases");
    // A deployment: nodes come and go.
    assert!(watch.step(&[], facts(0, 1, old)).is_empty());
    assert!(watch.step(&[], facts(MINUTE / 2, 3, old)).is_empty());
    assert!(watch.step(&[], facts(5 * MINUTE, 1, old)).is_empty());
    watch.step(&[], facts(6 * MINUTE, 1, old));
    let said = watch.step(&[], facts(7 * MINUTE, 1, old));
    assert_eq!(said, [format!("[firing] {CLUSTER}: too few nodes")]);
    watch.step(&[], facts(15 * MINUTE, 1, old));
    let said = watch.step(&[], facts(16 * MINUTE, 1, old));
    assert_eq!(said, ["[firing] cluster: nodes differ"]);
    let said = watch.step(&[], facts(17 * MINUTE, 2, None));
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn an_outage_is_one_message_and_gives_grace() {
    let hour = Duration::from_secs(3600);
    let mut watch = Watch::new(rules(JobRules::new().no_success(hour)));
    let facts = |now_ms| Facts {
        units: vec![unit("a"), unit("b")],
        outages: vec![Outage {
            store: "store".to_owned(),
            since_ms: 10 * MINUTE,
            until_ms: Some(70 * MINUTE),
            grace_until_ms: 75 * MINUTE,
            error: "connection refused".to_owned(),
        }],
        ..at(now_ms)
    };
    let missed = ["a", "b"].map(|job| line(job, 71 * MINUTE, Outcome::Missed));
    let said = watch.step(&missed, facts(72 * MINUTE));
    assert!(said.is_empty(), "within the grace: {said:?}");
    let ok = ["a", "b"].map(|job| line(job, 74 * MINUTE, Outcome::Ok));
    let said = watch.step(&ok, facts(76 * MINUTE));
    let expected = [
        "[resolved] store: store did not reply, lasted 1 h",
        "[resolved] 2 jobs: missed, lasted 3 min",
    ];
    assert_eq!(said, expected);
    assert!(
        watch.step(&[], facts(77 * MINUTE)).is_empty(),
        "the outage is said once"
    );
}

#[test]
fn a_new_state_says_what_is_the_case_and_not_what_was() {
    let rules = rules(JobRules::new());
    let mut state = EngineState::new(100 * HOUR);
    let lines = vec![
        line("a", HOUR, Outcome::Failed),
        line("b", HOUR, Outcome::Failed),
        line("a", 2 * HOUR, Outcome::Ok),
    ];
    let facts = at(100 * HOUR);
    let said = state.step(&rules, Input { lines, facts }, Vec::new());
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].title(), "[firing] b: failed");
}

#[test]
fn a_rule_that_is_switched_off_and_a_job_that_is_gone_fire_no_more() {
    let mut watch = Watch::new(rules(JobRules::new()));
    let lines = ["a", "b"].map(|job| line(job, 0, Outcome::Failed));
    watch.lines(&lines, MINUTE);
    let gone = Facts {
        gone: vec!["a".to_owned()],
        ..at(2 * MINUTE)
    };
    watch.step(&[], gone);
    assert_eq!(watch.state.firing().count(), 1);
    watch.rules = rules(JobRules::new().failed(0));
    let said = watch.lines(&[], 3 * MINUTE);
    assert_eq!(said, ["[resolved] 2 jobs: failed, lasted 3 min"]);
}
