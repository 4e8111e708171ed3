//! What runs of this process have logged, for the page of a run: the beginning and the end of each, in memory.

#![cfg_attr(
    not(any(test, feature = "run-logs")),
    allow(dead_code, reason = "without the layer nothing is kept")
)]

#[cfg(feature = "run-logs")]
mod layer;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of a run: what it logged first, and what it logged last, in bytes.
const HEAD: usize = 16 * 1024;
const TAIL: usize = 48 * 1024;
/// Of a job: runs, and bytes of all of them.
const RUNS: usize = 200;
const BYTES: usize = 4 * 1024 * 1024;
/// Jobs.
const JOBS: usize = 1_000;

/// Keeps what runs of this process log. Clones share it: one is a layer of `tracing-subscriber` (with the feature
/// `run-logs`), another one is given to [`Console::run_logs`](crate::Console::run_logs).
///
/// It keeps the first 16 KiB and the last 48 KiB of a run, the newest 200 runs of a job within 4 MiB, of 1,000 jobs, in
/// memory: a run on another node is in the memory of that node, and all is gone when the process ends. Whoever may see
/// the parameters of a run may see its log.
///
/// ```
/// # #[cfg(feature = "run-logs")] {
/// use scheduled_one_console::RunLogs;
/// use tracing_subscriber::Layer as _;
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let logs = RunLogs::new();
/// let subscriber = tracing_subscriber::registry().with(logs.clone().with_filter(LevelFilter::INFO));
/// # drop(subscriber);
/// // `tracing::subscriber::set_global_default(subscriber)`, and `Console::new(…).run_logs(logs)`
/// # }
/// ```
#[derive(Clone, Default)]
pub struct RunLogs(Arc<Mutex<BTreeMap<String, JobLogs>>>);

#[derive(Default)]
struct JobLogs {
    /// By token, the oldest first.
    runs: VecDeque<(u64, RunLog)>,
    bytes: usize,
}

/// What one run logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunLog {
    /// The beginning, whole lines.
    pub(crate) head: String,
    /// Lines between beginning and end that were not kept.
    pub(crate) left_out: u64,
    /// The end, if it is not in the beginning.
    pub(crate) tail: VecDeque<String>,
    tail_bytes: usize,
}

impl RunLogs {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, JobLogs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a run logged so far.
    pub(crate) fn of(&self, job: &str, token: u64) -> Option<RunLog> {
        let jobs = self.lock();
        let mut runs = jobs.get(job)?.runs.iter().rev();
        runs.find(|(of, _)| *of == token)
            .map(|(_, log)| log.clone())
    }

    /// Adds a line, without a line break at its end, to the log of a run.
    #[cfg(any(test, feature = "run-logs"))]
    fn add(&self, job: &str, token: u64, line: String) {
        let mut jobs = self.lock();
        if jobs.len() >= JOBS && !jobs.contains_key(job) {
            return;
        }
        let of_job = jobs.entry(job.to_owned()).or_default();
        let known = of_job.runs.iter().rposition(|(of, _)| *of == token);
        let at = known.unwrap_or_else(|| {
            of_job.runs.push_back((token, RunLog::default()));
            of_job.runs.len() - 1
        });
        let log = &mut of_job.runs[at].1;
        let before = log.bytes();
        log.add(line);
        of_job.bytes = of_job.bytes + log.bytes() - before;
        while of_job.runs.len() > RUNS || (of_job.bytes > BYTES && of_job.runs.len() > 1) {
            let oldest = of_job.runs.pop_front();
            of_job.bytes -= oldest.map_or(0, |(_, log)| log.bytes());
        }
    }
}

impl fmt::Debug for RunLogs {
    /// Without the lines, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunLogs({} jobs)", self.lock().len())
    }
}

#[cfg(any(test, feature = "run-logs"))]
impl RunLog {
    fn bytes(&self) -> usize {
        self.head.len() + self.tail_bytes
    }

    fn add(&mut self, mut line: String) {
        let is_whole = self.left_out == 0 && self.tail.is_empty();
        if is_whole && self.head.len() + line.len() < HEAD {
            self.head.push_str(&line);
            self.head.push('\n');
            return;
        }
        line.truncate(line.floor_char_boundary_of(TAIL));
        self.tail_bytes += line.len();
        self.tail.push_back(line);
        while self.tail_bytes > TAIL {
            let dropped = self.tail.pop_front().unwrap_or_default();
            self.tail_bytes -= dropped.len();
            self.left_out += 1;
        }
    }
}

/// The end of the last whole letter within some bytes.
#[cfg(any(test, feature = "run-logs"))]
trait FloorCharBoundary {
    fn floor_char_boundary_of(&self, most: usize) -> usize;
}

#[cfg(any(test, feature = "run-logs"))]
impl FloorCharBoundary for str {
    fn floor_char_boundary_of(&self, most: usize) -> usize {
        let most = most.min(self.len());
        (0..=most)
            .rev()
            .find(|at| self.is_char_boundary(*at))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_of_a_long_run_are_kept() {
        let logs = RunLogs::new();
        for number in 0..10_000 {
            logs.add("job", 7, format!("line {number} {}", "é".repeat(50)));
        }
        let log = logs.of("job", 7).expect("a log");
        assert!(log.head.starts_with("line 0 ") && log.head.len() <= HEAD);
        let last = log.tail.back().expect("an end");
        assert!(last.starts_with("line 9999 ") && log.tail_bytes <= TAIL);
        let kept = log.head.lines().count() + log.tail.len();
        assert_eq!(
            log.left_out as usize + kept,
            10_000,
            "each line is there or counted"
        );
        logs.add("job", 8, "é".repeat(TAIL));
        assert!(logs.of("job", 8).expect("a log").bytes() <= TAIL);
    }

    #[test]
    fn jobs_keep_their_newest_runs() {
        let logs = RunLogs::new();
        for token in 0..500 {
            for _ in 0..100 {
                logs.add("job", token, "x".repeat(1_000));
            }
        }
        assert_eq!(logs.of("job", 0), None);
        assert!(logs.of("job", 499).is_some() && logs.of("other", 499).is_none());
        let bytes: usize = logs.lock()["job"]
            .runs
            .iter()
            .map(|(_, log)| log.bytes())
            .sum();
        assert_eq!(logs.lock()["job"].bytes, bytes);
        assert!(bytes <= BYTES, "{bytes}");
        for token in 500..2_000 {
            logs.add("job", token, "short".to_owned());
        }
        assert_eq!(logs.lock()["job"].runs.len(), RUNS);
        for number in 0..2 * JOBS {
            logs.add(&format!("job-{number}"), 1, "x".to_owned());
        }
        assert_eq!(logs.lock().len(), JOBS);
    }
}
