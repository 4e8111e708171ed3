//! Statements that are run with `psql`.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program with statements for the server of a URL.
pub(crate) fn command(binaries: &Path, url: &str, statements: &str) -> Command {
    let mut psql = Command::new(binaries.join("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1", "--command", statements, url])
        .env("PGCONNECT_TIMEOUT", "5")
        .stdin(Stdio::null());
    psql
}

/// Runs it to its end; returns the rows, without headers.
pub(crate) fn run(binaries: &Path, url: &str, statements: &str) -> io::Result<String> {
    let output = command(binaries, url, statements).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => {
            let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(io::Error::other(format!("{statements}: {text}")))
        }
    }
}
