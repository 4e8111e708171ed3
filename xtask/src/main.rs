//! The developer verbs, run as `cargo xtask <verb>`; see [`HELP`].
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user there"
)]

mod command;
mod fuzz;
mod msrv;
mod mutants;
mod package;
mod process;
mod test;
mod tidy;
mod tools;

use std::env;
use std::process::ExitCode;

use command::{cargo, run};

/// Every verb, for `help` and for whoever mistypes one.
const HELP: &str = "\
cargo xtask <verb>

  test [--quick]    everything CI does: tools, format, MSRV, build, lints, tests, the Redis suites on the oldest and
                    the newest Redis and on Valkey, doc tests, docs, the runtime without features, packages,
                    chaos --short, two examples, bench smoke, cargo deny where it is installed;
                    --quick, two minutes when built, leaves out all behind the lints but unit tests and those
                    integration tests that take seconds: not the model, the simulation, the agreement of scripts
                    and protocol, compile-time tests, clusters of processes, Sentinel, keys that somebody edited
  test --redis PATH the tests that need a Redis, but TLS, on this redis-server or valkey-server
  tidy              lengths, layers, import circles, names and numbers in documents, words, commit subjects
  package           packs the published crates, and checks each as it is packed
  ui [--bless]      the compile-time tests; --bless accepts the present diagnostics and expansions
  chaos [args]      faults against real nodes and real stores, by a seeded plan; --help tells more
  mutants [names]   builds with one guard removed each, which the suites must catch
  bench [args]      the benchmarks, in release; the arguments go to them
  fuzz [--seconds N] [TARGET]
                    each fuzz target for a minute; needs a nightly compiler, installs cargo-fuzz into target/tools
  help              this list

Tests and benches run against the redis-server that REDIS_SERVER names, or else the one in PATH.
`test` runs against the PostgreSQL in POSTGRES_BIN, in PATH or where packages put it, and pgbouncer.
`test` needs libfaketime and a C compiler (cc) as well, and Linux for the shim that moves clocks.
";

/// Why a verb did not succeed.
enum Failure {
    /// It was called wrongly; exits 2.
    Usage(String),
    /// It was called rightly, and something is broken; exits 1.
    Broken(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Broken(text)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, text) = match dispatch(&args) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => (2, format!("{text}\n\n{HELP}")),
        Err(Failure::Broken(text)) => (1, text),
    };
    eprintln!("xtask: {}", text.trim_end());
    ExitCode::from(code)
}

fn dispatch(args: &[&str]) -> Result<(), Failure> {
    match args {
        ["test"] => Ok(test::test(test::Scope::Full)?),
        ["test", "--quick"] => Ok(test::test(test::Scope::Quick)?),
        ["test", "--redis", path] => Ok(test::test_on(path)?),
        ["tidy"] => Ok(tidy::tidy()?),
        ["package"] => Ok(package::package()?),
        ["ui"] => Ok(run(cargo([
            "test",
            "-p",
            "ui-tests",
            "-p",
            "scheduled-one-macros",
        ]))?),
        ["ui", "--bless"] => Ok(bless()?),
        ["bench", args @ ..] => Ok(bench(args)?),
        ["chaos", args @ ..] => Ok(chaos(args)?),
        ["mutants", names @ ..] => Ok(mutants::mutants(names)?),
        ["fuzz", args @ ..] => fuzz::fuzz(args),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        [] => Err(Failure::Usage("which verb?".to_owned())),
        [verb @ ("test" | "tidy" | "package" | "ui" | "help"), ..] => Err(Failure::Usage(format!(
            "`{verb}` does not take these arguments: {:?}",
            &args[1..]
        ))),
        [verb, ..] => Err(Failure::Usage(format!("there is no verb `{verb}`"))),
    }
}

/// Runs the compile-time tests so that they write down what they see, for `git diff` to judge.
fn bless() -> Result<(), String> {
    let mut tests = cargo(["test", "-p", "ui-tests", "-p", "scheduled-one-macros"]);
    tests
        .env("TRYBUILD", "overwrite")
        .env("MACRO_SNAPSHOTS", "overwrite");
    run(tests)
}

fn chaos(args: &[&str]) -> Result<(), String> {
    let redis_server = tools::ensure(&[tools::REDIS_SERVER])?;
    // It starts the others, which lie beside it.
    run(cargo(["build", "--quiet", "-p", "cluster-tests", "--bins"]))?;
    let mut chaos = cargo([
        "run",
        "--quiet",
        "-p",
        "cluster-tests",
        "--bin",
        "chaos",
        "--",
    ]);
    chaos.args(args).envs(redis_server);
    run(chaos)
}

fn bench(args: &[&str]) -> Result<(), String> {
    let redis_server = tools::ensure(&[tools::REDIS_SERVER])?;
    let mut benches = cargo(["run", "--release", "-p", "scheduled-one-benches", "--"]);
    benches.args(args).envs(redis_server);
    run(benches)
}
