//! Not more pings than a monitor takes: of a job that runs often, one run a minute, and each change for the worse or
//! the better.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// One run is reported in this time.
const MINUTE_MS: i64 = 60_000;

/// The end of a run whose start was not reported, if it differs from the end before, and none was in this time.
const BETWEEN_CHANGES_MS: i64 = 15_000;

/// Runs of one job at the same time whose starts were reported.
const MAX_OPEN: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Pings>>);

#[derive(Debug, Default)]
struct Pings {
    /// Tick and start of the run whose start was reported last.
    started: Option<(i64, i64)>,
    ended_ms: Option<i64>,
    failed: bool,
    open: Vec<String>,
}

impl Pace {
    /// Whether to report the start of a run. Runs that are on time count by the minutes of their ticks: starts are
    /// some milliseconds off, so those of a job of each minute are at times less than a minute apart. Ticks that are
    /// caught up with count by their starts.
    pub(super) fn start(&self, job: &str, run: &str, tick_ms: i64, now_ms: i64) -> bool {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pings = jobs.entry(job.to_owned()).or_default();
        let minute = |tick_ms: i64| tick_ms.div_euclid(MINUTE_MS);
        let is_late = now_ms - tick_ms >= MINUTE_MS;
        let is_soon = |(last_tick_ms, last_ms): (i64, i64)| {
            now_ms - last_ms < MINUTE_MS && (is_late || minute(last_tick_ms) == minute(tick_ms))
        };
        if pings.started.is_some_and(is_soon) {
            return false;
        }
        pings.started = Some((tick_ms, now_ms));
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
            sent += usize::from(pace.start("a", &run, second * 1000, second * 1000 + 7));
            sent += usize::from(pace.end("a", &run, second * 1000 + 500, false));
        }
        assert_eq!(sent, 6);
        // Another job has a pace of its own.
        assert!(pace.start("b", "1", 0, 0));
    }

    #[test]
    fn each_run_of_a_job_of_each_minute_is_one() {
        let pace = Pace::default();
        for (minute, late_ms) in [(0, 80), (1, 10), (2, 900), (3, 0)] {
            let tick_ms = minute * MINUTE_MS;
            assert!(pace.start("a", "run", tick_ms, tick_ms + late_ms));
        }
    }

    #[test]
    fn ticks_that_are_caught_up_with_are_one_run_a_minute() {
        let pace = Pace::default();
        let now_ms = 100 * MINUTE_MS;
        let start =
            |minute, after_ms| pace.start("a", "run", minute * MINUTE_MS, now_ms + after_ms);
        assert!(start(90, 0));
        assert!(!start(91, 10) && !start(92, 20));
        assert!(start(100, 30), "it is on time");
        assert!(start(93, MINUTE_MS + 30));
    }

    #[test]
    fn a_takeover_of_a_tick_is_a_run() {
        let pace = Pace::default();
        assert!(pace.start("a", "1", 0, 0));
        assert!(!pace.start("a", "2", 0, 20_000));
        assert!(pace.start("a", "3", 0, 2 * MINUTE_MS));
    }

    #[test]
    fn a_failure_in_between_is_reported_at_once_and_once() {
        let pace = Pace::default();
        assert!(pace.start("a", "1", 0, 0) && pace.end("a", "1", 1, false));
        assert!(!pace.start("a", "2", 20_000, 20_000));
        assert!(pace.end("a", "2", 20_001, true));
        assert!(!pace.end("a", "3", 21_000, true));
        assert!(!pace.end("a", "4", 22_000, false), "too soon");
        assert!(pace.end("a", "5", 36_000, false));
    }
}
