//! A question before more than one job is changed.

use std::io::{self, IsTerminal, Write};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::text;

/// Asks on the terminal.
///
/// # Errors
///
/// The answer is no, or there is no terminal to ask on.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{question} The standard input is no terminal to ask on: say --yes"
        )));
    }
    let mut answer = String::new();
    write!(io::stderr(), "{} [y/N] ", text::escape(question))?;
    io::stdin().read_line(&mut answer)?;
    match matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        true => Ok(()),
        false => Err(Failure::new(Exit::Negative, "nothing was changed")),
    }
}
