//! Alerts over a scheduler that runs: a job fails, is paused, and recovers.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::BoxFuture;
use scheduled_one_runtime::alerts::{
    Alert, AlertState, Alerts, Channel, DeliveryError, JobRules, Rules, Source,
};
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Scheduler, State};
use test_support::wait_until_async;

const BOUND: Duration = Duration::from_secs(20);

/// A channel that keeps what it is sent.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Channel for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        _now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            self.0.lock().unwrap().push(alert.title());
            Ok(())
        })
    }
}

impl Kept {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn work(State(is_broken): State<Arc<AtomicBool>>) -> Result<(), std::io::Error> {
    match is_broken.load(Ordering::SeqCst) {
        true => Err(std::io::Error::other("disk full")),
        false => Ok(()),
    }
}

struct World {
    clock: ManualClock,
    scheduler: Scheduler,
    alerts: Alerts,
    kept: Kept,
    state: AlertState,
}

impl World {
    async fn start(rules: JobRules, is_broken: &Arc<AtomicBool>) -> Self {
        let clock = ManualClock::new();
        let scheduler = Scheduler::builder("memory://")
            .clock(clock.clone())
            .state(Arc::clone(is_broken))
            .job(Job::every("a", Duration::from_secs(3600), work))
            .start()
            .await
            .unwrap();
        let kept = Kept::default();
        let rules = Rules::new("shop").all_jobs(rules);
        let state = AlertState::new(scheduler.facts().await.unwrap().at_ms);
        World {
            clock,
            alerts: Alerts::new(rules).notify(kept.clone()),
            scheduler,
            kept,
            state,
        }
    }

    /// Goes on to the next tick, and waits for its line.
    async fn next_tick(&self) {
        let lines = async || self.scheduler.ledger("a", 100).await.unwrap().len();
        let before = lines().await;
        let next_ms = self.scheduler.jobs()[0].next_ticks[0].as_millisecond();
        let wait_ms = next_ms - self.clock.wall().as_millis() as i64;
        self.clock.advance(Duration::from_millis(wait_ms as u64));
        wait_until_async("the tick has a line", BOUND, async || {
            lines().await > before
        })
        .await;
    }

    /// Evaluates, and again when other alerts could have joined.
    async fn said(&mut self) -> Vec<String> {
        for wait_s in [0, 40] {
            self.clock.advance(Duration::from_secs(wait_s));
            let (alerts, state) = (&self.alerts, &mut self.state);
            alerts.evaluate_once(&self.scheduler, state).await.unwrap();
            let now_ms = self.scheduler.facts().await.unwrap().at_ms;
            alerts.deliver_once(state, now_ms).await;
        }
        self.kept.take()
    }
}

#[tokio::test]
async fn a_job_that_fails_is_said_once_and_when_it_recovers() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let mut world = World::start(JobRules::new().failed(2), &is_broken).await;
    world.next_tick().await;
    assert!(world.said().await.is_empty(), "one failure is not two");
    world.next_tick().await;
    assert_eq!(world.said().await, ["[firing] a: failed"]);
    assert!(world.said().await.is_empty());
    is_broken.store(false, Ordering::SeqCst);
    world.next_tick().await;
    let said = world.said().await;
    assert!(
        said.len() == 1 && said[0].starts_with("[resolved] a: failed"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_paused_job_is_not_without_success() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let rules = JobRules::new().no_success(hours(2)).paused_longer(hours(5));
    let mut world = World::start(rules, &is_broken).await;
    world.next_tick().await;
    let control = world.scheduler.control().unwrap();
    // The node says with its list of jobs that it knows pauses: a heartbeat or two later.
    wait_until_async("the job is paused", BOUND, async || {
        world.clock.advance(Duration::from_secs(1));
        control.pause("a").await.is_ok()
    })
    .await;
    assert!(world.said().await.is_empty());
    world.clock.advance(hours(4));
    assert!(world.said().await.is_empty());
    world.clock.advance(hours(2));
    assert_eq!(world.said().await, ["[firing] a: paused for long"]);
}
