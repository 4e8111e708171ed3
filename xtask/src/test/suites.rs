//! What the suites need of the machine, and about how long they take.

use super::Scope;
use super::build::Program;
use super::task::{Load, Task};

/// A suite that computes, or takes long. All others wait, and take seconds.
struct Suite {
    /// As [`Program::name`] has it.
    name: &'static str,
    load: Load,
    /// On two cores that have nothing else to do. Only the order of begin follows from it, and what
    /// `--quick` leaves out.
    seconds: u32,
}

/// The longest first.
const SUITES: &[Suite] = &[
    suite("ui-tests fail", Load::Computes, 120),
    suite("model-tests promises", Load::Computes, 110),
    suite("cluster-tests bin chaos --short", Load::Waits, 110),
    suite("browser-tests console", Load::Computes, 100),
    suite("scheduled-one-runtime simulation", Load::Computes, 70),
    suite("scheduled-one-postgres contract", Load::Computes, 110),
    suite("scheduled-one-postgres server", Load::Waits, 70),
    suite("cluster-tests faults", Load::Waits, 60),
    suite(
        "scheduled-one-benches bin scheduled-one-benches --smoke",
        Load::Computes,
        60,
    ),
    suite("model-tests preferences", Load::Computes, 50),
    suite("model-tests lanes", Load::Computes, 45),
    suite("scheduled-one-runtime redis_agreement", Load::Computes, 45),
    suite("cluster-tests policies", Load::Waits, 45),
    suite("cluster-tests postgres", Load::Waits, 40),
    suite("scheduled-one-runtime redis_untrusted", Load::Waits, 40),
    suite("scheduled-one-runtime metrics", Load::Waits, 40),
    suite("scheduled-one-console console", Load::Waits, 40),
    suite("scheduled-one-cli cli", Load::Waits, 40),
    suite("cluster-tests service", Load::Waits, 150),
    suite("cluster-tests alerts", Load::Waits, 33),
    suite("model-tests pauses", Load::Computes, 30),
    suite("scheduled-one-runtime downtime", Load::Computes, 26),
    suite("scheduled-one-runtime redis_quarantine", Load::Waits, 24),
    suite("scheduled-one-runtime redis_sentinel", Load::Waits, 22),
    suite("scheduled-one-runtime redis_refused", Load::Waits, 20),
    suite("scheduled-one-alerts mail", Load::Waits, 20),
    suite("scheduled-one-runtime buckets", Load::Waits, 18),
    suite("scheduled-one-runtime redis_cluster", Load::Waits, 17),
    suite("test-support sentinel", Load::Waits, 17),
    suite(
        "scheduled-one-schedule restriction_properties",
        Load::Computes,
        16,
    ),
    suite("test-support postgres", Load::Waits, 16),
    suite("cluster-tests sqlite", Load::Waits, 16),
    suite("scheduled-one-schedule ways_out", Load::Computes, 14),
    suite("scheduled-one-runtime redis_control", Load::Waits, 14),
    suite("scheduled-one-sqlite contract", Load::Computes, 70),
    suite("scheduled-one-schedule oracle", Load::Computes, 12),
    suite("scheduled-one-testkit contract", Load::Computes, 10),
    suite("scheduled-one-runtime scheduler", Load::Waits, 10),
    suite("scheduled-one-runtime redis_replicas", Load::Waits, 9),
    suite("scheduled-one-runtime policies", Load::Waits, 9),
    suite("test-support redis_cluster", Load::Waits, 9),
    suite(
        "scheduled-one-schedule restriction_errors",
        Load::Computes,
        8,
    ),
    suite("fuzz-tests corpus", Load::Computes, 4),
    suite("model-tests guards", Load::Computes, 3),
    suite("scheduled-one-schedule properties", Load::Computes, 2),
    suite("scheduled-one-schedule lib", Load::Computes, 2),
    suite("model-tests linearizable", Load::Computes, 2),
];

const fn suite(name: &'static str, load: Load, seconds: u32) -> Suite {
    Suite {
        name,
        load,
        seconds,
    }
}

/// What takes longer is not quick.
const QUICK_SECONDS: u32 = 20;

/// The row of a step. A suite on another server, `… on Redis 6.2.14`, has that of the suite.
fn find(name: &str) -> Option<&'static Suite> {
    let (name, _) = name.split_once(" on ").unwrap_or((name, ""));
    SUITES.iter().find(|suite| suite.name == name)
}

pub(super) fn load_of(name: &str) -> Load {
    find(name).map_or(Load::Waits, |suite| suite.load)
}

/// Whether the tests of a program are a part of this.
pub(super) fn runs_in(scope: Scope, program: &Program) -> bool {
    let is_quick = || find(&program.name()).is_none_or(|suite| suite.seconds <= QUICK_SECONDS);
    scope == Scope::Full || is_quick()
}

/// What takes longest begins first, so that it does not run alone at the end.
pub(super) fn order(tasks: &mut [Task]) {
    tasks.sort_by_key(|task| std::cmp::Reverse(find(&task.name).map_or(0, |suite| suite.seconds)));
}

/// A row that no step has the name of holds for nothing.
pub(super) fn check_table(tasks: &[Task]) -> Result<(), String> {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    let unknown = unknown(&names);
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "no step has these names of `xtask/src/test/suites.rs`; correct or remove their rows: {}",
            unknown.join(", ")
        )),
    }
}

fn unknown(names: &[&str]) -> Vec<&'static str> {
    let suites = SUITES.iter().map(|suite| suite.name);
    suites.filter(|name| !names.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn long_suites_begin_first_and_rows_without_a_step_are_found() {
        let task = |name: &str| Task::command(name, load_of(name), Command::new("true"));
        let mut tasks: Vec<Task> = ["other", SUITES[1].name, SUITES[0].name].map(task).into();
        order(&mut tasks);
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, [SUITES[0].name, SUITES[1].name, "other"]);
        assert_eq!(load_of("other"), Load::Waits);

        let error = check_table(&tasks).unwrap_err();
        assert!(
            error.ends_with(&format!(", {}", SUITES[SUITES.len() - 1].name)),
            "{error}"
        );
        assert_eq!(unknown(&names).len(), SUITES.len() - 2);
    }
}
