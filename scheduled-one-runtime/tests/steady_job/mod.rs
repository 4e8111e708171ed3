//! A scheduler with one job that notes its runs while the servers of its store fail over.

#![allow(dead_code)] // no test file uses every method

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::{Job, JobContext, Scheduler, SchedulerBuilder};
use test_support::wait_until_async;

/// Time for a failover and a quarantine on a slow machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

const EVERY: Duration = Duration::from_millis(200);

/// A started scheduler, and the runs of its job `tick`, due every 200 ms.
pub(crate) struct SteadyJob {
    scheduler: Scheduler,
    /// Tick and fencing token of each run.
    runs: Arc<Mutex<Vec<(i64, u64)>>>,
}

impl SteadyJob {
    /// Starts a scheduler, and waits until its job runs.
    pub(crate) async fn start(builder: SchedulerBuilder) -> Self {
        let runs: Arc<Mutex<Vec<(i64, u64)>>> = Arc::default();
        let noted = Arc::clone(&runs);
        let job = Job::every("tick", EVERY, move |ctx: JobContext| {
            let run = (ctx.scheduled_at().as_millisecond(), ctx.fencing_token());
            noted.lock().unwrap().push(run);
            async {}
        });
        // A short lease makes a short quarantine.
        let builder = builder.namespace("test").lease(Duration::from_millis(500));
        let scheduler = Box::pin(builder.job(job).start()).await.unwrap();
        let steady_job = SteadyJob { scheduler, runs };
        steady_job.expect_more_runs("at first").await;
        steady_job
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    pub(crate) fn count(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    /// Waits until the job has run twice from now: the first may have been granted before.
    pub(crate) async fn expect_more_runs(&self, when: &str) {
        let more = self.count() + 2;
        let what = format!("jobs run {when}");
        wait_until_async(&what, BOUND, async || self.count() >= more).await;
    }

    /// Stops the scheduler, and asserts that each tick ran once, with increasing fencing tokens.
    pub(crate) async fn stop(self) {
        self.scheduler.shutdown(Duration::from_secs(10)).await;
        let runs = self.runs.lock().unwrap();
        for pair in runs.windows(2) {
            assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{pair:?}");
        }
    }
}
