//! A sequence of named steps that stops at the first failure.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{run, shown};

/// One thing to check.
pub(crate) struct Step {
    title: String,
    action: Action,
}

enum Action {
    Command(Command),
    Check(fn() -> Result<(), String>),
    Attempt(fn() -> Result<Attempt, String>),
    Skip(String),
}

/// What came of a step of which only its action knows whether it can be made.
pub(crate) enum Attempt {
    Passed,
    /// For this reason.
    Skipped(String),
}

impl Step {
    /// Passes if this command succeeds.
    pub(crate) fn command(command: Command) -> Self {
        Self {
            title: shown(&command),
            action: Action::Command(command),
        }
    }

    /// Passes if this function does; its error should say the way out.
    pub(crate) fn check(title: &str, check: fn() -> Result<(), String>) -> Self {
        Self {
            title: title.to_owned(),
            action: Action::Check(check),
        }
    }

    /// Passes, or is left out, as this function says.
    pub(crate) fn attempt(title: &str, attempt: fn() -> Result<Attempt, String>) -> Self {
        Self {
            title: title.to_owned(),
            action: Action::Attempt(attempt),
        }
    }

    /// Is left out, for this reason.
    pub(crate) fn skip(title: &str, reason: &str) -> Self {
        Self {
            title: title.to_owned(),
            action: Action::Skip(reason.to_owned()),
        }
    }
}

/// Runs the steps in their order and announces each; the last line sums up.
pub(crate) fn run_all(verb: &str, started: Instant, steps: Vec<Step>) -> Result<(), String> {
    let count = steps.len();
    let mut skipped = Vec::new();
    for (number, Step { title, action }) in (1..).zip(steps) {
        println!("\n[{number}/{count}] {title}");
        let result = match action {
            Action::Command(command) => run(command).map(|()| Attempt::Passed),
            Action::Check(check) => check().map(|()| Attempt::Passed),
            Action::Attempt(attempt) => attempt(),
            Action::Skip(reason) => Ok(Attempt::Skipped(reason)),
        };
        let attempt = result.map_err(|error| {
            format!(
                "{verb}: step {number} of {count} after {}: {title}: {error}",
                elapsed(started)
            )
        })?;
        if let Attempt::Skipped(reason) = attempt {
            println!("skipped: {reason}");
            skipped.push(title);
        }
    }
    println!("\n{}", summary(verb, count, &skipped, started.elapsed()));
    Ok(())
}

fn summary(verb: &str, count: usize, skipped: &[String], took: Duration) -> String {
    let passed = count - skipped.len();
    let skipped = match skipped {
        [] => String::new(),
        some => format!(", {} skipped ({})", some.len(), some.join(", ")),
    };
    format!(
        "xtask {verb}: {passed} of {count} steps passed{skipped}, in {}",
        minutes(took)
    )
}

fn elapsed(started: Instant) -> String {
    minutes(started.elapsed())
}

fn minutes(took: Duration) -> String {
    format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up() {
        assert_eq!(
            summary("test", 9, &[], Duration::from_millis(125_900)),
            "xtask test: 9 of 9 steps passed, in 2 min 05 s"
        );
        assert_eq!(
            summary(
                "test",
                9,
                &["cargo deny".to_owned()],
                Duration::from_secs(3)
            ),
            "xtask test: 8 of 9 steps passed, 1 skipped (cargo deny), in 0 min 03 s"
        );
    }

    #[test]
    fn stops_at_the_first_failure() {
        let steps = vec![
            Step::skip("one", "no reason"),
            Step::check("two", || Err("broken".to_owned())),
            Step::check("three", || panic!("ran after a failure")),
        ];
        let error = run_all("test", Instant::now(), steps).unwrap_err();
        assert_eq!(error, "test: step 2 of 3 after 0 min 00 s: two: broken");
    }
}
