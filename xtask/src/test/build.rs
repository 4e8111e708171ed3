//! Builds everything once, and finds what was built.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::task::{Load, Task};
use crate::command::{cargo, shown, target_dir};
use crate::process::{Output, run_bounded};

/// Not `--all-targets`: that builds benches, too, and libraries as if they were some.
/// One selection for the whole workspace: for another one cargo unites the features of dependencies in
/// another way, and builds half of them again.
const BUILD: [&str; 6] = [
    "build",
    "--workspace",
    "--lib",
    "--bins",
    "--tests",
    "--examples",
];

/// A program that cargo built.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) package: String,
    /// The folder of the package.
    folder: PathBuf,
    /// As cargo calls it: `lib`, `bin`, `test`, `example`.
    pub(super) kind: String,
    pub(super) target: String,
    /// Whether it runs tests.
    pub(super) is_test: bool,
    path: PathBuf,
}

/// Builds what all steps run. Diagnostics and progress go to the terminal, messages into a file in `logs`.
pub(super) fn build(logs: &Path) -> Result<Vec<Program>, String> {
    let mut command = cargo(BUILD);
    println!("\n{}", shown(&command));
    command.arg("--message-format=json-render-diagnostics");
    let log = logs.join("build.json");
    let failed = |error: std::io::Error| format!("{}: {error}", log.display());
    let messages = File::create(&log).map_err(failed)?;
    run_bounded(command, Load::Cargo.limit(), Output::ErrorsShown(messages))?;
    programs(&fs::read_to_string(&log).map_err(failed)?)
}

/// The programs of cargo's messages, one message a line.
fn programs(messages: &str) -> Result<Vec<Program>, String> {
    let mut programs = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value =
            serde_json::from_str(line).map_err(|error| format!("cargo: {error}: {line}"))?;
        if message["executable"].is_string() {
            let program = program(&message);
            programs.push(program.ok_or_else(|| format!("cargo: an unknown message: {line}"))?);
        }
    }
    Ok(programs)
}

fn program(message: &Value) -> Option<Program> {
    let target = message.get("target")?;
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    let kind = target.get("kind")?.get(0)?.as_str()?;
    Some(Program {
        package: package(message.get("package_id")?.as_str()?).to_owned(),
        folder: manifest.parent()?.to_owned(),
        kind: if kind == "proc-macro" { "lib" } else { kind }.to_owned(),
        target: target.get("name")?.as_str()?.to_owned(),
        is_test: message.get("profile")?.get("test")?.as_bool()?,
        path: message.get("executable")?.as_str()?.into(),
    })
}

/// The name in `path+file:///…/folder#name@version`, or in `path+file:///…/name#version`.
fn package(id: &str) -> &str {
    let (place, version) = id.rsplit_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

impl Program {
    /// How reports and the table of suites call it.
    pub(super) fn name(&self) -> String {
        match self.kind.as_str() {
            "lib" => format!("{} lib", self.package),
            "bin" => format!("{} bin {}", self.package, self.target),
            "example" => format!("{} example {}", self.package, self.target),
            _ => format!("{} {}", self.package, self.target),
        }
    }

    /// The program with these arguments, in the environment that cargo would run it in.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(&self.folder);
        // Some tests start cargo, look for their package, or count on a variable that all have.
        command.env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("CARGO_PKG_NAME", &self.package);
        command.env(LIBRARY_PATH, library_path());
        command
    }

    /// A task that runs its tests.
    pub(super) fn tests(&self, load: Load) -> Task {
        let target = match self.kind.as_str() {
            "lib" => "--lib".to_owned(),
            kind => format!("--{kind} {}", self.target),
        };
        let repeat = format!("cargo test -p {} {target}", self.package);
        Task::tests(&self.name(), load, self.command(&[])).repeated_by(repeat)
    }
}

const LIBRARY_PATH: &str = match cfg!(target_os = "macos") {
    true => "DYLD_FALLBACK_LIBRARY_PATH",
    false => "LD_LIBRARY_PATH",
};

/// Tests of a procedural macro link the compiler's own libraries.
fn library_path() -> OsString {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = rustc.args(["--print", "target-libdir"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let debug = target_dir().join("debug");
    let own = [
        debug.join("deps"),
        debug,
        PathBuf::from(text.unwrap_or_default()),
    ];
    let given = env::var_os(LIBRARY_PATH).unwrap_or_default();
    let all = own.into_iter().chain(env::split_paths(&given));
    env::join_paths(all).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","package_id":"path+file:///p/a#0.1.0","manifest_path":"/p/a/Cargo.toml","target":{"kind":["lib"],"name":"a"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","package_id":"path+file:///p/a#0.1.0","manifest_path":"/p/a/Cargo.toml","target":{"kind":["proc-macro"],"name":"a"},"profile":{"test":true},"executable":"/t/a-1"}
{"reason":"compiler-artifact","package_id":"path+file:///p/b#c-tests@0.1.0","manifest_path":"/p/b/Cargo.toml","target":{"kind":["test"],"name":"d"},"profile":{"test":true},"executable":"/t/d-2"}
{"reason":"compiler-artifact","package_id":"path+file:///p/b#c-tests@0.1.0","manifest_path":"/p/b/Cargo.toml","target":{"kind":["bin"],"name":"e"},"profile":{"test":false},"executable":"/t/e"}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn programs_are_read_from_messages() {
        let programs = programs(MESSAGES).unwrap();
        let names: Vec<String> = programs.iter().map(Program::name).collect();
        assert_eq!(names, ["a lib", "c-tests d", "c-tests bin e"]);
        assert!(programs[1].is_test && !programs[2].is_test);
        assert_eq!(programs[1].folder, Path::new("/p/b"));
        assert_eq!(
            programs[0].tests(Load::Waits).repeat,
            "cargo test -p a --lib"
        );
        assert_eq!(
            programs[1].tests(Load::Waits).repeat,
            "cargo test -p c-tests --test d"
        );
    }

    #[test]
    fn unknown_messages_are_no_programs_that_are_left_out() {
        assert!(programs("{\"executable\":\"/t/a\"}").is_err());
        assert!(programs("{").is_err());
    }
}
