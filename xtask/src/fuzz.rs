//! The verb `fuzz`: each target for a while, or one of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::command::{cargo, root, run, target_dir};

/// The targets; what they do is in `tests/fuzz`.
const TARGETS: [&str; 4] = ["expression", "url", "reply", "attribute"];
/// How long each runs, unless an argument says otherwise.
const SECONDS: u32 = 60;
/// The most that may be asked for: a day.
const MAX_SECONDS: u32 = 86_400;
/// The version of the program that builds and runs them.
const CARGO_FUZZ: &str = "0.13.2";

/// Runs what the arguments say; stops at the first crash and says where its input is.
pub(crate) fn fuzz(args: &[&str]) -> Result<(), Failure> {
    let (seconds, targets) = options(args).map_err(Failure::Usage)?;
    nightly()?;
    let cargo_fuzz = cargo_fuzz()?;
    for target in targets {
        println!("\n{target}: {seconds} s");
        run_target(&cargo_fuzz, target, seconds)?;
    }
    Ok(())
}

/// For how long, and which.
fn options<'a>(args: &[&'a str]) -> Result<(u32, Vec<&'a str>), String> {
    let (seconds, rest) = match args {
        ["--seconds", number, rest @ ..] => {
            let seconds = number.parse().ok();
            let seconds = seconds.filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
            let wanted = || format!("--seconds {number}: a number from 1 to {MAX_SECONDS}");
            (seconds.ok_or_else(wanted)?, rest)
        }
        rest => (SECONDS, rest),
    };
    match rest {
        [] => Ok((seconds, TARGETS.to_vec())),
        [target] if TARGETS.contains(target) => Ok((seconds, vec![*target])),
        [target] => Err(format!(
            "there is no target `{target}`; there are {}",
            TARGETS.join(", ")
        )),
        _ => Err("one target, or none for all of them".to_owned()),
    }
}

/// The sanitizer and the counters of branches are only in nightly compilers.
fn nightly() -> Result<(), String> {
    let mut probe = on_nightly("rustc");
    let probe = probe.arg("--version").stdin(Stdio::null());
    let answer = probe.output().ok();
    let version = answer.map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned());
    match version {
        Some(version) if version.contains("nightly") => Ok(()),
        _ => Err(
            "fuzzing needs a nightly compiler and rustup to choose it; install it with \
             `rustup toolchain install nightly --profile minimal`"
                .to_owned(),
        ),
    }
}

/// The program, from `target/tools`, where it is installed if it is missing.
fn cargo_fuzz() -> Result<PathBuf, String> {
    let tools = target_dir().join("tools");
    let program = tools.join("bin/cargo-fuzz");
    if !program.is_file() {
        println!(
            "cargo-fuzz is missing, to be installed into {}",
            tools.display()
        );
        let mut install = cargo(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ]);
        install.arg("--root").arg(&tools);
        run(install)?;
    }
    Ok(program)
}

/// What is found on the way is kept beside the builds; what is worth it goes from there to `fuzz/corpus`.
fn run_target(cargo_fuzz: &Path, target: &str, seconds: u32) -> Result<(), String> {
    let build = target_dir().join("fuzz");
    let found = build.join("found").join(target);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut fuzz = on_nightly(cargo_fuzz);
    fuzz.args(["run", "--fuzz-dir", "fuzz", "--target-dir"])
        .arg(&build)
        .arg(target)
        .arg(&found)
        .arg(Path::new("fuzz/corpus").join(target))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"])
        .arg("-print_final_stats=1");
    run(fuzz).map_err(|error| {
        format!(
            "fuzz: {target}: if it crashed, the input is above and in fuzz/artifacts/{target}; \
             once that is mended, move it to fuzz/corpus/{target}, where it is a test. It {error}"
        )
    })
}

/// A program with the nightly compiler, at the root of the workspace.
fn on_nightly(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    // CARGO and RUSTC may name programs of the toolchain that runs this one.
    command
        .current_dir(root())
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env_remove("CARGO")
        .env_remove("RUSTC");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_a_time_and_a_target() {
        assert_eq!(options(&[]), Ok((60, TARGETS.to_vec())));
        assert_eq!(options(&["url"]), Ok((60, vec!["url"])));
        assert_eq!(options(&["--seconds", "5", "url"]), Ok((5, vec!["url"])));
        for bad in [
            &["--seconds"][..],
            &["--seconds", "0"],
            &["--seconds", "86401"],
            &["--seconds", "x", "url"],
            &["urls"],
            &["url", "reply"],
        ] {
            assert!(options(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_target_is_one_of_the_package() {
        for target in TARGETS {
            let file = root().join(format!("fuzz/fuzz_targets/{target}.rs"));
            assert!(file.is_file(), "{}", file.display());
            assert!(root().join("fuzz/corpus").join(target).is_dir(), "{target}");
        }
    }
}
