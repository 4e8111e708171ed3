//! Settings from environment variables, as deployments deliver them: empty, with white space, or nonsense.
//!
//! A program cannot change its own environment: each test starts this program again, with the name of the test and an
//! environment in which that test is the service.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too
#![allow(
    clippy::print_stdout,
    reason = "a service talks to its test by its output"
)]

use std::env;
use std::process::Command;

use scheduled_one_runtime::{Job, Scheduler, SchedulerBuilder, ZoneData};
use tracing_subscriber::filter::LevelFilter;

/// Set in the service; the value says which.
const SERVICE: &str = "ENVIRONMENT_TEST_SERVICE";
const CRON: &str = "ENVIRONMENT_TEST_CRON";
const ENABLED: &str = "ENVIRONMENT_TEST_ENABLED";
const URL: &str = "ENVIRONMENT_TEST_URL";

/// In the service: which one. In the test itself: `None`.
fn service() -> Option<String> {
    env::var(SERVICE).ok()
}

/// Runs `test` of this program as the service, and returns its output.
fn run(test: &str, service: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    for name in [CRON, ENABLED, URL, "TZDIR"] {
        command.env_remove(name);
    }
    command
        .env(SERVICE, service)
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{variables:?}: {text}"
    );
    text
}

/// The service: a healthy job and one that the environment concerns. It prints its log, its jobs, or its error.
async fn serve(builder: SchedulerBuilder, sick: Job) {
    let healthy = Job::cron("healthy", "0 0 9 * * MON", || async {}).tz("Europe/Berlin");
    serve_with(builder, healthy, sick).await;
}

async fn serve_with(builder: SchedulerBuilder, healthy: Job, sick: Job) {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_ansi(false)
        .init();
    match builder.job(healthy).job(sick).start().await {
        Ok(scheduler) => {
            for job in scheduler.jobs() {
                println!("has {} {}", job.name, job.schedule);
            }
        }
        Err(error) => println!("refused: {error}"),
    }
}

fn sick() -> Job {
    Job::cron("sick", "0 0 9 * * FRI", || async {})
        .cron_env(CRON)
        .enabled_env(ENABLED)
}

async fn serve_sick(service: &str) {
    let enabled = service != "disabled";
    serve(Scheduler::builder("memory://"), sick().enabled(enabled)).await;
}

