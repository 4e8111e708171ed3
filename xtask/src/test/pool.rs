//! Does tasks side by side: what computes shares the cores, what waits does not wait for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::report::{count_tests, seconds};
use super::task::{Attempt, Load, Outcome, State, Task, Work};
use crate::process::{Output, run_bounded};

/// How many tasks that wait run at a time, for each core.
const WAITING_PER_CORE: usize = 3;

/// What computes is nice: a test that waits for an instant gets a core when that has come.
const NICENESS: &str = "5";

/// Does all tasks, in the order of their list for each kind of load, and keeps their output in `logs`.
/// A failure stops no other task.
pub(super) fn run(tasks: Vec<Task>, cores: usize, logs: &Path) -> Result<Vec<Outcome>, String> {
    fs::create_dir_all(logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let outcomes = Mutex::new(Vec::new());
    let lanes = [
        (Load::Cargo, 1),
        (Load::Computes, cores),
        (Load::Waits, cores * WAITING_PER_CORE),
    ];
    let (mut queues, mut rest) = (Vec::new(), tasks);
    for (load, width) in lanes {
        let (mut of_load, others): (Vec<Task>, Vec<Task>) =
            rest.into_iter().partition(|task| task.load == load);
        of_load.reverse();
        queues.push((Mutex::new(of_load), width));
        rest = others;
    }
    thread::scope(|scope| {
        for (queue, width) in &queues {
            for _ in 0..*width {
                scope.spawn(|| work(queue, &outcomes, logs));
            }
        }
    });
    Ok(outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

/// One of those that do the tasks of a queue.
fn work(queue: &Mutex<Vec<Task>>, outcomes: &Mutex<Vec<Outcome>>, logs: &Path) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    while let Some(task) = next() {
        let log = logs.join(log_name(&task.name));
        let outcome = run_one(task, &log);
        // The lock keeps what is shown of one task together.
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        show(&outcome, &log);
        outcomes.push(outcome);
    }
}

/// Does one task; its output goes into this file.
pub(super) fn run_one(task: Task, log: &Path) -> Outcome {
    let started = Instant::now();
    let state = match task.work {
        Work::Skip(reason) => State::Skipped(reason),
        Work::Check(check) => match check() {
            Ok(Attempt::Passed) => State::Passed,
            Ok(Attempt::Skipped(reason)) => State::Skipped(reason),
            Err(error) => State::Failed(error),
        },
        Work::Command(command) => match run_command(command, task.load, log) {
            Ok(()) => State::Passed,
            Err(error) => State::Failed(error),
        },
    };
    let (mut passed, mut failed) = (0, 0);
    if task.has_tests {
        let output = fs::read(log).unwrap_or_default();
        (passed, failed) = count_tests(&String::from_utf8_lossy(&output));
        // A test binary that died says nothing about its tests.
        if matches!(state, State::Failed(_)) && failed == 0 {
            failed = 1;
        }
    }
    Outcome {
        name: task.name,
        repeat: task.repeat,
        took: started.elapsed(),
        state,
        passed,
        failed,
    }
}

fn run_command(command: Command, load: Load, log: &Path) -> Result<(), String> {
    let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let command = match load {
        Load::Waits => command,
        Load::Computes | Load::Cargo => nice(&command),
    };
    run_bounded(command, load.limit(), Output::Into(file))
}

/// The same command with a lower priority.
fn nice(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", NICENESS]).arg(command.get_program());
    nice.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        nice.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    nice
}

/// One line, and all output of a failure.
fn show(outcome: &Outcome, log: &Path) {
    let Outcome {
        name, took, passed, ..
    } = outcome;
    let took = seconds(*took);
    match &outcome.state {
        State::Passed if *passed > 0 => println!("ok       {took:>8}  {name}, {passed} tests"),
        State::Passed => println!("ok       {took:>8}  {name}"),
        State::Skipped(reason) => println!("skipped            {name}: {reason}"),
        State::Failed(error) => {
            let output = fs::read(log).unwrap_or_default();
            println!(
                "FAILED   {took:>8}  {name}: {error}\n{}\n(end of {name}; to repeat it: {})",
                String::from_utf8_lossy(&output).trim_end(),
                outcome.repeat
            );
        }
    }
}

fn log_name(task: &str) -> PathBuf {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    PathBuf::from(format!(
        "{}.log",
        task.chars().map(plain).collect::<String>()
    ))
}

/// As a list of outcomes, for steps that run before the pool.
pub(super) fn run_in_order(tasks: Vec<Task>, logs: &Path) -> Result<Vec<Outcome>, String> {
    fs::create_dir_all(logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let one = |task: Task| {
        let log = logs.join(log_name(&task.name));
        let outcome = run_one(task, &log);
        show(&outcome, &log);
        outcome
    };
    Ok(tasks.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, load: Load, script: &str) -> Task {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Task::tests(name, load, command)
    }

    fn outcome<'a>(outcomes: &'a [Outcome], name: &str) -> &'a Outcome {
        outcomes
            .iter()
            .find(|outcome| outcome.name == name)
            .unwrap()
    }

    #[test]
    fn a_failure_stops_nothing_and_its_tests_count() {
        let logs = tempfile::tempdir().unwrap();
        let result = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'";
        let tasks = vec![
            shell("one", Load::Computes, "exit 1"),
            shell("two", Load::Computes, result),
            shell("three", Load::Cargo, result),
            Task::check("four", || Err("broken".to_owned())),
            Task::skip("five", "no reason"),
        ];
        let outcomes = run(tasks, 1, logs.path()).unwrap();
        assert_eq!(outcomes.len(), 5);
        let one = outcome(&outcomes, "one");
        assert_eq!((one.passed, one.failed), (0, 1), "it died without a result");
        assert_eq!(outcome(&outcomes, "two").passed, 3);
        assert_eq!(outcome(&outcomes, "three").state, State::Passed);
        assert_eq!(
            outcome(&outcomes, "four").state,
            State::Failed("broken".to_owned())
        );
        assert_eq!(
            outcome(&outcomes, "five").state,
            State::Skipped("no reason".to_owned())
        );
    }

    #[test]
    fn what_waits_runs_beside_what_computes() {
        let logs = tempfile::tempdir().unwrap();
        let pipe = logs.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        // Each side of a pipe waits for the other one to open it.
        let tasks = vec![
            shell(
                "computes",
                Load::Computes,
                &format!("read x < {}", pipe.display()),
            ),
            shell(
                "waits",
                Load::Waits,
                &format!("echo x > {}", pipe.display()),
            ),
        ];
        let outcomes = run(tasks, 1, logs.path()).unwrap();
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.state == State::Passed)
        );
    }

    #[test]
    fn a_nice_command_is_the_same_otherwise() {
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("log");
        let mut command = Command::new("sh");
        command
            .args(["-c", "nice; echo $GIVEN; pwd"])
            .env("GIVEN", "a b")
            .current_dir("/");
        run_command(command, Load::Computes, &log).unwrap();
        let own = Command::new("nice").output().unwrap().stdout;
        let own: i32 = String::from_utf8_lossy(&own).trim().parse().unwrap();
        let nice = (own + NICENESS.parse::<i32>().unwrap()).min(19);
        let expected = format!("{nice}\na b\n/\n");
        assert_eq!(fs::read_to_string(&log).unwrap(), expected);
    }
}
