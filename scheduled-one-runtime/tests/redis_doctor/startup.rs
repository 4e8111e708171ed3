//! A start reports what the doctor finds: as warnings in the log, or as its error.

use std::time::Duration;

use scheduled_one_runtime::{Job, Scheduler};
use test_support::Log;

use crate::started;

#[tokio::test]
async fn a_start_logs_its_warnings_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = test_support::subscribe(subscriber);
    let managed = started(&["--maxmemory-policy", "volatile-lru"]);
    let job = Job::every("tick", Duration::from_secs(3600), || async {});
    let scheduler = Scheduler::builder(managed.url())
        .job(job)
        .start()
        .await
        .unwrap();
    drop(guard);
    let (warnings, log) = (log.lines_with("doctor: "), log.text());
    assert_eq!(warnings.len(), 1, "{log}");
    for words in [
        "WARN",
        "doctor: maxmemory-policy is volatile-lru",
        "check=\"eviction\"",
    ] {
        assert!(warnings[0].contains(words), "{log}");
    }
    drop(scheduler);
}
