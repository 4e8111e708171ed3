//! Which steps there are, in which order.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;

use super::Scope;
use super::browser;
use super::build::Program;
use super::features;
use super::postgres_servers;
use super::promtool;
use super::servers;
use super::suites::{check_table, load_of, order, runs_in};
use super::task::{Attempt, Load, Task};
use crate::command::{cargo, run};
use crate::tools::find_in_path;
use crate::{msrv, tidy};

/// Steps that need nothing built.
pub(super) fn before_build(scope: Scope) -> Vec<Task> {
    let format = cargo(["fmt", "--all", "--check"]);
    let tidy = || tidy::tidy().map(|()| Attempt::Passed);
    let mut steps = vec![
        Task::command("rustfmt", Load::Waits, format),
        Task::check("tidy", tidy).repeated_by("cargo xtask tidy".to_owned()),
    ];
    if scope == Scope::Full {
        let msrv = || msrv::check().map(|()| Attempt::Passed);
        steps.push(Task::check(
            "no dependency of a published crate needs a newer Rust than it",
            msrv,
        ));
    }
    steps
}

/// All other steps; what takes long begins first.
pub(super) fn in_pool(scope: Scope, programs: &[Program]) -> Result<Vec<Task>, String> {
    let mut steps = vec![clippy()];
    let tests = programs
        .iter()
        .filter(|program| program.is_test && runs_in(scope, program));
    let task = |program: &Program| match program {
        _ if browser::needs_it(program) => browser::task(program),
        _ if promtool::needs_prometheus(program) => promtool::suite(program),
        _ => program.tests(load_of(&program.name())),
    };
    steps.extend(tests.map(task));
    if scope == Scope::Full {
        steps.extend(servers::on_other_servers(programs));
        steps.extend(postgres_servers::on_other_versions(programs));
        steps.extend(runs(programs)?);
        steps.extend(cargo_steps());
        steps.push(package(programs)?);
        steps.push(promtool::task());
        steps.extend(deny());
        check_table(&steps)?;
    }
    order(&mut steps);
    Ok(steps)
}

/// The suites that need a Redis, for another server than the usual one.
pub(super) fn on_redis(programs: &[Program]) -> Vec<Task> {
    let suites = programs.iter().filter(|it| servers::needs_redis(it));
    let mut steps: Vec<Task> = suites.map(|it| it.tests(load_of(&it.name()))).collect();
    order(&mut steps);
    steps
}

fn clippy() -> Task {
    let clippy = cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    Task::command("clippy", Load::Cargo, clippy)
}

/// Programs that are run for their exit code. They end by themselves, and badly if a tick ran twice or is
/// unaccounted for.
fn runs(programs: &[Program]) -> Result<Vec<Task>, String> {
    let run = |kind: &str, target: &str, args: &[&str]| {
        let program = find(programs, kind, target)?;
        let mut command = program.command(args);
        // Examples run on the embedded store.
        command.env_remove("STORE_URL");
        let repeat = format!(
            "cargo run -p {} --{kind} {target} -- {}",
            program.package,
            args.join(" ")
        );
        let name = format!("{} {}", program.name(), args.join(" "));
        Ok(Task::command(name.trim_end(), load_of(&name), command).repeated_by(repeat))
    };
    [
        run("bin", "chaos", &["--short"]),
        run("example", "quickstart", &["--seconds", "6"]),
        run("example", "policies", &[]),
        run("example", "control", &[]),
        run("example", "fencing_token", &[]),
        run("example", "effect_commits", &[]),
        run("example", "effect_once", &[]),
        run("example", "postgres_schema", &["scheduled_one", "jobs"]),
        run("bin", "scheduled-one-benches", &["--smoke"]),
    ]
    .into_iter()
    .collect()
}

/// A program that is no test.
fn find<'a>(programs: &'a [Program], kind: &str, target: &str) -> Result<&'a Program, String> {
    let is_it =
        |program: &&Program| !program.is_test && program.kind == kind && program.target == target;
    let found = programs.iter().find(is_it);
    found.ok_or_else(|| format!("cargo built no {kind} {target}"))
}

/// The verb `package` of this program, as it was built with everything else.
fn package(programs: &[Program]) -> Result<Task, String> {
    let package = find(programs, "bin", "xtask")?.command(&["package"]);
    let task = Task::command("packages", Load::Cargo, package);
    Ok(task.repeated_by("cargo xtask package".to_owned()))
}

fn cargo_steps() -> Vec<Task> {
    // One example among the targets has cargo unite features as for the lints, so that no dependency is
    // checked again; the smallest one.
    let targets = [
        "doc",
        "--workspace",
        "--no-deps",
        "--lib",
        "--bins",
        "--example",
        "doctor",
    ];
    let mut doc = cargo(targets);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        Task::tests(
            "doc tests",
            Load::Cargo,
            cargo(["test", "--workspace", "--doc"]),
        ),
        Task::tests(
            "the runtime without its default features",
            Load::Cargo,
            features::without_features(),
        ),
        Task::command(
            "the runtime with Redis and without TLS",
            Load::Cargo,
            features::with_one("redis"),
        ),
        Task::command(
            "the runtime with PostgreSQL alone",
            Load::Cargo,
            features::with_one("postgres"),
        ),
        Task::command(
            "the runtime with SQLite alone",
            Load::Cargo,
            features::with_one("sqlite"),
        ),
        Task::command(
            "the runtime with the facade of metrics alone",
            Load::Cargo,
            features::with_one("metrics"),
        ),
        Task::command(
            "the runtime with OpenTelemetry alone",
            Load::Cargo,
            features::with_one("opentelemetry"),
        ),
        Task::check(
            "the runtime compiles no client that its features leave out",
            features::no_client,
        ),
        Task::check(
            "the documents count the crates of each part",
            features::counts,
        ),
        Task::command("doc", Load::Cargo, doc),
    ]
}

/// Says which component is missing, before a step fails for it with somebody else's words.
pub(super) fn components() -> Result<(), String> {
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
fn deny() -> Vec<Task> {
    const RULES: [&str; 5] = ["deny", "check", "bans", "licenses", "sources"];
    const ADVISORIES: &str = "cargo deny check advisories";
    let rules = format!("cargo {}", RULES.join(" "));
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let in_cargo_home = cargo_home.is_some_and(|home| home.join("bin/cargo-deny").is_file());
    if in_cargo_home || find_in_path("cargo-deny").is_some() {
        return vec![
            Task::command(&rules, Load::Waits, cargo(RULES)),
            Task::check(ADVISORIES, advisories),
        ];
    }
    let reason = "cargo-deny is not installed (`cargo install --locked cargo-deny`)";
    vec![Task::skip(&rules, reason), Task::skip(ADVISORIES, reason)]
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
