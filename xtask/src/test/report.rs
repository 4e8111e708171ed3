//! What `test` says at its end.

use std::time::Duration;

use super::task::{Outcome, State};

/// What took longer than all others, and by how much, is worth a line; the rest is summed up.
const SHOWN: Duration = Duration::from_millis(500);

/// The table of times, what failed and what was left out, and the counts alone on the last line.
pub(super) fn report(verb: &str, outcomes: &[Outcome], took: Duration) -> String {
    let mut text = format!("\n{}", times(outcomes));
    for Outcome { name, state, .. } in outcomes {
        if let State::Skipped(reason) = state {
            text += &format!("skipped: {name}: {reason}\n");
        }
    }
    for Outcome {
        name,
        state,
        repeat,
        ..
    } in outcomes
    {
        if let State::Failed(error) = state {
            let line = error.trim().lines().next().unwrap_or_default();
            text += &format!("FAILED: {name}: {line}\n  to repeat it: {repeat}\n");
        }
    }
    let failed = failed(outcomes);
    let count = outcomes.len();
    let took = minutes(took);
    text += &match failed {
        0 => format!("xtask {verb}: {count} steps passed or were skipped, in {took}\n"),
        failed => format!("xtask {verb}: failed steps: {failed} of {count}, in {took}\n"),
    };
    let tests = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    text += &format!(
        "{} passed, {} failed\n",
        tests(|outcome| outcome.passed),
        tests(|outcome| outcome.failed)
    );
    text
}

/// How many failed.
pub(super) fn failed(outcomes: &[Outcome]) -> usize {
    let failed = outcomes
        .iter()
        .filter(|outcome| matches!(outcome.state, State::Failed(_)));
    failed.count()
}

/// What took how long, the longest first.
fn times(outcomes: &[Outcome]) -> String {
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| std::cmp::Reverse(outcome.took));
    let (long, short): (Vec<&Outcome>, Vec<&Outcome>) = sorted
        .into_iter()
        .partition(|outcome| outcome.took >= SHOWN);
    let mut text = String::new();
    for outcome in long {
        text += &format!("{:>9}  {}\n", seconds(outcome.took), outcome.name);
    }
    if !short.is_empty() {
        text += &format!("{:>9}  {} others, each\n", "< 0.5 s", short.len());
    }
    text
}

/// Passed and failed tests of all `test result:` lines.
pub(super) fn count_tests(output: &str) -> (u64, u64) {
    let mut counts = (0, 0);
    for line in output.lines() {
        let Some((_, result)) = line.split_once("test result: ") else {
            continue;
        };
        counts.0 += before(result, " passed");
        counts.1 += before(result, " failed");
    }
    counts
}

/// The number that stands before a word.
fn before(text: &str, word: &str) -> u64 {
    let head = text.split(word).next().unwrap_or_default();
    let number = head.rsplit(' ').next().unwrap_or_default();
    number.parse().unwrap_or(0)
}

pub(super) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn minutes(took: Duration) -> String {
    format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, millis: u64, state: State, tests: (u64, u64)) -> Outcome {
        Outcome {
            name: name.to_owned(),
            repeat: format!("again {name}"),
            took: Duration::from_millis(millis),
            state,
            passed: tests.0,
            failed: tests.1,
        }
    }

    #[test]
    fn the_last_line_has_the_counts_alone() {
        let outcomes = [
            outcome("short", 20, State::Passed, (2, 0)),
            outcome("one", 1_000, State::Passed, (10, 0)),
            outcome(
                "two",
                61_000,
                State::Failed("\nnot so\nat all".to_owned()),
                (3, 4),
            ),
            outcome(
                "three",
                0,
                State::Skipped("it is missing".to_owned()),
                (0, 0),
            ),
        ];
        assert_eq!(
            report("test", &outcomes, Duration::from_secs(62)),
            "\n   61.0 s  two\n    1.0 s  one\n  < 0.5 s  2 others, each\n\
             skipped: three: it is missing\n\
             FAILED: two: not so\n  to repeat it: again two\n\
             xtask test: failed steps: 1 of 4, in 1 min 02 s\n\
             15 passed, 4 failed\n"
        );
        let passed = report("test", &outcomes[..2], Duration::from_secs(2));
        assert!(
            passed
                .ends_with("2 steps passed or were skipped, in 0 min 02 s\n12 passed, 0 failed\n")
        );
    }

    #[test]
    fn counts_every_result() {
        let output = "running 3 tests\n\
                      test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
                      test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured\n12 passed\n";
        assert_eq!(count_tests(output), (13, 2));
        assert_eq!(count_tests("nothing passed"), (0, 0));
    }
}
