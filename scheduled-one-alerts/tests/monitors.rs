//! Signs to monitors outside, against a server that the test starts.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod server;

use scheduled_one_alerts::{
    DeliveryError, Healthchecks, Monitor, MonitorSchedule, RunEnd, RunInfo, SentryCrons,
};
use scheduled_one_protocol::Outcome;
use serde_json::Value;

use server::{Answer, Received, Server, ok};

const NOW_MS: i64 = 1_767_225_600_000;

fn run(job: &str, at_ms: i64) -> RunInfo {
    RunInfo {
        namespace: "shop".to_owned(),
        job: job.to_owned(),
        tick_ms: at_ms,
        attempt: 1,
        started_ms: at_ms,
        schedule: MonitorSchedule::cron("0 30 2 * * *"),
        zone: "Asia/Shanghai".to_owned(),
    }
}

fn end(at_ms: i64, outcome: Outcome) -> RunEnd {
    RunEnd {
        ended_ms: at_ms,
        outcome,
        error: "disk full".to_owned(),
    }
}

fn healthchecks(server: &Server) -> Healthchecks {
    Healthchecks::new("PINGKEY")
        .address(server.url("/ping"))
        .create()
        .prefix("shop-")
}

fn id(request: &Received) -> &str {
    request
        .line
        .split("rid=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
}

#[tokio::test]
async fn a_run_is_two_pings_with_one_id() {
    let server = Server::start([ok()]).await;
    let monitor = healthchecks(&server);
    monitor.check().await.unwrap();
    let run = run("nightly", NOW_MS);
    monitor.started(&run).await.unwrap();
    monitor
        .ended(&run, &end(NOW_MS + 1, Outcome::Ok))
        .await
        .unwrap();
    let pings = server.received();
    let rid = id(&pings[0]);
    assert_eq!(rid.len(), 36);
    let path = "POST /ping/PINGKEY/shop-nightly";
    let lines: Vec<&str> = pings.iter().map(|it| &*it.line).collect();
    let expected = [
        format!("{path}/start?rid={rid}&create=1"),
        format!("{path}?rid={rid}&create=1"),
    ];
    assert_eq!(lines, expected);
    assert!(pings.iter().all(|ping| ping.body.is_empty()));
}

#[tokio::test]
async fn a_failure_is_sent_with_its_error_and_what_did_not_run_is_not_sent() {
    let server = Server::start([ok()]).await;
    let monitor = healthchecks(&server);
    let run = run("nightly", NOW_MS);
    for outcome in [Outcome::Skipped, Outcome::Missed] {
        monitor.ended(&run, &end(NOW_MS, outcome)).await.unwrap();
    }
    assert!(server.received().is_empty());
    monitor.started(&run).await.unwrap();
    let long = RunEnd {
        error: "ä".repeat(20_000),
        ..end(NOW_MS + 1, Outcome::Panicked)
    };
    monitor.ended(&run, &long).await.unwrap();
    let pings = server.received();
    assert!(
        pings[1].line.contains("/shop-nightly/fail?"),
        "{}",
        pings[1].line
    );
    let body = std::str::from_utf8(&pings[1].body).unwrap();
    assert!(body.starts_with("panicked: ä") && body.len() <= 10_000);
}

#[tokio::test]
async fn a_ping_that_fails_is_sent_again_with_the_same_id() {
    let busy = Answer::Reply(503, String::new());
    let server = Server::start([busy, Answer::Close, ok()]).await;
    let run = run("nightly", NOW_MS);
    healthchecks(&server).started(&run).await.unwrap();
    let pings = server.received();
    assert_eq!(pings.len(), 3);
    assert!(pings.iter().all(|ping| ping.line == pings[0].line));
}

#[tokio::test]
async fn what_healthchecks_says_with_a_good_status_is_understood() {
    for (status, body) in [
        (200, "OK (not found)"),
        (200, "OK (rate limited)"),
        (404, "not found"),
    ] {
        let server = Server::start([Answer::Reply(status, body.to_owned())]).await;
        let error = healthchecks(&server)
            .started(&run("a", NOW_MS))
            .await
            .unwrap_err();
        assert!(matches!(error, DeliveryError::Refused(_)), "{error:?}");
        assert_eq!(server.received().len(), 1, "not tried again");
        assert!(!error.to_string().contains("PINGKEY"), "{error}");
        assert!(!format!("{:?}", healthchecks(&server)).contains("PINGKEY"));
    }
}

#[tokio::test]
async fn a_job_of_each_second_is_sent_once_a_minute() {
    let server = Server::start([ok()]).await;
    let monitor = healthchecks(&server);
    for second in 0..120 {
        let run = run("busy", NOW_MS + second * 1000);
        monitor.started(&run).await.unwrap();
        let end = end(run.started_ms + 500, Outcome::Ok);
        monitor.ended(&run, &end).await.unwrap();
    }
    assert_eq!(server.received().len(), 4);
}

fn sentry(server: &Server) -> SentryCrons {
    let dsn = format!("http://PUBLICKEY@127.0.0.1:{}/sub/42", server.port);
    SentryCrons::dsn(dsn)
        .environment("production")
        .margin(std::time::Duration::from_secs(90))
}

/// The item of an envelope, whose length is what its header says.
fn item(request: &Received) -> Value {
    let text = std::str::from_utf8(&request.body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let head: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(head["type"], "check_in");
    assert_eq!(head["length"], lines[2].len());
    serde_json::from_str(lines[2]).unwrap()
}

#[tokio::test]
async fn a_run_is_two_check_ins_of_one_id() {
    let server = Server::start([ok()]).await;
    let monitor = sentry(&server);
    monitor.check().await.unwrap();
    let run = run("nightly", NOW_MS);
    monitor.started(&run).await.unwrap();
    monitor
        .ended(&run, &end(NOW_MS + 1_500, Outcome::TimedOut))
        .await
        .unwrap();
    let requests = server.received();
    assert_eq!(requests[0].line, "POST /sub/api/42/envelope/");
    let auth = requests[0].header("x-sentry-auth").unwrap();
    assert!(
        auth.contains("sentry_version=7") && auth.contains("sentry_key=PUBLICKEY"),
        "{auth}"
    );
    let (began, over) = (item(&requests[0]), item(&requests[1]));
    assert_eq!(began["check_in_id"], over["check_in_id"]);
    assert_eq!(
        (&began["status"], &over["status"]),
        (&"in_progress".into(), &"error".into())
    );
    assert_eq!(over["duration"], 1.5);
    assert_eq!(began["monitor_slug"], "nightly");
    assert_eq!(began["environment"], "production");
    let config = &began["monitor_config"];
    assert_eq!(config["schedule"]["type"], "crontab");
    assert_eq!(config["schedule"]["value"], "30 2 * * *");
    assert_eq!(config["timezone"], "Asia/Shanghai");
    assert_eq!(config["checkin_margin"], 2);
}

#[tokio::test]
async fn a_schedule_that_sentry_does_not_know_is_left_alone() {
    let server = Server::start([ok()]).await;
    let monitor = sentry(&server);
    let mut other = run("seconds", NOW_MS);
    other.schedule = MonitorSchedule::cron("*/5 * * * * *");
    monitor.started(&other).await.unwrap();
    let mut interval = run("interval", NOW_MS);
    interval.schedule = MonitorSchedule::every(std::time::Duration::from_secs(300));
    monitor.started(&interval).await.unwrap();
    let items: Vec<Value> = server.received().iter().map(item).collect();
    assert!(items[0].get("monitor_config").is_none());
    assert_eq!(items[1]["monitor_config"]["schedule"]["unit"], "minute");
    assert_eq!(items[1]["monitor_config"]["schedule"]["value"], 5);
}

#[tokio::test]
async fn a_wrong_dsn_is_refused_without_showing_it() {
    for dsn in [
        "https://sentry.io/42",
        "https://KEYKEY@sentry.io/",
        "KEYKEY",
    ] {
        let monitor = SentryCrons::dsn(dsn);
        let error = monitor.check().await.unwrap_err().to_string();
        assert!(error.contains("https://<key>@<host>/<project>"), "{error}");
        assert!(!error.contains("KEYKEY") && !format!("{monitor:?}").contains("KEYKEY"));
    }
}
