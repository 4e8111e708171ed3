//! Not more pings than a monitor takes: of a job that runs often, one run a minute, and each change for the worse or
//! the better.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The start of a run is reported if none was in this time.
const BETWEEN_RUNS_MS: i64 = 60_000;

/// The end of a run whose start was not reported, if it differs from the end before, and none was in this time.
const BETWEEN_CHANGES_MS: i64 = 15_000;

/// Runs of one job at the same time whose starts were reported.
const MAX_OPEN: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Pings>>);

#[derive(Debug, Default)]
struct Pings {
    started_ms: Option<i64>,
    ended_ms: Option<i64>,
    failed: bool,
    open: Vec<String>,
}

impl Pace {
    /// Whether to report the start of a run.
    pub(super) fn start(&self, job: &str, run: &str, now_ms: i64) -> bool {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pings = jobs.entry(job.to_owned()).or_default();
        let is_soon = |at_ms: i64| (now_ms - at_ms) < BETWEEN_RUNS_MS;
        if pings.started_ms.is_some_and(is_soon) {
            return false;
        }
        pings.started_ms = Some(now_ms);
        pings.open.push(run.to_owned());
        if pings.open.len() > MAX_OPEN {
            pings.open.remove(0);
        }
        true
    }

    /// Whether to report the end of a run.
    pub(super) fn end(&self, job: &str, run: &str, now_ms: i64, failed: bool) -> bool {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pings = jobs.entry(job.to_owned()).or_default();
        let open = pings.open.iter().position(|it| it == run);
        let is_soon = |at_ms: i64| (now_ms - at_ms) < BETWEEN_CHANGES_MS;
        let is_change = failed != pings.failed && !pings.ended_ms.is_some_and(is_soon);
        if open.is_none() && !is_change {
            return false;
        }
        if let Some(at) = open {
            pings.open.remove(at);
        }
        pings.ended_ms = Some(now_ms);
        pings.failed = failed;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_each_second_is_one_run_a_minute() {
        let pace = Pace::default();
        let mut sent = 0;
        for second in 0..180 {
            let run = second.to_string();
            sent += usize::from(pace.start("a", &run, second * 1000));
            sent += usize::from(pace.end("a", &run, second * 1000 + 500, false));
        }
        assert_eq!(sent, 6);
        // Another job has a pace of its own.
        assert!(pace.start("b", "1", 0));
    }

    #[test]
    fn a_failure_in_between_is_reported_at_once_and_once() {
        let pace = Pace::default();
        assert!(pace.start("a", "1", 0) && pace.end("a", "1", 1, false));
        assert!(!pace.start("a", "2", 20_000));
        assert!(pace.end("a", "2", 20_001, true));
        assert!(!pace.end("a", "3", 21_000, true));
        assert!(!pace.end("a", "4", 22_000, false), "too soon");
        assert!(pace.end("a", "5", 36_000, false));
    }
}
