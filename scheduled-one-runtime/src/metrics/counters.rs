//! What instruments are made of: counters of a closed label, and histograms with fixed buckets.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Counters, one for each value of a closed label.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize> {
    counts: [AtomicU64; N],
}

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Counters {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl<const N: usize> Counters<N> {
    pub(crate) fn add(&self, index: usize, count: u64) {
        add(&self.counts[index], count);
    }

    pub(crate) fn get(&self, index: usize) -> u64 {
        self.counts[index].load(Ordering::Relaxed)
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// Number of bounds that each histogram has, besides the one without limit.
pub(crate) const BOUNDS: usize = 13;

/// The upper bounds of a histogram's buckets, in seconds.
pub(crate) type Bounds = [f64; BOUNDS];

/// How often a duration fell into which bucket.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// By bucket, not cumulative; the last has no bound. Of 32 bits, because each job has several: one run a second
    /// fills them in 136 years, and what reads counters takes one that begins again for that of a new process.
    counts: [AtomicU32; BOUNDS + 1],
    sum_us: AtomicU64,
}

/// What a histogram has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// By bucket, not cumulative; the last has no bound.
    pub(crate) counts: [u64; BOUNDS + 1],
    pub(crate) sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: std::array::from_fn(|_| AtomicU32::new(0)),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(crate) fn record(&self, bounds: &Bounds, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = bounds.iter().take_while(|bound| seconds > **bound).count();
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        add(&self.sum_us, took.as_micros() as u64);
    }

    pub(crate) fn read(&self) -> Counted {
        Counted {
            counts: std::array::from_fn(|bucket| {
                self.counts[bucket].load(Ordering::Relaxed).into()
            }),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

impl Counted {
    /// `None` if nothing was counted.
    pub(crate) fn if_any(self) -> Option<Self> {
        self.counts.iter().any(|count| *count > 0).then_some(self)
    }

    /// Both together.
    pub(crate) fn and(self, other: Counted) -> Self {
        Counted {
            counts: std::array::from_fn(|bucket| self.counts[bucket] + other.counts[bucket]),
            sum_us: self.sum_us + other.sum_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_it_does_not_exceed() {
        let bounds: Bounds = std::array::from_fn(|index| index as f64 + 1.0);
        let histogram = Histogram::default();
        for seconds in [0.5, 1.0, 1.5, 13.0, 13.5, 900.0] {
            histogram.record(&bounds, Duration::from_secs_f64(seconds));
        }
        let counted = histogram.read();
        assert_eq!(counted.counts[..3], [2, 1, 0]);
        assert_eq!(counted.counts[BOUNDS - 1..], [1, 2]);
        assert_eq!(counted.sum_us, 929_500_000);
        assert_eq!(counted.and(counted).counts[0], 4);
    }
}
