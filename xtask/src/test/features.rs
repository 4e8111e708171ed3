//! The features that users choose.

use std::process::Command;

use super::task::Attempt;
use crate::command::cargo;

const RUNTIME: &str = "scheduled-one-runtime";

/// The tests of the runtime that need no Redis.
const ON_MEMORY: [&str; 3] = ["scheduler", "policies", "simulation"];

/// What a user does not compile who does not want Redis.
const CLIENT: [&str; 5] = [
    "scheduled-one-redis",
    "redis",
    "deadpool-redis",
    "rustls",
    "ring",
];

/// Builds the runtime without features, and runs the tests that need none.
pub(super) fn without_features() -> Command {
    let mut command = cargo(["test", "-p", RUNTIME, "--no-default-features", "--lib"]);
    for test in ON_MEMORY {
        command.args(["--test", test]);
    }
    // The histories are those that run with all features; some show that they run without.
    command.env("SIMULATION_SEEDS", "20");
    command
}

/// Fails if the runtime without features depends on a client.
pub(super) fn no_client() -> Result<Attempt, String> {
    let mut tree = cargo(["tree", "-p", RUNTIME, "--no-default-features"]);
    tree.args([
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = tree
        .output()
        .map_err(|error| format!("cargo tree: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = client_in(&text)?;
    match found.is_empty() {
        true => Ok(Attempt::Passed),
        false => Err(format!(
            "without its default features {RUNTIME} still depends on {}; make that part of its feature `redis`",
            found.join(", ")
        )),
    }
}

/// Which packages of a client are in a tree; each line of it begins with a name.
fn client_in(tree: &str) -> Result<Vec<&'static str>, String> {
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    if !names.contains(&RUNTIME) {
        return Err(format!("cargo tree: {RUNTIME} is not in it:\n{tree}"));
    }
    Ok(CLIENT
        .into_iter()
        .filter(|client| names.contains(client))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_in_the_tree_is_found() {
        let tree = "scheduled-one-runtime v0.1.0 (/p)\ntokio v1.54.1\nring-buffer v1.0.0\n";
        assert_eq!(client_in(tree), Ok(vec![]));
        let with = format!("{tree}rustls v0.23.0\n");
        assert_eq!(client_in(&with), Ok(vec!["rustls"]));
        assert!(client_in("").is_err());
    }
}
