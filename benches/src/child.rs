//! Child processes: this program, started again for one measurement.
//!
//! The arguments of a child name the measurement and its task. The output of a child is a line `name value` for each
//! number that it found.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::task::{Found, Task};

/// First argument of a child.
pub(crate) const FLAG: &str = "--child";
/// The line that a child prints when a window opens that the parent watches.
const READY: &str = "ready";

/// In a child process: signals to the parent that the window opens.
pub(crate) fn signal_ready() {
    println!("{READY}");
}

/// Starts a child, waits for its end, and returns the numbers that it found.
pub(crate) fn run(name: &str, task: &Task) -> Result<Found> {
    run_watched(name, task, || Ok(())).map(|(found, ())| found)
}

/// Starts a child process, and does not wait for its end: several run at the same time.
pub(crate) fn start(name: &str, task: &Task) -> Result<Child> {
    let program = std::env::current_exe().context("where is this program?")?;
    Command::new(program)
        .args([FLAG, name])
        .args(task.to_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start the child `{name}`"))
}

/// Waits for the end of a child, and returns the numbers that it found.
pub(crate) fn found(name: &str, child: Child) -> Result<Found> {
    watch_child(name, child, || Ok(())).map(|(found, ())| found)
}

/// Runs a child as [`run`] does, and calls `watch` when the window of the child opens, or after the end of a child that
/// opens none.
pub(crate) fn run_watched<T>(
    name: &str,
    task: &Task,
    watch: impl FnOnce() -> Result<T>,
) -> Result<(Found, T)> {
    watch_child(name, start(name, task)?, watch)
}

fn watch_child<T>(
    name: &str,
    mut child: Child,
    watch: impl FnOnce() -> Result<T>,
) -> Result<(Found, T)> {
    let output = child.stdout.take().context("the child has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut found = Found::default();
    let mut watch = Some(watch);
    let mut watched = None;
    while let Some(line) = lines.next().transpose()? {
        match line.split_once(' ') {
            Some((name, value)) => found.set(name, value.parse()?),
            None if line == READY => watched = watch.take().map(|watch| watch()),
            None => bail!("the child `{name}` said {line:?}"),
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "the child `{name}` failed ({status})");
    let watched = watched.or_else(|| watch.take().map(|watch| watch()));
    Ok((found, watched.context("watched twice")??))
}
