//! What failures of a job come to.

use std::time::Duration;

use scheduled_one_schedule::policy::{Backoff, RetryOn};

use crate::job::Job;

impl Job {
    /// How often a failed attempt is tried again under the same lease; 0 to
    /// 100, default 0. Retries give way to a shutdown, and where ticks do not
    /// wait ([`overlap`](Self::overlap)) to the next tick.
    pub fn retries(mut self, retries: u32) -> Self {
        self.policies.retries = Some(retries);
        self
    }

    /// The wait before a retry: random, up to `least` doubled with each
    /// attempt, and at most `most`. Default 1 s to 60 s.
    pub fn backoff(mut self, least: Duration, most: Duration) -> Self {
        self.policies.backoff = Some(Backoff::new(least, most));
        self
    }

    /// What is tried again. Default: errors, panics and timeouts.
    pub fn retry_on(mut self, retry_on: RetryOn) -> Self {
        self.policies.retry_on = Some(retry_on);
        self
    }

    /// After so many failed runs of the schedule in a row, on whichever nodes, the job is paused, with the last error
    /// as note; somebody has to resume it. A run has failed when its last attempt has: failed, panicked, timed out or
    /// lost.
    /// A run of the schedule that is `ok` between two failures begins the count anew, and so does each change of what
    /// operators want. Runs that somebody asked for count neither way: they may have other parameters. 1 to 1,000;
    /// default: never.
    pub fn pause_after(mut self, failures: u32) -> Self {
        self.policies.pause_after = Some(failures);
        self
    }
}
