//! The verb `test`: everything CI does.
//!
//! One build of everything; then a pool that runs test binaries, examples and other cargo commands
//! side by side; then a report of what took how long, and of what failed.

mod browser;
mod build;
mod features;
mod pool;
mod postgres_servers;
mod promtool;
mod report;
mod servers;
mod steps;
mod suites;
mod task;

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Instant;

use crate::command::target_dir;
use crate::tools;
use task::{Outcome, State, Task};

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// Everything.
    Full,
    /// What takes two minutes when it is built.
    Quick,
}

pub(crate) fn test(scope: Scope) -> Result<(), String> {
    let started = Instant::now();
    let verb = match scope {
        Scope::Full => "test",
        Scope::Quick => "test --quick",
    };
    let redis_server = tools::ensure(&[
        tools::REDIS_SERVER,
        tools::FAKETIME,
        tools::POSTGRES,
        tools::PGBOUNCER,
    ])?;
    steps::components()?;
    let logs = target_dir().join("xtask/logs");
    let mut outcomes = pool::run_in_order(steps::before_build(scope), &logs)?;
    let (built, programs) = build(&logs);
    outcomes.push(built);
    if let Some(programs) = programs {
        let tasks = steps::in_pool(scope, &programs)?;
        outcomes.extend(run_pool(tasks, redis_server.as_ref(), &logs)?);
    }
    conclude(verb, &outcomes, started)
}

/// The suites that need a Redis, on this server.
pub(crate) fn test_on(redis_server: &str) -> Result<(), String> {
    let started = Instant::now();
    let path = Path::new(redis_server);
    let path = path.canonicalize().ok().filter(|path| path.is_file());
    let path = path.ok_or(format!(
        "--redis {redis_server}: there is no such file; give the path of a redis-server or valkey-server"
    ))?;
    let logs = target_dir().join("xtask/logs");
    let (built, programs) = build(&logs);
    let mut outcomes = vec![built];
    if let Some(programs) = programs {
        let server = (tools::REDIS_VARIABLE, path);
        outcomes.extend(run_pool(steps::on_redis(&programs), Some(&server), &logs)?);
    }
    conclude("test --redis", &outcomes, started)
}

/// Runs the steps with this server, but those that have another one.
fn run_pool(
    mut tasks: Vec<Task>,
    redis_server: Option<&(&'static str, PathBuf)>,
    logs: &Path,
) -> Result<Vec<Outcome>, String> {
    if let Some((variable, path)) = redis_server {
        for command in tasks.iter_mut().filter_map(Task::command_mut) {
            if command.get_envs().all(|(name, _)| name != *variable) {
                command.env(variable, path);
            }
        }
    }
    println!("\n{} steps, output in {}", tasks.len(), logs.display());
    let cores = available_parallelism().map_or(1, usize::from);
    pool::run(tasks, cores, logs)
}

fn conclude(verb: &str, outcomes: &[Outcome], started: Instant) -> Result<(), String> {
    let report = report::report(verb, outcomes, started.elapsed());
    println!("{}", report.trim_end());
    match report::failed(outcomes) {
        0 => Ok(()),
        failed => Err(format!(
            "{verb}: failed steps: {failed}; they are above, with how to repeat each"
        )),
    }
}

/// The build as a step among others, and what it built.
fn build(logs: &Path) -> (Outcome, Option<Vec<build::Program>>) {
    let started = Instant::now();
    let (state, programs) = match build::build(logs) {
        Ok(programs) => (State::Passed, Some(programs)),
        Err(error) => (State::Failed(error), None),
    };
    let outcome = Outcome {
        name: "build".to_owned(),
        repeat: "cargo build --workspace --lib --bins --tests --examples".to_owned(),
        took: started.elapsed(),
        state,
        passed: 0,
        failed: 0,
    };
    (outcome, programs)
}
