//! A scheduler whose job notes its runs, while servers fail over beneath it.

#![allow(dead_code)] // not every test file uses all of it

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::{Job, JobContext, Scheduler, SchedulerBuilder};
use test_support::wait_until_async;

/// Failover, quarantine, and a slow machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

const EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Going {
    scheduler: Scheduler,
    /// Tick and fencing token of each run.
    runs: Arc<Mutex<Vec<(i64, u64)>>>,
}

impl Going {
    /// Starts a scheduler, and waits until its job runs.
    pub(crate) async fn start(builder: SchedulerBuilder) -> Self {
        let runs: Arc<Mutex<Vec<(i64, u64)>>> = Arc::default();
        let noted = Arc::clone(&runs);
        let job = Job::every("tick", EVERY, move |ctx: JobContext| {
            let run = (ctx.scheduled_at().timestamp_millis(), ctx.fencing_token());
            noted.lock().unwrap().push(run);
            async {}
        });
        // A short lease makes a short quarantine.
        let builder = builder.namespace("test").lease(Duration::from_millis(500));
        let scheduler = Box::pin(builder.job(job).start()).await.unwrap();
        let going = Going { scheduler, runs };
        going.goes_on("at first").await;
        going
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    pub(crate) fn count(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    /// Waits until the job has run twice from now: the first may have been granted before.
    pub(crate) async fn goes_on(&self, when: &str) {
        let more = self.count() + 2;
        let what = format!("jobs run {when}");
        wait_until_async(&what, BOUND, async || self.count() >= more).await;
    }

    /// Stops it, and looks whether each tick ran once, with tokens that increase.
    pub(crate) async fn stop(self) {
        self.scheduler.shutdown(Duration::from_secs(10)).await;
        let runs = self.runs.lock().unwrap();
        for pair in runs.windows(2) {
            assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{pair:?}");
        }
    }
}
