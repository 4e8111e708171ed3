//! However a history is cut into evaluations, and wherever one of them is lost, the same is said.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const JOBS: [&str; 3] = ["a", "b", "c"];

/// One thing that happens, some time after the one before.
#[derive(Clone, Debug)]
struct Happens {
    after_ms: i64,
    job: usize,
    outcome: Outcome,
    retried: bool,
}

fn happens() -> impl Strategy<Value = Happens> {
    let outcomes = prop_oneof![
        3 => Just(Outcome::Ok),
        3 => Just(Outcome::Failed),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Missed),
        1 => Just(Outcome::Skipped),
    ];
    let waits = prop_oneof![4 => 0..20_000_i64, 2 => 20_000..600_000_i64, 1 => 0..10 * HOUR];
    (waits, 0..JOBS.len(), outcomes, prop::bool::weighted(0.1)).prop_map(
        |(after_ms, job, outcome, retried)| Happens {
            after_ms,
            job,
            outcome,
            retried,
        },
    )
}

fn history(happens: &[Happens]) -> Vec<LedgerRecord> {
    let mut now_ms = 1_000;
    let lines = happens.iter().map(|it| {
        now_ms += it.after_ms;
        LedgerRecord {
            retried: it.retried,
            ..line(JOBS[it.job], now_ms, it.outcome)
        }
    });
    lines.collect()
}

fn watched() -> Rules {
    let hour = Duration::from_secs(3600);
    Rules::new("shop")
        .all_jobs(JobRules::new().failed(2).recover(2).no_success(hour))
        .job(
            "c",
            JobRules::new().failed(1).missed(2).no_success(2 * hour),
        )
}

/// Messages by id. One id is one message.
type Said = BTreeMap<String, Alert>;

fn say(said: &mut Said, alerts: Vec<Alert>) {
    for alert in alerts {
        let before = said.insert(alert.id.clone(), alert.clone());
        assert!(
            before.is_none_or(|before| before == alert),
            "two messages with one id"
        );
    }
}

/// What is said of a history that is evaluated at the instants of its cuts: each is the number of lines that are there,
/// and a time before the next one. After a step that crashes, the state of before is used again.
fn evaluate(
    lines: &[LedgerRecord],
    cuts: &[(usize, f64)],
    crashes: &[bool],
) -> (Said, Vec<String>) {
    let rules = watched();
    let mut state = EngineState::new(0);
    let (mut said, mut order) = (Said::new(), Vec::new());
    let mut from = 0;
    let end_ms = lines.last().map_or(0, |line| line.ended_at_ms) + 5 * HOUR;
    for (number, (to, part)) in cuts.iter().chain([&(lines.len(), 1.0)]).enumerate() {
        let begins_ms = lines[..*to].last().map_or(0, |line| line.ended_at_ms);
        let ends_ms = lines.get(*to).map_or(end_ms, |line| line.ended_at_ms);
        let at_ms = begins_ms + ((ends_ms - begins_ms) as f64 * part) as i64;
        let facts = Facts {
            units: JOBS.map(unit).into(),
            ..at(at_ms)
        };
        let input = Input {
            lines: lines[from..*to].to_vec(),
            facts,
        };
        // What crashes is not kept, and was not delivered.
        let mut next: EngineState =
            serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        let alerts = next.step(&rules, input, Vec::new());
        if crashes.get(number) == Some(&true) && *to < lines.len() {
            continue;
        }
        order.extend(alerts.iter().map(|alert| alert.id.clone()));
        say(&mut said, alerts);
        state = next;
        from = *to;
    }
    (said, order)
}

/// Repetitions are left out of what is compared: after a pause of the evaluation only the newest is said.
fn but_repetitions(said: &Said) -> Said {
    let kept = said
        .iter()
        .filter(|(_, alert)| alert.repeat == 0 || alert.status == Status::Resolved);
    kept.map(|(id, alert)| {
        let mut alert = alert.clone();
        alert.repeat = 0;
        (id.clone(), alert)
    })
    .collect()
}

fn cuts(lines: usize, seeds: &[(u16, f64)]) -> Vec<(usize, f64)> {
    let mut cuts: Vec<(usize, f64)> = seeds
        .iter()
        .map(|(seed, part)| (*seed as usize % (lines + 1), *part))
        .collect();
    cuts.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_cut_and_any_crash_says_the_same(
        happens in vec(happens(), 0..60),
        seeds in vec((any::<u16>(), 0.0..1.0_f64), 0..20),
        crashes in vec(any::<bool>(), 21),
    ) {
        let lines = history(&happens);
        let (once, _) = evaluate(&lines, &[], &[]);
        let cuts = cuts(lines.len(), &seeds);
        let (often, order) = evaluate(&lines, &cuts, &[]);
        prop_assert_eq!(but_repetitions(&once), but_repetitions(&often));
        let mut distinct = order.clone();
        distinct.sort();
        distinct.dedup();
        prop_assert_eq!(order.len(), distinct.len(), "something was said twice");
        let (with_crashes, _) = evaluate(&lines, &cuts, &crashes);
        prop_assert_eq!(but_repetitions(&once), but_repetitions(&with_crashes));
    }

    #[test]
    fn each_incident_begins_and_ends_once(happens in vec(happens(), 0..80)) {
        let lines = history(&happens);
        let cuts: Vec<(usize, f64)> = (0..lines.len()).map(|to| (to, 0.5)).collect();
        let (said, order) = evaluate(&lines, &cuts, &[]);
        let mut open: BTreeMap<&str, bool> = BTreeMap::new();
        for id in &order {
            let alert = &said[id];
            let over = open.insert(&alert.incident, alert.status == Status::Resolved);
            prop_assert_ne!(over, Some(true), "said after it was over");
            let expected = alert.status == Status::Resolved || over.is_some() || alert.repeat == 0;
            prop_assert!(expected, "repeated before it was said");
        }
    }
}
