//! Jobs that are registered and not due.

use scheduled_one_runtime::Job;

/// A schedule without a tick during a measurement, except at New Year.
pub(crate) const NEXT_YEAR: &str = "0 0 0 1 1 *";

/// A job that is not due.
pub(crate) fn dormant(index: usize) -> Job {
    Job::cron(format!("job-{index:06}"), NEXT_YEAR, || async {})
}
