//! Child processes: cargo above all.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo run` tells this process about its own package. It must not reach a nested cargo:
/// build scripts that watch such a variable would run again at every change between
/// `cargo build` and `cargo xtask`, and rebuild half of the tree.
const OWN_PACKAGE: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_PRIMARY_",
];

/// The cargo that runs this program, with these arguments, at the root of the workspace.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    // Under rustup, CARGO is the toolchain's own binary, and RUSTUP_TOOLCHAIN keeps `cargo fmt` and
    // `cargo clippy`, which are found through PATH, on the same toolchain.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if OWN_PACKAGE.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// The root of the workspace, wherever the user stands in it.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command to its end; the error says which one failed, how, and how to repeat it.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let shown = shown(&command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status}); to repeat it:\n  {shown}")),
        Err(error) => Err(format!("cannot run ({error}); to try it again:\n  {shown}")),
    }
}

/// A command as one would type it at the root of the workspace.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_stem().unwrap_or(program.as_os_str());
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.display(), quoted(value?))));
    let words = [program].into_iter().chain(command.get_args()).map(quoted);
    set.chain(words).collect::<Vec<_>>().join(" ")
}

/// One word for a shell.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["clippy", "--", "-D", "two words", "it's", ""]);
        command
            .env("RUSTDOCFLAGS", "-D warnings")
            .env_remove("CARGO_PKG_NAME");
        assert_eq!(
            shown(&command),
            r"RUSTDOCFLAGS='-D warnings' cargo clippy -- -D 'two words' 'it'\''s' ''"
        );
    }

    #[test]
    fn a_failure_says_how_to_repeat_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let error = run(command).unwrap_err();
        assert!(
            error.contains("exit status: 3") && error.ends_with("sh -c 'exit 3'"),
            "{error}"
        );

        let error = run(Command::new("/no/such/program")).unwrap_err();
        assert!(error.starts_with("cannot run ("), "{error}");
    }
}
