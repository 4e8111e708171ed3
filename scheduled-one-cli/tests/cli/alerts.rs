//! Alerts: what fires, and a message that a node sends to try a channel.

use scheduled_one_runtime::alerts::{Alert, Alerts, BoxFuture, Channel, DeliveryError, Rules};
use scheduled_one_runtime::{Job, Scheduler};
use tempfile::TempDir;

use crate::world::{World, run, same_as_snapshot, wait_until, without_chance};

/// A channel that takes everything, or nothing.
#[derive(Debug)]
pub(crate) struct Receiver(pub(crate) &'static str, pub(crate) bool);

impl Channel for Receiver {
    fn name(&self) -> &str {
        self.0
    }

    fn deliver<'a>(
        &'a self,
        _alert: &'a Alert,
        _now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            match self.1 {
                true => Ok(()),
                false => Err(DeliveryError::Refused("no such room".to_owned())),
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_tried_and_what_fires_is_shown() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}/jobs.db", folder.path().display());
    let alerts = Alerts::new(Rules::default())
        .every(std::time::Duration::from_secs(1))
        .notify(Receiver("good", true))
        .notify(Receiver("bad", false));
    let job = Job::every("fails", std::time::Duration::from_secs(1), || async {
        Err::<(), _>("no paper")
    });
    let scheduler = Scheduler::builder(&url)
        .node_name("n1")
        .job(job)
        .only(["fails"])
        .alerts(alerts);
    let _scheduler = Box::pin(scheduler.start()).await.unwrap();
    let mut text = String::new();
    for arguments in [
        &["alerts", "test", "good"][..],
        &["alerts", "test", "bad"],
        &["alerts", "test", "none"],
        &["alerts", "test", "good", "-o", "json"],
    ] {
        let ran = run(&url, arguments);
        let status = ran.status;
        text += &format!(
            "$ scheduled-one {}\n{}{}= {status}\n",
            arguments.join(" "),
            ran.out,
            ran.err
        );
    }
    same_as_snapshot("alerts.txt", &without_chance(&text));
    wait_until("the failure fires", || {
        run(&url, &["alerts", "show"])
            .out
            .contains("fails: failed since ")
    });
    let shown = run(&url, &["alerts", "show", "-o", "json"]).out;
    assert!(shown.contains("\"is_evaluated\": true"), "{shown}");
    // It is not among the jobs.
    let jobs = run(&url, &["jobs", "-o", "name"]);
    assert_eq!(jobs.out, "fails\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_alerts_says_so() {
    let world = World::start().await;
    for arguments in [&["alerts", "show"][..], &["alerts", "test", "slack"]] {
        let ran = world.run(arguments);
        assert!(
            ran.status != 0 && ran.err.contains("`.alerts(…)`"),
            "{}: {}",
            ran.status,
            ran.err
        );
    }
}
