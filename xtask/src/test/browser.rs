//! A browser for the tests of the console: Chromium with its driver from Debian, and the script of axe from a Python
//! package. Where they cannot be had, the suite is a step that is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::Program;
use super::servers::{UNPACK, run_quietly};
use super::suites::load_of;
use super::task::Task;
use crate::command::target_dir;
use crate::tools::{find_in_path, install};

/// The crate with the tests.
const SUITE: &str = "browser-tests";
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];
/// The Python package that carries axe, and where it is inside.
const AXE_PACKAGE: &str = "axe-playwright-python==0.1.8";
const AXE_PATH: &str = "axe_playwright_python/axe.min.js";

/// Whether the program has to have a browser.
pub(super) fn needs_it(program: &Program) -> bool {
    program.package == SUITE && program.kind == "test"
}

/// The suite, with what it needs.
pub(super) fn task(suite: &Program) -> Task {
    if let Err(reason) = chromium() {
        return Task::skip(&suite.name(), &reason);
    }
    let mut task = suite.tests(load_of(&suite.name()));
    match (axe(), task.command_mut()) {
        (Ok(axe), Some(command)) => {
            command.env("AXE", axe);
        }
        // The other tests need none; that of axe says that it is left out.
        (Err(reason), _) => println!("no axe: {reason}"),
        (Ok(_), None) => {}
    }
    task
}

fn chromium() -> Result<(), String> {
    let is_there = || find_in_path("chromium").is_some() && find_in_path("chromedriver").is_some();
    if is_there() {
        return Ok(());
    }
    let way_out = format!(
        "there is no chromium with chromedriver (`apt-get install {}`)",
        PACKAGES.join(" ")
    );
    match install(&PACKAGES) {
        Ok(()) if is_there() => Ok(()),
        Ok(()) => Err(way_out),
        Err(reason) => Err(format!("{way_out}: {reason}")),
    }
}

/// The script of axe, which is fetched if it is missing.
fn axe() -> Result<PathBuf, String> {
    let folder = target_dir().join("tools/axe");
    let script = folder.join("axe.min.js");
    if !script.is_file() {
        fetch(&folder, &script)?;
    }
    Ok(script)
}

fn fetch(folder: &Path, script: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps"]);
    download.args(["--only-binary", ":all:", "--dest"]);
    download.arg(folder).arg(AXE_PACKAGE);
    run_quietly(download, folder)?;
    let files = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    let wheel = paths.find(|path| path.extension().is_some_and(|it| it == "whl"));
    let wheel = wheel.ok_or("pip has fetched nothing")?;
    let mut unpack = Command::new("python3");
    unpack
        .args(["-c", UNPACK])
        .args([&wheel])
        .arg(AXE_PATH)
        .arg(script);
    run_quietly(unpack, folder)?;
    fs::remove_file(wheel).map_err(|error| error.to_string())
}
