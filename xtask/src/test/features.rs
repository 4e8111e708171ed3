//! The features that users choose.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::task::Attempt;
use crate::command::{cargo, root};

const RUNTIME: &str = "scheduled-one-runtime";

/// The documents that have numbers of crates, and in how many rows.
const COUNTED: [(&str, usize); 2] = [("docs/stores.md", 4), ("docs/deploying.md", 5)];

/// The tests of the runtime that need no server.
const ON_MEMORY: [&str; 3] = ["scheduler", "policies", "simulation"];

/// What only the users of a store compile.
const REDIS: &[&str] = &["scheduled-one-redis", "redis", "deadpool-redis"];
const POSTGRES: &[&str] = &[
    "scheduled-one-postgres",
    "tokio-postgres",
    "deadpool-postgres",
];
const SQLITE: &[&str] = &["scheduled-one-sqlite", "rusqlite", "libsqlite3-sys"];

/// What only those compile who pass metrics on to other clients.
const METRICS: &[&str] = &["metrics", "opentelemetry"];

/// What only those compile who want alerts.
const ALERTS: &[&str] = &["scheduled-one-alerts", "hyper", "lettre"];

/// What only those compile who want encrypted connections.
const TLS: &[&str] = &["rustls", "ring"];

/// Features, and what is not in the tree with them.
const LEFT_OUT: &[(&str, &[&[&str]])] = &[
    ("", &[REDIS, POSTGRES, SQLITE, TLS, METRICS, ALERTS]),
    ("redis,tls", &[METRICS, ALERTS]),
    ("redis", &[POSTGRES, SQLITE, TLS, ALERTS]),
    ("postgres", &[REDIS, SQLITE, TLS]),
    ("sqlite", &[REDIS, POSTGRES, TLS]),
    ("postgres,tls", &[REDIS, SQLITE]),
    ("redis,tls", &[POSTGRES, SQLITE]),
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

/// Builds the runtime with one feature alone.
pub(super) fn with_one(feature: &str) -> Command {
    let mut command = cargo(["check", "-p", RUNTIME, "--no-default-features"]);
    command.args(["--features", feature]);
    command
}

/// Fails if the runtime depends on a client that its features leave out.
pub(super) fn no_client() -> Result<Attempt, String> {
    for (features, left_out) in LEFT_OUT {
        check_left_out(features, &left_out.concat())?;
    }
    Ok(Attempt::Passed)
}

/// Fails if the numbers of crates in the documents are those of another day.
pub(super) fn counts() -> Result<Attempt, String> {
    for (document, rows) in COUNTED {
        let path = root().join(document);
        let text = fs::read_to_string(path).map_err(|error| format!("{document}: {error}"))?;
        let documented = documented(&text);
        if documented.len() != rows {
            let found = documented.len();
            return Err(format!(
                "{document}: {found} rows with a feature and a number, not {rows}"
            ));
        }
        for (what, count) in documented {
            let found = crates_of(&what)?;
            if found != count {
                return Err(format!(
                    "{document} says that [{what}] is {count} crates; it is {found}: correct it, if that is meant"
                ));
            }
        }
    }
    Ok(Attempt::Passed)
}

/// How many crates the runtime is with a feature alone; or a package, by its name, as it is.
fn crates_of(what: &str) -> Result<usize, String> {
    let tree = match what.starts_with("scheduled-one-") {
        true => tree(&["-p", what])?,
        false => tree_with(what)?,
    };
    let packages: BTreeSet<&str> = tree.lines().map(|it| it.trim_end_matches(" (*)")).collect();
    Ok(packages.len())
}

/// Features and numbers of the rows of a table whose last columns these are. No feature is an empty text.
fn documented(text: &str) -> Vec<(String, usize)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [.., feature, count, ""] = cells[..] else {
            return None;
        };
        let feature = feature.split('`').nth(1).unwrap_or_default();
        Some((feature.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

/// The packages that the runtime is built of with these features, one a line.
fn tree_with(features: &str) -> Result<String, String> {
    tree(&[
        "-p",
        RUNTIME,
        "--no-default-features",
        "--features",
        features,
    ])
}

fn tree(of: &[&str]) -> Result<String, String> {
    let mut tree = cargo(["tree"]);
    tree.args(of).args([
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
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn check_left_out(features: &str, packages: &[&'static str]) -> Result<(), String> {
    let found = in_tree(packages, &tree_with(features)?)?;
    match found.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "with the features [{features}] {RUNTIME} still depends on {}; make that part of another feature",
            found.join(", ")
        )),
    }
}

/// Which of the packages are in a tree; each line of it begins with a name.
fn in_tree(packages: &[&'static str], tree: &str) -> Result<Vec<&'static str>, String> {
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    if !names.contains(&RUNTIME) {
        return Err(format!("cargo tree: {RUNTIME} is not in it:\n{tree}"));
    }
    let found = packages.iter().copied();
    Ok(found.filter(|package| names.contains(package)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_table_are_read() {
        let text = "| you have | feature | crates |\n| --- | --- | ---: |\n\
                    | a Redis | `redis`, on by default | 97 |\n| a test | none | 44 |\n| a | b | c |\n";
        let rows = [("redis".to_owned(), 97), (String::new(), 44)];
        assert_eq!(documented(text), rows);
    }

    #[test]
    fn a_client_in_the_tree_is_found() {
        let tree = "scheduled-one-runtime v0.1.0 (/p)\ntokio v1.54.1\nring-buffer v1.0.0\n";
        assert_eq!(in_tree(TLS, tree), Ok(vec![]));
        let with = format!("{tree}rustls v0.23.0\n");
        assert_eq!(in_tree(TLS, &with), Ok(vec!["rustls"]));
        assert!(in_tree(TLS, "").is_err());
    }
}
