//! Search for the programs that the tests start.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The environment variable that names the `redis-server` to use.
const REDIS_SERVER: &str = "REDIS_SERVER";

/// The `redis-server` to use: the one named by `REDIS_SERVER`, or else the first one in `PATH`.
///
/// A `REDIS_SERVER` that is not an executable file yields `None`, and not the program in `PATH`: the variable selects
/// one version.
#[must_use]
pub fn find_redis_server() -> Option<PathBuf> {
    locate_redis_server().ok()
}

/// As [`find_redis_server`], with an error that says what was looked for and what to do.
pub(crate) fn locate_redis_server() -> io::Result<PathBuf> {
    let not_found = |text| io::Error::new(io::ErrorKind::NotFound, text);
    match env::var_os(REDIS_SERVER) {
        Some(named) if is_executable(Path::new(&named)) => Ok(PathBuf::from(named)),
        Some(named) => Err(not_found(format!(
            "{REDIS_SERVER}={} is not an executable file; correct it, or unset it to search PATH",
            named.display()
        ))),
        None => find_in_path("redis-server").ok_or_else(|| {
            not_found(format!(
                "no redis-server in PATH; `cargo xtask test` installs it or says how, or set \
                 {REDIS_SERVER} to its path"
            ))
        }),
    }
}

/// The environment variable that names the folder with `postgres` and `initdb` to use.
const POSTGRES_BIN: &str = "POSTGRES_BIN";

/// The folder with `postgres`, `initdb` and `psql`: the one named by `POSTGRES_BIN`, or that of the first `initdb` in
/// `PATH`, or the newest version below the folders of Debian, Fedora and Homebrew, which keep them out of `PATH`.
#[must_use]
pub fn find_postgres() -> Option<PathBuf> {
    locate_postgres().ok()
}

/// As [`find_postgres`], with an error that says what to do.
pub(crate) fn locate_postgres() -> io::Result<PathBuf> {
    let is_complete = |folder: &PathBuf| {
        ["postgres", "initdb", "psql"]
            .iter()
            .all(|program| is_executable(&folder.join(program)))
    };
    let found = match env::var_os(POSTGRES_BIN) {
        Some(named) => Some(PathBuf::from(named)).filter(is_complete),
        None => postgres_folders().into_iter().find(is_complete),
    };
    found.ok_or_else(|| {
        let text = format!(
            "no PostgreSQL server: neither initdb in PATH nor a folder of versions; `cargo xtask test` installs it or \
             says how, or set {POSTGRES_BIN} to the folder with postgres, initdb and psql"
        );
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

/// The folders in which PostgreSQL may be, the newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let roots = [
        "/usr/lib/postgresql",
        "/usr",
        "/opt/homebrew/opt",
        "/usr/local/opt",
    ];
    let entries = roots.iter().filter_map(|root| fs::read_dir(root).ok());
    let version = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name
            .trim_start_matches("postgresql@")
            .trim_start_matches("pgsql-");
        let version: u32 = version.parse().ok()?;
        Some((version, entry.path().join("bin")))
    };
    let mut found: Vec<_> = entries.flatten().flatten().filter_map(version).collect();
    found.sort_unstable();
    let in_path = find_in_path("initdb").and_then(|program| Some(program.parent()?.to_owned()));
    let versions = found.into_iter().rev().map(|(_, folder)| folder);
    in_path.into_iter().chain(versions).collect()
}

/// The `pgbouncer` in `PATH`, or in the folder of Debian that is not in the `PATH` of users.
#[must_use]
pub fn find_pgbouncer() -> Option<PathBuf> {
    let of_debian = PathBuf::from("/usr/sbin/pgbouncer");
    find_in_path("pgbouncer").or(Some(of_debian).filter(|path| is_executable(path)))
}

/// The environment variable that names the `prometheus` to use.
const PROMETHEUS: &str = "PROMETHEUS";

/// The `prometheus` to use: the one named by `PROMETHEUS`, or else the first one in `PATH`.
#[must_use]
pub fn find_prometheus() -> Option<PathBuf> {
    locate_prometheus().ok()
}

/// As [`find_prometheus`], with an error that says what to do.
pub(crate) fn locate_prometheus() -> io::Result<PathBuf> {
    let found = match env::var_os(PROMETHEUS) {
        Some(named) => Some(PathBuf::from(named)).filter(|path| is_executable(path)),
        None => find_in_path("prometheus"),
    };
    found.ok_or_else(|| {
        let text = format!(
            "no prometheus in PATH; `apt-get install prometheus`, or set {PROMETHEUS} to its path"
        );
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

/// The first executable file of this name in `PATH`.
#[must_use]
pub fn find_in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}

/// The library of libfaketime, to be preloaded into a process whose clock a test skews.
#[must_use]
pub fn find_libfaketime() -> Option<PathBuf> {
    // Debian has one folder for each architecture below /usr/lib, Fedora has lib64, Homebrew its prefix.
    let multiarch = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path());
    let fixed = [
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
        "/opt/homebrew/lib",
    ]
    .map(PathBuf::from);
    multiarch
        .chain(fixed)
        .flat_map(|lib| {
            ["libfaketime.so.1", "libfaketime.1.dylib"].map(|file| lib.join("faketime").join(file))
        })
        .find(|candidate| candidate.is_file())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_the_executable_bit_is_no_program() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("redis-server");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        assert!(!is_executable(&file));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_executable(&file));
        assert!(
            !is_executable(dir.path()),
            "a folder is no program, although it has the bit"
        );
    }

    #[test]
    fn searches_the_path() {
        assert!(find_in_path("sh").is_some_and(|sh| sh.is_absolute()));
        assert_eq!(find_in_path("no-such-program-anywhere"), None);
    }
}
