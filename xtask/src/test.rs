//! The verb `test`: everything CI does.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use test_support::find_in_path;

use crate::command::{cargo, run};
use crate::steps::{Attempt, Step, run_all};
use crate::{msrv, tools};

/// All steps build with the dev profile, so that they share the dependencies they compile.
pub(crate) fn test() -> Result<(), String> {
    let started = Instant::now();
    let redis_server = tools::ensure(&[tools::REDIS_SERVER, tools::FAKETIME])?;
    let with_redis = |mut command: Command| {
        command.envs(redis_server.clone());
        Step::command(command)
    };
    let mut docs = cargo(["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    let steps = vec![
        Step::check("rustfmt and clippy are installed", components),
        Step::command(cargo(["fmt", "--all", "--check"])),
        Step::command(cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])),
        Step::command(cargo(["build", "--workspace", "--examples", "--bins"])),
        // Not --all-targets: that runs the benches, too, as if they were tests.
        with_redis(cargo([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ])),
        with_redis(cargo(["test", "--workspace", "--doc"])),
        with_redis(cargo([
            "run",
            "-p",
            "cluster-tests",
            "--bin",
            "chaos",
            "--",
            "--short",
        ])),
        // They end by themselves, and badly if a tick ran twice or is unaccounted for.
        Step::command(example("quickstart", &["--seconds", "6"])),
        Step::command(example("policies", &[])),
        Step::command(docs),
        with_redis(cargo([
            "run",
            "-p",
            "scheduled-one-benches",
            "--",
            "--smoke",
        ])),
        Step::check(
            "no dependency of a published crate needs a newer Rust than it",
            msrv::check,
        ),
    ];
    let steps = steps.into_iter().chain(deny()).collect();
    run_all("test", started, steps)
}

/// Runs an example on the embedded store.
fn example(name: &str, args: &[&str]) -> Command {
    let mut command = cargo(["run", "--example", name, "--"]);
    command.args(args).env_remove("REDIS_URL");
    command
}

/// Says which component is missing, before a step fails for it with somebody else's words.
fn components() -> Result<(), String> {
    for (verb, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut probe = cargo([verb, "--version"]);
        let answer = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !answer.is_ok_and(|status| status.success()) {
            return Err(format!(
                "{component} is missing; install it with `rustup component add {component}`, or, \
                 without rustup, from where your cargo comes from"
            ));
        }
    }
    Ok(())
}

/// Licences, doubled versions, sources and advisories; optional, because it is one more program
/// to install, and a slow one.
fn deny() -> Vec<Step> {
    const RULES: [&str; 5] = ["deny", "check", "bans", "licenses", "sources"];
    const ADVISORIES: &str = "cargo deny check advisories";
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let in_cargo_home = cargo_home.is_some_and(|home| home.join("bin/cargo-deny").is_file());
    if in_cargo_home || find_in_path("cargo-deny").is_some() {
        return vec![
            Step::command(cargo(RULES)),
            Step::attempt(ADVISORIES, advisories),
        ];
    }
    let reason = "cargo-deny is not installed (`cargo install --locked cargo-deny`)";
    vec![
        Step::skip(&format!("cargo {}", RULES.join(" ")), reason),
        Step::skip(ADVISORIES, reason),
    ]
}

/// The database of advisories is fetched apart: without a network that is no fault of the tree.
fn advisories() -> Result<Attempt, String> {
    let mut fetch = cargo(["deny", "fetch", "db"]);
    let fetched = fetch.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !fetched.is_ok_and(|status| status.success()) {
        let reason =
            "the database of advisories cannot be fetched from here (`cargo deny fetch db`)";
        return Ok(Attempt::Skipped(reason.to_owned()));
    }
    run(cargo(["deny", "check", "advisories"]))?;
    Ok(Attempt::Passed)
}
