//! A store's clock that goes back.

use super::*;

const YEAR: i64 = 365 * 24 * HOUR;

#[test]
fn alerts_go_on_after_a_clock_that_was_a_year_ahead() {
    let mut watch = Watch::new(rules(
        JobRules::new()
            .failed(1)
            .no_success(Duration::from_secs(2 * 3_600)),
    ));
    let facts = |now_ms| Facts {
        units: vec![unit("a")],
        ..at(now_ms)
    };
    let none: [String; 0] = [];
    assert_eq!(
        watch.step(&[line("a", HOUR, Outcome::Ok)], facts(HOUR)),
        none
    );
    // The clock is a year ahead: a run fails, and is said to fail; another one is ok.
    let ahead = YEAR + HOUR;
    let failed = line("a", ahead, Outcome::Failed);
    let said = watch.step(&[failed], facts(ahead + MINUTE));
    assert_eq!(said.last().map(String::as_str), Some("[firing] a: failed"));
    let ok = line("a", ahead + MINUTE, Outcome::Ok);
    watch.step(&[ok], facts(ahead + 2 * MINUTE));
    // It is set right. What fails is said within the usual half a minute, and the lack of success two hours after the
    // last one.
    let failed = line("a", 2 * HOUR, Outcome::Failed);
    assert_eq!(watch.step(&[failed], facts(2 * HOUR)), none);
    assert_eq!(watch.state.clock_ms(), 2 * HOUR);
    let said = watch.step(&[], facts(2 * HOUR + MINUTE));
    assert_eq!(said, ["[firing] a: failed"]);
    let said = watch.step(&[], facts(4 * HOUR + MINUTE));
    assert_eq!(said, ["[firing] a: no success for too long"]);
}

#[test]
fn an_incident_that_fired_ahead_is_over_under_its_own_name() {
    let mut watch = Watch::new(rules(JobRules::new().failed(1)));
    let ahead = YEAR + HOUR;
    let mut step = |lines: &[LedgerRecord], now_ms| {
        let (lines, facts) = (lines.to_vec(), at(now_ms));
        let input = Input { lines, facts };
        watch.state.step(&watch.rules, input, Vec::new())
    };
    let fired = step(&[line("a", ahead, Outcome::Failed)], ahead + MINUTE);
    let over = step(&[line("a", 2 * HOUR, Outcome::Ok)], 2 * HOUR);
    let names = |alerts: &[Alert]| -> Vec<String> {
        alerts.iter().map(|alert| alert.incident.clone()).collect()
    };
    assert_eq!(names(&over).len(), 1);
    assert_eq!(names(&fired), names(&over));
    assert_eq!(over[0].at_ms, 2 * HOUR);
}

#[test]
fn a_clock_that_goes_back_a_little_is_waited_for() {
    let mut watch = Watch::new(rules(JobRules::new().failed(1)));
    watch.lines(&[], HOUR);
    watch.lines(&[], HOUR - MINUTE);
    assert_eq!(watch.state.clock_ms(), HOUR);
}
