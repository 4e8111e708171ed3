//! One thing that `test` does, and what came of it.

use std::process::Command;
use std::time::Duration;

use crate::command::shown;

/// Something to do; it passes, fails, or is left out.
pub(super) struct Task {
    /// How the report calls it.
    pub(super) name: String,
    /// How to do only this again.
    pub(super) repeat: String,
    pub(super) load: Load,
    pub(super) work: Work,
    /// Whether its output has `test result:` lines, each of which counts.
    pub(super) has_tests: bool,
}

/// What a task needs of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Load {
    /// Hardly anything: it waits for servers and instants. Many run at a time.
    Waits,
    /// A core. As many run at a time as there are cores.
    Computes,
    /// All cores, and the lock on the build folder. One runs at a time.
    Cargo,
}

impl Load {
    /// After how long a task is taken for stuck.
    pub(super) fn limit(self) -> Duration {
        match self {
            Load::Waits => Duration::from_secs(15 * 60),
            Load::Computes | Load::Cargo => Duration::from_secs(30 * 60),
        }
    }
}

pub(super) enum Work {
    Command(Command),
    /// A function of this process; its error says the way out.
    Check(fn() -> Result<Attempt, String>),
    /// Left out, for this reason.
    Skip(String),
}

/// What came of a check of which only it knows whether it can be made.
pub(super) enum Attempt {
    Passed,
    /// For this reason.
    Skipped(String),
}

/// What came of a task.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) repeat: String,
    pub(super) took: Duration,
    pub(super) state: State,
    /// Tests that passed and that failed.
    pub(super) passed: u64,
    pub(super) failed: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Task {
    /// Passes if this command succeeds.
    pub(super) fn command(name: &str, load: Load, command: Command) -> Self {
        Self {
            name: name.to_owned(),
            repeat: shown(&command),
            load,
            work: Work::Command(command),
            has_tests: false,
        }
    }

    /// A command that runs tests.
    pub(super) fn tests(name: &str, load: Load, command: Command) -> Self {
        Self {
            has_tests: true,
            ..Self::command(name, load, command)
        }
    }

    /// Passes, or is left out, as this function says.
    pub(super) fn check(name: &str, check: fn() -> Result<Attempt, String>) -> Self {
        Self {
            name: name.to_owned(),
            repeat: "cargo xtask test".to_owned(),
            load: Load::Waits,
            work: Work::Check(check),
            has_tests: false,
        }
    }

    /// Is left out, for this reason.
    pub(super) fn skip(name: &str, reason: &str) -> Self {
        Self {
            work: Work::Skip(reason.to_owned()),
            ..Self::check(name, || Ok(Attempt::Passed))
        }
    }

    /// The command, if it is one.
    pub(super) fn command_mut(&mut self) -> Option<&mut Command> {
        match &mut self.work {
            Work::Command(command) => Some(command),
            Work::Check(_) | Work::Skip(_) => None,
        }
    }

    /// As this, with what to type to do it again.
    pub(super) fn repeated_by(mut self, repeat: String) -> Self {
        self.repeat = repeat;
        self
    }
}
