//! The machine and the versions of a measurement.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use test_support::find_redis_server;

/// All versions of crates that go into this program.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Name and text of each fact.
pub(crate) fn describe() -> Result<Vec<(&'static str, String)>> {
    let redis = find_redis_server().context("no redis-server")?;
    let redis = said(&redis.to_string_lossy(), &["--version"]);
    let redis = redis.split_whitespace().find(|word| word.starts_with("v="));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let crates = ["deadpool-redis", "redis", "tokio", "tokio-cron-scheduler"];
    let crates = crates.map(|name| format!("{name} {}", locked(name)));
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Ok(vec![
        (
            "date",
            scheduled_one_runtime::jiff::Timestamp::now()
                .strftime("%F %R UTC")
                .to_string(),
        ),
        ("commit", commit()),
        ("machine", format!("{cores} cores, {}", cpu_model())),
        ("kernel", kernel()),
        ("load before", load()),
        (
            "rustc",
            format!("{} ({profile})", said("rustc", &["--version"])),
        ),
        ("redis", redis.unwrap_or("unknown").replace("v=", "")),
        ("crates", crates.join(", ")),
    ])
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model
        .map_or("unknown processor", |(_, model)| model)
        .to_owned()
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim())
}

/// How busy the machine is with other things, over 1, 5 and 15 minutes.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    match said("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        "" => commit,
        _ => format!("{commit}, with changes"),
    }
}

/// What a program prints; empty if it cannot be run.
fn said(program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().map(|output| output.stdout);
    let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
    text.trim().to_owned()
}

fn locked(name: &str) -> &'static str {
    let (_, after) = LOCK
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .unwrap_or_default();
    after.split('"').next().unwrap_or_default()
}
