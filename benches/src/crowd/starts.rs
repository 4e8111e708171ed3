//! What started when in a crowd, and how late.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::PERIOD;

/// Lateness is counted by the millisecond up to this.
const LONGEST_MS: usize = 60_000;

/// What started when.
pub(super) struct Starts {
    /// The first tick of the window, and the number of starts of each tick of each job from there on.
    window: Mutex<Window>,
    /// How many starts were so many milliseconds late.
    late: Vec<AtomicU64>,
    /// The newest instant at which a late run started, in ms.
    pub(super) last_late_ms: AtomicU64,
}

#[derive(Default)]
struct Window {
    from_ms: i64,
    to_ms: i64,
    counts: Vec<AtomicU32>,
}

impl Starts {
    pub(super) fn new() -> Self {
        Starts {
            window: Mutex::default(),
            late: (0..=LONGEST_MS).map(|_| AtomicU64::new(0)).collect(),
            last_late_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn open(&self, from_ms: i64, to_ms: i64, jobs: usize) {
        self.late
            .iter()
            .for_each(|count| count.store(0, Ordering::Relaxed));
        let ticks = ((to_ms - from_ms) / PERIOD.as_millis() as i64) as usize;
        let counts = (0..jobs * ticks).map(|_| AtomicU32::new(0)).collect();
        self.last_late_ms.store(0, Ordering::Relaxed);
        *self.window.lock().expect("no panic") = Window {
            from_ms,
            to_ms,
            counts,
        };
    }

    pub(super) fn started(&self, job: usize, tick_ms: i64, now_ms: i64) {
        let late_ms = (now_ms - tick_ms).max(0) as usize;
        let window = self.window.lock().expect("no panic");
        if !(window.from_ms..window.to_ms).contains(&tick_ms) {
            return;
        }
        let ticks = (window.to_ms - window.from_ms) / PERIOD.as_millis() as i64;
        let nth = (tick_ms - window.from_ms) / PERIOD.as_millis() as i64;
        window.counts[job * ticks as usize + nth as usize].fetch_add(1, Ordering::Relaxed);
        self.late[late_ms.min(LONGEST_MS)].fetch_add(1, Ordering::Relaxed);
        if late_ms > 0 {
            self.last_late_ms
                .fetch_max(now_ms as u64, Ordering::Relaxed);
        }
    }

    /// The lateness in ms below which this part of the starts is.
    pub(super) fn percentile(&self, part: f64) -> f64 {
        let counts = self.late.iter().map(|count| count.load(Ordering::Relaxed));
        let all: u64 = counts.clone().sum();
        let wanted = (all as f64 * part).ceil() as u64;
        let mut seen = 0;
        let found = counts.enumerate().find(|(_, count)| {
            seen += count;
            seen >= wanted.max(1)
        });
        found.map_or(0.0, |(late_ms, _)| late_ms as f64)
    }

    /// The parts of a hundred that did not start, and the number of those that started twice.
    pub(super) fn missing_and_twice(&self) -> (f64, f64) {
        let window = self.window.lock().expect("no panic");
        let counts = || {
            window
                .counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
        };
        let missing = counts().filter(|count| *count == 0).count();
        let twice = counts().filter(|count| *count > 1).count();
        (
            100.0 * missing as f64 / window.counts.len().max(1) as f64,
            twice as f64,
        )
    }
}
