//! Which tick of which job started when: a cell for each, made before the window opens, so that
//! the measurement allocates and locks nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::process;
use crate::task::{Found, Task};

/// A cell whose tick did not start.
const EMPTY: i64 = i64::MIN;
/// How long ticks of the window may still start after its end.
const DRAIN: Duration = Duration::from_secs(2);

/// The window of a measurement: ticks of so many jobs, each due every second.
#[derive(Debug)]
pub(crate) struct Board {
    seconds: usize,
    jobs: usize,
    /// The first tick of the window, in s since the epoch; before it opens, the end of times.
    first_s: AtomicI64,
    /// Lateness in µs, by job and tick.
    cells: Vec<AtomicI64>,
    twice: AtomicU64,
}

impl Board {
    pub(crate) fn new(task: &Task) -> Self {
        let seconds = task.seconds as usize;
        Board {
            seconds,
            jobs: task.jobs,
            first_s: AtomicI64::new(i64::MAX),
            cells: (0..seconds * task.jobs)
                .map(|_| AtomicI64::new(EMPTY))
                .collect(),
            twice: AtomicU64::new(0),
        }
    }

    /// A job's function started, for a tick.
    pub(crate) fn started(&self, job: usize, tick_us: i64) {
        let lateness_us = now_us() - tick_us;
        let first_s = self.first_s.load(Ordering::Relaxed);
        let tick = (tick_us / 1_000_000).checked_sub(first_s);
        let Some(tick) = tick.and_then(|tick| usize::try_from(tick).ok()) else {
            return;
        };
        if tick >= self.seconds {
            return;
        }
        let cell = &self.cells[job * self.seconds + tick];
        let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
        if cell
            .compare_exchange(EMPTY, lateness_us, set, read)
            .is_err()
        {
            self.twice.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the window at the second after next, waits until the window is over, and returns the measured numbers.
    pub(crate) async fn watch(&self) -> Result<Found> {
        let first_s = now_us() / 1_000_000 + 2;
        self.first_s.store(first_s, Ordering::Relaxed);
        sleep_until(first_s).await;
        let cpu_before = process::cpu_time()?;
        sleep_until(first_s + self.seconds as i64).await;
        let cpu = process::cpu_time()?.saturating_sub(cpu_before);
        tokio::time::sleep(DRAIN.min(Duration::from_secs(self.seconds as u64))).await;
        let mut found = self.found()?;
        found.set(
            "cpu_percent",
            cpu.as_secs_f64() / self.seconds as f64 * 100.0,
        );
        Ok(found)
    }

    /// Opens the window at this second, waits until it is over, and returns how many starts were how late, in µs
    /// rounded to two digits.
    pub(crate) async fn watch_from(&self, first_s: i64) -> Result<BTreeMap<i64, u64>> {
        ensure!(
            now_us() / 1_000_000 < first_s,
            "the node started too late for its window"
        );
        self.first_s.store(first_s, Ordering::Relaxed);
        sleep_until(first_s + self.seconds as i64).await;
        tokio::time::sleep(DRAIN.min(Duration::from_secs(self.seconds as u64))).await;
        ensure!(self.twice.load(Ordering::Relaxed) == 0, "a tick ran twice");
        let mut histogram = BTreeMap::new();
        let cells = self.cells.iter().map(|cell| cell.load(Ordering::Relaxed));
        for late_us in cells.filter(|late_us| *late_us != EMPTY) {
            let digits = late_us.unsigned_abs().checked_ilog10().unwrap_or(0);
            let unit = 10_i64.pow(digits.saturating_sub(1));
            *histogram.entry(late_us / unit * unit).or_default() += 1;
        }
        Ok(histogram)
    }

    fn found(&self) -> Result<Found> {
        let mut seen: Vec<i64> = self
            .cells
            .iter()
            .map(|cell| cell.load(Ordering::Relaxed))
            .collect();
        let all = seen.len();
        seen.retain(|lateness_us| *lateness_us != EMPTY);
        ensure!(
            !seen.is_empty(),
            "none of {} jobs ran in {} s",
            self.jobs,
            self.seconds
        );
        seen.sort_unstable();
        let at = |part: f64| seen[((seen.len() - 1) as f64 * part) as usize] as f64;
        let mut found = Found::default();
        found.set("min_us", at(0.0));
        found.set("p50_us", at(0.5));
        found.set("p99_us", at(0.99));
        found.set("max_us", at(1.0));
        found.set("ticks", all as f64);
        found.set("missing", (all - seen.len()) as f64);
        let early = seen.partition_point(|lateness_us| *lateness_us < 0);
        found.set("early", early as f64);
        found.set("twice", self.twice.load(Ordering::Relaxed) as f64);
        Ok(found)
    }
}

/// The wall clock in µs since the epoch. The Redis server reads the same clock.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as i64
}

async fn sleep_until(instant_s: i64) {
    let left_us = instant_s * 1_000_000 - now_us();
    tokio::time::sleep(Duration::from_micros(left_us.max(0) as u64)).await;
}
