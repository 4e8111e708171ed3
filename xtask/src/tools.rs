//! The programs that the tests need beside Rust: found, or installed, or asked for.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::command::run;

/// How tests find them. Not by way of their crate: what that depends on would be built for this
/// program alone, with other features than for everything else.
#[path = "../../tests/support/src/find.rs"]
#[allow(unreachable_pub, reason = "it is a library's")]
mod find;

pub(crate) use find::{find_in_path, find_postgres, find_prometheus};
use find::{find_libfaketime, find_pgbouncer, find_redis_server};

/// A program that tests drive.
pub(crate) struct Tool {
    name: &'static str,
    find: fn() -> Option<PathBuf>,
    /// The package that has it on Debian and Ubuntu.
    apt: &'static str,
    /// The package that has it on Fedora.
    dnf: &'static str,
    /// The formula that has it on macOS.
    brew: &'static str,
}

/// The environment variable that names the server to the tests.
pub(crate) const REDIS_VARIABLE: &str = "REDIS_SERVER";

/// The server of nearly all tests.
pub(crate) const REDIS_SERVER: Tool = Tool {
    name: "redis-server",
    find: find_redis_server,
    apt: "redis-server",
    dnf: "redis",
    brew: "redis",
};

/// The library that the tests of clock skew preload.
pub(crate) const FAKETIME: Tool = Tool {
    name: "libfaketime",
    find: find_libfaketime,
    apt: "faketime",
    dnf: "libfaketime",
    brew: "libfaketime",
};

/// The server of the tests of the PostgreSQL store.
pub(crate) const POSTGRES: Tool = Tool {
    name: "postgres",
    find: find_postgres,
    apt: "postgresql",
    dnf: "postgresql-server",
    brew: "postgresql@17",
};

/// The pooler in front of it.
pub(crate) const PGBOUNCER: Tool = Tool {
    name: "pgbouncer",
    find: find_pgbouncer,
    apt: "pgbouncer",
    dnf: "pgbouncer",
    brew: "pgbouncer",
};

/// Finds all these tools, or installs what is missing if this is a Debian and we are root.
/// Returns the environment that tells the tests which redis-server that is.
pub(crate) fn ensure(tools: &[Tool]) -> Result<Option<(&'static str, PathBuf)>, String> {
    reject_wrong_redis_server()?;
    let missing = missing(tools);
    if !missing.is_empty() {
        if !(is_root() && find_in_path("apt-get").is_some()) {
            return Err(how_to_install(&missing));
        }
        apt_install(&missing)?;
        let missing = self::missing(tools);
        if !missing.is_empty() {
            return Err(format!(
                "apt-get succeeded, and yet: {}",
                how_to_install(&missing)
            ));
        }
    }
    for tool in tools {
        if let Some(path) = (tool.find)() {
            println!("{}: {}", tool.name, path.display());
        }
    }
    Ok(find_redis_server().map(|path| (REDIS_VARIABLE, path)))
}

fn missing(tools: &[Tool]) -> Vec<&Tool> {
    tools
        .iter()
        .filter(|tool| (tool.find)().is_none())
        .collect()
}

/// Whoever sets the variable means that server: installing another one would not help.
fn reject_wrong_redis_server() -> Result<(), String> {
    match env::var_os(REDIS_VARIABLE) {
        Some(path) if find_redis_server().is_none() => Err(format!(
            "REDIS_SERVER={} is not an executable file; correct it, or unset it to search PATH",
            path.display()
        )),
        _ => Ok(()),
    }
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn apt_install(missing: &[&Tool]) -> Result<(), String> {
    apt_get_install(&packages(missing, |tool| tool.apt))
}

/// Installs packages of Debian, if this is one and we are root; the error is the reason why not.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    match is_root() && find_in_path("apt-get").is_some() {
        true => apt_get_install(packages),
        false => Err("only root installs it, with apt-get".to_owned()),
    }
}

fn apt_get_install(packages: &[&str]) -> Result<(), String> {
    println!(
        "not found, to be installed with apt-get: {}",
        packages.join(" ")
    );
    // Package lists that are only out of date may still do.
    if let Err(error) = run(apt_get(&["update"])) {
        println!("apt-get update {error}\ngoing on with the package lists that are there");
    }
    let mut install = apt_get(&["install", "-y", "--no-install-recommends"]);
    install.args(packages);
    run(install).map_err(|error| format!("installing with apt-get {error}"))
}

fn apt_get(args: &[&str]) -> Command {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    // The package of redis-server starts a service on port 6379, which nobody here needs, and the
    // installation fails if that fails. In the rescue runlevel no service is started.
    apt_get.env("RUNLEVEL", "1");
    apt_get
}

fn how_to_install(missing: &[&Tool]) -> String {
    let names = packages(missing, |tool| tool.name).join(", ");
    let apt = packages(missing, |tool| tool.apt).join(" ");
    let dnf = packages(missing, |tool| tool.dnf).join(" ");
    let brew = packages(missing, |tool| tool.brew).join(" ");
    format!(
        "not found: {names}. Install with one of these, and run the verb again:\n  \
         sudo apt-get install -y --no-install-recommends {apt}\n  \
         sudo dnf install -y {dnf}\n  \
         brew install {brew}\n\
         A redis-server outside of PATH can be named by REDIS_SERVER, the folder of another PostgreSQL by POSTGRES_BIN."
    )
}

fn packages(tools: &[&Tool], name: fn(&Tool) -> &'static str) -> Vec<&'static str> {
    tools.iter().map(|tool| name(tool)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let text = how_to_install(&[&FAKETIME]);
        assert!(text.starts_with("not found: libfaketime. "), "{text}");
        assert!(
            text.contains("--no-install-recommends faketime\n"),
            "{text}"
        );
        assert!(text.contains("brew install libfaketime\n"), "{text}");

        let text = how_to_install(&[&REDIS_SERVER, &FAKETIME]);
        assert!(
            text.contains("dnf install -y redis libfaketime\n"),
            "{text}"
        );
    }
}
