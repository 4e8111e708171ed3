//! The alerts for Prometheus and the queries of the dashboard, with Prometheus' own programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::Program;
use super::servers::run_quietly;
use super::suites::load_of;
use super::task::{Attempt, Task};
use crate::command::{root, run, target_dir};
use crate::tools::{find_in_path, find_prometheus};

const NAME: &str = "alerts and dashboard";
/// The package of Debian and Ubuntu that has it.
const PACKAGE: &str = "prometheus";
const ALERTS: &str = "prometheus/alerts.yaml";
const TESTS: &str = "prometheus/alerts_test.yaml";
const DASHBOARD: &str = "grafana/scheduled-one.json";

pub(super) fn task() -> Task {
    Task::check(NAME, check).repeated_by(format!("promtool test rules {TESTS}"))
}

fn check() -> Result<Attempt, String> {
    let promtool = match find_in_path("promtool").map_or_else(|| fetch("promtool"), Ok) {
        Ok(promtool) => promtool,
        Err(reason) => {
            return Ok(Attempt::Skipped(format!(
                "there is no promtool (`apt-get install prometheus`): {reason}"
            )));
        }
    };
    let queries = target_dir().join("tools/dashboard.yaml");
    let dashboard = fs::read_to_string(root().join(DASHBOARD));
    let dashboard = dashboard.map_err(|error| format!("{DASHBOARD}: {error}"))?;
    fs::write(&queries, as_rules(&dashboard)?).map_err(|error| error.to_string())?;
    let promtool = |args: [&str; 2], file: &Path| {
        let mut command = Command::new(&promtool);
        command.args(args).arg(file).current_dir(root());
        run(command)
    };
    promtool(["check", "rules"], Path::new(ALERTS))?;
    promtool(["test", "rules"], Path::new(TESTS))?;
    promtool(["check", "rules"], &queries)?;
    Ok(Attempt::Passed)
}

/// The queries of a dashboard as recording rules, which promtool can check.
fn as_rules(dashboard: &str) -> Result<String, String> {
    let dashboard: serde_json::Value =
        serde_json::from_str(dashboard).map_err(|error| format!("{DASHBOARD}: {error}"))?;
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, target) in targets.enumerate() {
        let query = target["expr"].as_str().ok_or("a target has no `expr`")?;
        let query = query
            .replace("$__rate_interval_ms", "300000")
            .replace("$__rate_interval", "5m")
            .replace("$__range_s", "86400")
            .replace("$__range", "1d");
        // A text of JSON is one of YAML.
        let query = serde_json::Value::from(query);
        rules += &format!("      - {{record: \"query:{index}\", expr: {query}}}\n");
    }
    Ok(rules)
}

/// Whether the tests of the program have a Prometheus evaluate queries.
pub(super) fn needs_prometheus(program: &Program) -> bool {
    program.package == "scheduled-one-runtime" && program.target == "metrics"
}

/// The suite, with a Prometheus. Where none can be had, the test that wants it says that it is left out.
pub(super) fn suite(suite: &Program) -> Task {
    let mut task = suite.tests(load_of(&suite.name()));
    let prometheus = find_prometheus().map_or_else(|| fetch("prometheus"), Ok);
    match (prometheus, task.command_mut()) {
        (Ok(path), Some(command)) => {
            command.env("PROMETHEUS", path);
        }
        (Err(reason), _) => println!("no prometheus: {reason}"),
        (Ok(_), None) => {}
    }
    task
}

/// Unpacks a program of Debian's package, without installing it.
fn fetch(program: &str) -> Result<PathBuf, String> {
    let folder = target_dir().join("tools/promtool");
    let program = folder.join("usr/bin").join(program);
    if program.is_file() {
        return Ok(program);
    }
    let apt_get = find_in_path("apt-get").ok_or("it is not in PATH, and there is no apt-get")?;
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut download = Command::new(apt_get);
    download.args(["download", PACKAGE]).current_dir(&folder);
    run_quietly(download, &folder)?;
    let files = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    let package = paths.find(|path| path.extension().is_some_and(|it| it == "deb"));
    let package = package.ok_or("`apt-get download prometheus` has fetched nothing")?;
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").args([&package, &folder]);
    run_quietly(unpack, &folder)?;
    fs::remove_file(package).map_err(|error| error.to_string())?;
    match program.is_file() {
        true => Ok(program),
        false => Err(format!(
            "the package {PACKAGE} has no {}",
            program.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_rules_with_intervals() {
        let dashboard =
            r#"{"panels": [{"type": "row"}, {"targets": [{"expr": "a{b=\"c\"}[$__range]"}]}]}"#;
        let of_seconds = dashboard.replace("$__range]", "$__range] > $__range_s");
        for (dashboard, expected) in [(dashboard, "[1d]"), (&of_seconds, "[1d] > 86400")] {
            let rules = as_rules(dashboard).unwrap();
            let end =
                format!("      - {{record: \"query:0\", expr: \"a{{b=\\\"c\\\"}}{expected}\"}}\n");
            assert!(rules.ends_with(&end), "{rules}");
        }
        assert!(as_rules("{").is_err());
    }
}
