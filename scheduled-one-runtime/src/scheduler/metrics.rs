//! The metrics of a node, for a program to expose.

use crate::metrics::family::MetricFamily;
use crate::metrics::{MOST_JOBS, openmetrics};
use crate::scheduler::Scheduler;

impl Scheduler {
    /// What the instruments of this node show now, for each of its jobs: runs, durations, lateness, missed ticks, the
    /// store, and more; the list is in
    /// [docs/metrics.md](https://github.com/scheduled-one/scheduled-one/blob/main/docs/metrics.md).
    ///
    /// Counters begin with 0 when the scheduler starts, and each job has all of its metrics from then on. Nothing is
    /// requested of the store. It takes about 10 µs a job.
    ///
    /// ```
    /// # async fn demo(scheduler: scheduled_one_runtime::Scheduler) {
    /// for family in scheduler.metrics() {
    ///     println!("{} has {} values", family.name, family.samples.len());
    /// }
    /// # }
    /// ```
    pub fn metrics(&self) -> Vec<MetricFamily> {
        self.metrics.collect(usize::MAX - 1)
    }

    /// The same as text, in the form of [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/), for
    /// the route `/metrics` of a service. Its content type is
    /// [`OPENMETRICS_CONTENT_TYPE`](crate::OPENMETRICS_CONTENT_TYPE).
    ///
    /// Of more than 1,000 jobs, those behind the first 1,000 by name have one label, `job_name="other"`, together.
    ///
    /// ```
    /// use scheduled_one_runtime::{OPENMETRICS_CONTENT_TYPE, Scheduler};
    ///
    /// /// Content type and body of the response.
    /// fn metrics(scheduler: &Scheduler) -> (&'static str, String) {
    ///     (OPENMETRICS_CONTENT_TYPE, scheduler.openmetrics())
    /// }
    /// ```
    pub fn openmetrics(&self) -> String {
        openmetrics::text(&self.metrics.collect(MOST_JOBS))
    }
}