#[tokio::test]
async fn a_disabled_job_keeps_no_other_from_starting() {
    const TEST: &str = "a_disabled_job_keeps_no_other_from_starting";
    if let Some(service) = service() {
        return serve_sick(&service).await;
    }
    for (service, enabled) in [
        ("disabled", ""),
        ("disabled", " \n"),
        ("enabled", "false"),
        ("enabled", " Off\n"),
    ] {
        for unusable in ["-", "off", "0 0 9", "every morning"] {
            let text = run(TEST, service, &[(CRON, unusable), (ENABLED, enabled)]);
            assert!(text.contains("has healthy"), "{text}");
            assert!(!text.contains("has sick"), "{text}");
            let warning = text.lines().find(|line| line.contains("left out")).unwrap();
            for word in ["WARN", "sick", CRON] {
                assert!(warning.contains(word), "{word} not in: {warning}");
            }
            assert!(text.contains("disabled: sick"), "{text}");
        }
        // Nothing is wrong with these.
        for (usable, schedule) in [
            ("", "FRI"),
            (" ", "FRI"),
            ("0 0 7 * * SUN\n", "0 0 7 * * SUN"),
        ] {
            let text = run(TEST, service, &[(CRON, usable), (ENABLED, enabled)]);
            let sick = text.lines().find(|line| line.contains("has sick")).unwrap();
            assert!(sick.contains(schedule), "{usable:?}: {sick}");
            assert!(
                !text.contains("left out") && text.contains("disabled: sick"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn an_enabled_job_needs_an_expression_that_can_be_used() {
    const TEST: &str = "an_enabled_job_needs_an_expression_that_can_be_used";
    if let Some(service) = service() {
        return serve_sick(&service).await;
    }
    for enabled in ["", "true", " YES\n"] {
        for unusable in ["-", "off", "0 0 9"] {
            let text = run(TEST, "enabled", &[(CRON, unusable), (ENABLED, enabled)]);
            let error = text
                .lines()
                .find(|line| line.contains("refused: "))
                .unwrap();
            for word in ["sick", CRON, "`enabled_env`"] {
                assert!(error.contains(word), "{word} not in: {error}");
            }
        }
        let text = run(
            TEST,
            "enabled",
            &[(CRON, " \t0 0 7 * * SUN \n"), (ENABLED, enabled)],
        );
        assert!(
            text.contains("has sick") && text.contains("0 0 7 * * SUN"),
            "{text}"
        );
        assert!(!text.contains("disabled: "), "{text}");
    }
    // A disabled job that somebody turns on.
    let text = run(TEST, "disabled", &[(ENABLED, "on\n")]);
    assert!(
        text.contains("has sick") && !text.contains("disabled: "),
        "{text}"
    );
    let text = run(TEST, "enabled", &[(ENABLED, "maybe")]);
    assert!(
        text.contains("refused: ") && text.contains("true or false"),
        "{text}"
    );
}

#[tokio::test]
async fn a_service_may_have_no_job_that_runs() {
    if service().is_some() {
        let scheduler = Scheduler::builder("memory://")
            .job(sick().enabled(false))
            .start()
            .await;
        println!("{} jobs", scheduler.unwrap().jobs().len());
        return;
    }
    let text = run(
        "a_service_may_have_no_job_that_runs",
        "disabled",
        &[(CRON, "-")],
    );
    assert!(text.contains("0 jobs"), "{text}");
}

#[tokio::test]
async fn a_url_of_the_environment_has_no_default() {
    const TEST: &str = "a_url_of_the_environment_has_no_default";
    if service().is_some() {
        return serve(Scheduler::builder_from_env(URL), sick()).await;
    }
    for none in [&[][..], &[(URL, "")], &[(URL, "  \n")]] {
        let text = run(TEST, "url", none);
        for word in [
            "refused: ",
            "`builder_from_env`",
            "ENVIRONMENT_TEST_URL=memory://",
        ] {
            assert!(text.contains(word), "{word} not in: {text}");
        }
    }
    for memory in ["memory://", "memory://\n", " MEMORY://shared"] {
        let text = run(TEST, "url", &[(URL, memory)]);
        assert!(
            text.contains("has healthy") && text.contains("has sick"),
            "{text}"
        );
    }
    let text = run(TEST, "url", &[(URL, "redis://:hunter2@ host")]);
    assert!(
        text.contains("refused: ") && !text.contains("hunter2"),
        "{text}"
    );
}

/// The service prints its zone data where an operator looks for them: in the line at start.
fn zone_data_of(text: &str) -> &str {
    let started = text
        .lines()
        .find(|line| line.contains("started: "))
        .unwrap();
    let (_, found) = started.split_once("zone_data=").unwrap();
    found
}

#[tokio::test]
async fn an_empty_folder_of_zone_data_is_none() {
    const TEST: &str = "an_empty_folder_of_zone_data_is_none";
    if service().is_some() {
        return serve(Scheduler::builder("memory://"), sick()).await;
    }
    let here = ZoneData::current().unwrap().to_string();
    for blank in ["", " \n"] {
        let text = run(TEST, "zones", &[("TZDIR", blank)]);
        assert!(text.contains("has healthy"), "{text}");
        assert!(zone_data_of(&text).starts_with(&here), "{here}: {text}");
    }
}

#[tokio::test]
async fn a_folder_of_zone_data_is_read() {
    const TEST: &str = "a_folder_of_zone_data_is_read";
    if service().is_some() {
        let new_york = sick().tz("America/New_York");
        let healthy = Job::cron("healthy", "0 0 9 * * MON", || async {}).tz("America/Vancouver");
        let report = Scheduler::builder("memory://").doctor().await;
        println!("{:?}", report.finding("zone data"));
        return serve_with(Scheduler::builder("memory://"), healthy, new_york).await;
    }
    let folder = format!(
        "{}/../scheduled-one-schedule/tests/zoneinfo",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = run(TEST, "zones", &[("TZDIR", &folder)]);
    let expected = format!("2025b ({folder})");
    assert!(zone_data_of(&text).starts_with(&expected), "{text}");
    let doctor = text
        .lines()
        .find(|line| line.contains("zone data"))
        .unwrap();
    assert!(doctor.contains(&expected), "{doctor}");

    let text = run(TEST, "zones", &[("TZDIR", "/nowhere")]);
    let refused = text
        .lines()
        .find(|line| line.contains("refused: "))
        .unwrap();
    let doctor = text
        .lines()
        .find(|line| line.contains("zone data"))
        .unwrap();
    for line in [refused, doctor] {
        assert!(
            line.contains("TZDIR") && line.contains("/nowhere"),
            "{line}"
        );
    }
}
