//! What the tests need in addition to Rust: found, or said how to get it.

use std::env;
use std::fs;
use std::path::PathBuf;

use test_support::find_in_path;

/// The browser and its driver.
pub(crate) struct Programs {
    pub(crate) driver: PathBuf,
    pub(crate) browser: PathBuf,
}

fn program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    match env::var_os(variable) {
        Some(path) => Some(path.into()),
        None => names.iter().find_map(|name| find_in_path(name)),
    }
}

pub(crate) fn programs() -> Option<Programs> {
    Some(Programs {
        driver: program("CHROMEDRIVER", &["chromedriver"])?,
        browser: program(
            "CHROMIUM",
            &["chromium", "chromium-browser", "google-chrome"],
        )?,
    })
}

/// Whether there is a browser; if not, a line says how to get one.
pub fn browser_is_there() -> bool {
    let is_there = programs().is_some();
    if !is_there {
        say("skipped: no chromium with chromedriver; `apt-get install chromium chromium-driver`");
    }
    is_there
}

/// The script of axe, which looks for what people cannot use; if there is none, a line says how to get it.
pub fn axe() -> Option<String> {
    let usual = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/tools/axe/axe.min.js"
    );
    let path = env::var_os("AXE").map_or_else(|| PathBuf::from(usual), PathBuf::from);
    let script = fs::read_to_string(path).ok();
    if script.is_none() {
        say("skipped: no axe; `cargo xtask test` gets it, or AXE names its axe.min.js");
    }
    script
}

#[allow(clippy::print_stderr, reason = "whoever runs the tests should see it")]
fn say(line: &str) {
    eprintln!("{line}");
}
