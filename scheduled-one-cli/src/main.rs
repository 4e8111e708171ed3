//! The command `scheduled-one`: looks at the jobs of a namespace and controls them, from a machine that runs none.
//!
//! It is a thin shell over `Control` of scheduled-one-control: what it can do, a program can do, too.

// What was asked for, and how it ends.
mod args;
mod exit;
mod failure;

// The way to the store, and questions to the operator.
mod config;
mod confirm;
mod session;

// What is shown: values as JSON has them, and texts for people.
mod output;
mod table;
mod text;
mod view;
mod watch;

mod commands;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Exit;
use crate::failure::{Failure, hint};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are errors of the parser, too; their exit status is 0.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let exit = match run(args) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                hint(&failure.message);
            }
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}

fn run(args: Args) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| Failure::new(Exit::Away, format!("the runtime cannot start: {error}")))?;
    let ended = runtime.block_on(commands::run(args));
    // A call to a disk that hangs does not keep the process.
    runtime.shutdown_background();
    ended
}
