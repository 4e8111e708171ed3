//! Runs of annotated functions, with their arguments, and the results that they return.

use std::time::Duration;

use scheduled_one_runtime::{Job, JobContext, Scheduler, State, scheduled_one};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// A scheduler starts within 3 seconds and a job is due at once.
const BOUND: Duration = Duration::from_secs(30);

#[scheduled_one(every = "100ms", name = "runs", description = "Fails after telling")]
async fn tell(ctx: JobContext, State(told): State<UnboundedSender<String>>) -> Result<(), String> {
    let _ = told.send(ctx.job().to_owned());
    Err("told".to_owned())
}

async fn next(told: &mut UnboundedReceiver<String>) -> String {
    timeout(BOUND, told.recv())
        .await
        .expect("no run")
        .expect("no sender")
}

#[tokio::test]
async fn runs() {
    let (sender, mut told) = unbounded_channel();
    let scheduler = Scheduler::builder("memory://")
        .only(["runs"])
        .state(sender)
        .start()
        .await
        .unwrap();
    let description = scheduler.jobs()[0].description.clone();
    assert_eq!(description.as_deref(), Some("Fails after telling"));
    // The second tick is claimed once the first has ended.
    assert_eq!(next(&mut told).await, "runs");
    assert_eq!(next(&mut told).await, "runs");
    scheduler.shutdown(BOUND).await;
    let ledger = scheduler.ledger("runs", 10).await.unwrap();
    assert!(
        ledger.iter().any(|line| line.error == "told"),
        "{ledger:#?}"
    );
}

/// What the arguments need is looked for at the start, not at the first run.
#[tokio::test]
async fn a_missing_state_is_told_at_the_start() {
    let started = Scheduler::builder("memory://").only(["runs"]).start().await;
    let error = started.expect_err("it was started").to_string();
    assert!(error.contains("UnboundedSender"), "{error}");
}

/// The attribute has limits of its own, as it is compiled before the runtime.
/// Its side of them is in `every_key.rs` and in `fail/bad_*.rs`.
#[tokio::test]
async fn the_runtime_has_the_limits_of_the_attribute() {
    let ms = Duration::from_millis;
    for (name, lease, timeout, is_good) in [
        ("n".repeat(128), ms(200), ms(1), true),
        ("n".repeat(129), ms(200), ms(1), false),
        ("A-z_0.9:/".to_owned(), ms(3_600_000), ms(1), true),
        ("n n".to_owned(), ms(200), ms(1), false),
        ("n".to_owned(), ms(199), ms(1), false),
        ("n".to_owned(), ms(3_600_001), ms(1), false),
        ("n".to_owned(), ms(200), ms(0), false),
    ] {
        let job = Job::every(name.clone(), ms(1_000), || async {})
            .lease(lease)
            .timeout(timeout);
        let builder = Scheduler::builder("memory://").only([&name]).job(job);
        let started = builder.start().await;
        assert_eq!(started.is_ok(), is_good, "{name} {lease:?}: {started:?}");
    }
}
