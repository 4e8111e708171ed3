//! Why the command did not do what it was asked for.

use std::io::{self, Write};

use scheduled_one_control::{Error, ErrorKind};

use crate::exit::Exit;
use crate::text;

/// Why the command ends early: a message for people, and the exit status. An empty message is not shown.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure {
            exit,
            message: message.into(),
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Usage => Exit::Usage,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Conflict => Exit::Conflict,
            ErrorKind::Refused => Exit::Refused,
            ErrorKind::NotFinished => Exit::TimedOut,
            _ => Exit::Away,
        };
        let message = match &error {
            Error::UnknownJob { job, nearest } if nearest.is_empty() => {
                format!("there is no job `{job}`; `scheduled-one jobs` lists those there are")
            }
            Error::Argument { argument, message } => {
                let option = match *argument {
                    "connect" => "url",
                    "params" => "param",
                    "on_busy" => "overlap",
                    "range" => "from",
                    other => other,
                };
                format!("--{option}: {message}")
            }
            _ => error.to_string(),
        };
        Failure::new(exit, message)
    }
}

impl From<io::Error> for Failure {
    /// Of an error of the standard output. A reader that has seen enough, as `head`, is none.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(Exit::Done, ""),
            _ => Failure::new(
                Exit::Negative,
                format!("the output cannot be written: {error}"),
            ),
        }
    }
}

/// Says something to people, on the standard error output.
pub(crate) fn hint(message: &str) {
    let text: Vec<String> = message.lines().map(text::escape).collect();
    let _ = writeln!(io::stderr(), "scheduled-one: {}", text.join("\n"));
}
