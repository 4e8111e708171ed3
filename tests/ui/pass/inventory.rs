//! The jobs of all other modules, and of another crate, as the linker collected them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use scheduled_one_runtime::__private::JOBS;

const EXPECTED: &[&str] = &[
    "every_key/cron",
    "every_key/every",
    "pass::arguments::eight",
    "pass::arguments::patterns",
    "pass::cfg::by_cfg_attr",
    "pass::cfg::stays",
    "pass::clippy_pedantic::unit",
    "pass::clippy_pedantic::with_all",
    "pass::deny_warnings::job",
    "pass::deny_warnings::unit",
    "pass::every_key::largest",
    "pass::every_key::smallest",
    "pass::forbid_unsafe_code::job",
    "pass::from_macro::first",
    "pass::from_macro::second",
    "pass::lint_levels::allowed",
    "pass::lint_levels::camelCase",
    "pass::lint_levels::deprecated",
    "pass::lint_levels::expected",
    "pass::minimal::job",
    "pass::plain_call::job",
    "pass::private_and_nested::inner::deeper::private",
    "pass::private_and_nested::inner::deeper::visible",
    "pass::private_and_nested::local",
    "pass::raw_identifier::match",
    "pass::restrictions::at_night",
    "pass::restrictions::in_office_hours",
    "pass::returns_result::box_error",
    "pass::returns_result::boxed",
    "pass::returns_result::io_error",
    "pass::returns_result::opaque",
    "pass::returns_result::opaque_error",
    "pass::returns_result::own_error",
    "pass::returns_result::string",
    "pass::returns_result::unit",
    "pass::returns_result::with_anyhow",
    "pass::shadowed_names::argument",
    "pass::shadowed_names::function",
    "pass::shadowed_names::returned",
    "pass::spawn_blocking::checks_job",
    "pass::spawn_blocking::report_job",
    "pass::spawn_blocking::totals_job",
    "pass::two_schedules::job",
    "policies/all",
    "policies/every_node",
    "policies/fifth",
    "policies/fourth",
    "policies/second",
    "policies/third",
    "runs",
    "two_schedules/evening",
    "two_schedules/morning",
    "ui_tests_renamed::by_path",
    "ui_tests_renamed::in_quotes",
];

/// All that a job shows of itself, by its name.
fn jobs() -> BTreeMap<String, String> {
    // A crate that nobody refers to is not linked, and its jobs are not there.
    let _ = ui_tests_renamed::by_path;
    let mut jobs = BTreeMap::new();
    for declared in JOBS {
        let shown = format!("{:?}", (declared.make)());
        let name = between(&shown, "name: \"", "\"").to_owned();
        assert!(jobs.insert(name, shown).is_none(), "two jobs of one name");
    }
    jobs
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).expect(text);
    rest.split_once(after).expect(text).0
}

#[test]
fn names() {
    let jobs = jobs();
    let names: Vec<&String> = jobs.keys().collect();
    assert_eq!(names, EXPECTED);
}

/// A job says where its attribute stands, which is above its function.
#[test]
fn places() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, shown) in jobs() {
        let mut place = between(&shown, "declared_at: ", ",").rsplitn(3, ':');
        let mut number = || place.next().unwrap().parse::<usize>().unwrap();
        let (column, line) = (number(), number());
        let source = fs::read_to_string(root.join(place.next().unwrap())).unwrap();
        let lines: Vec<&str> = source.lines().skip(line - 1).collect();
        let at = lines.join("\n").split_off(column - 1);
        let function = name.rsplit("::").next().unwrap();
        let is_there = match at.strip_prefix("job!(") {
            Some(arguments) => arguments.starts_with(function),
            None => {
                let (attribute, rest) = at.split_once(" fn ").unwrap();
                attribute
                    .trim_start_matches("#[")
                    .starts_with("scheduled_one(")
                    && (rest.trim_start_matches("r#").starts_with(function)
                        || attribute.contains(&name))
            }
        };
        assert!(is_there, "{name} is not declared at {line}:{column}: {at}");
    }
}

/// Parts of the debug output of each job, as its keys require.
const KEYS: &[(&str, &[&str])] = &[
    (
        "every_key/cron",
        &[
            r#"Cron("0 0 9 * * MON"), zone: Some("Asia/Shanghai")"#,
            "lease: Some(10s)",
            "timeout: Some(5400s)",
        ],
    ),
    (
        "every_key/every",
        &[
            "Every { period: 90s, offset: 10s }",
            "lease: None",
            "timeout: None",
            "overlap: None",
        ],
    ),
    (
        "pass::restrictions::in_office_hours",
        &[
            r#"start: Some("2026-03-01T00:00"), end: Some("2030-01-01T00:00+01:00")"#,
            r#"within: Some("08:00-12:00, 13:00-18:00")"#,
            r#"except: Some(["SAT", "SUN", "2026-12-24..2027-01-01", "2026-05-01", "12-25", "de-holidays"])"#,
        ],
    ),
    (
        "policies/all",
        &[
            "overlap: Some(Skip)",
            "misfire: Some(RunOnce)",
            "catch_up: Some(7200s)",
            "start_deadline: Some(30s)",
            "jitter: Some(10s)",
            "lease: Some(10s)",
            "on_lease_lost: Some(Cancel)",
            "on_node_loss: Some(Record)",
            "timeout: Some(600s)",
            "timeout_total: Some(600s)",
            "retries: Some(3)",
            "backoff: Some(Backoff { least: 500ms, most: 30s })",
            "retry_on: Some(RetryOn { error: true, panic: false, timeout: true })",
            "scope: Some(One)",
            "shards: Some(4)",
        ],
    ),
    (
        "policies/second",
        &[
            "overlap: Some(QueueOne)",
            "misfire: Some(RunAll)",
            "on_lease_lost: Some(Finish)",
            "retry_on: Some(RetryOn { error: false, panic: true, timeout: false })",
            "backoff: Some(Backoff { least: 0ns, most: 0ns })",
            "jitter: Some(89.999s)",
            "scope: None",
        ],
    ),
    (
        "policies/third",
        &[
            "overlap: Some(QueueAll(1000))",
            "misfire: Some(Skip)",
            "on_node_loss: Some(Rerun(100))",
            "retry_on: Some(RetryOn { error: true, panic: true, timeout: true })",
        ],
    ),
    (
        "policies/fourth",
        &["overlap: Some(CancelRunning)", "retries: Some(0)"],
    ),
    (
        "policies/fifth",
        &["overlap: Some(Allow(2))", "retries: None"],
    ),
    (
        "policies/every_node",
        &["scope: Some(EveryNode)", "retries: Some(2)"],
    ),
];

#[test]
fn what_the_keys_say() {
    let jobs = jobs();
    for (job, parts) in KEYS {
        let shown = &jobs[*job];
        for part in *parts {
            assert!(shown.contains(part), "no {part} in {shown}");
        }
    }
}
