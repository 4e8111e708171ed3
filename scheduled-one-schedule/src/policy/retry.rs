//! Which attempts are retried, and the wait before a retry.

use std::time::Duration;

use super::form::{Meaning, Value, Word};

/// Which ends of an attempt are retried, where a job has retries. Default: [`ALL`](Self::ALL).
///
/// ```
/// use scheduled_one_schedule::policy::RetryOn;
///
/// let retry_on = RetryOn::ALL.with_panic(false);
/// assert!(retry_on.error && retry_on.timeout && !retry_on.panic);
/// assert_eq!(retry_on, RetryOn::NONE.with_error(true).with_timeout(true));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RetryOn {
    /// The function returned an error.
    pub error: bool,
    /// The function panicked.
    pub panic: bool,
    /// The attempt took longer than its timeout.
    pub timeout: bool,
}

impl RetryOn {
    /// Every end that can be retried.
    pub const ALL: RetryOn = RetryOn {
        error: true,
        panic: true,
        timeout: true,
    };

    /// No end.
    pub const NONE: RetryOn = RetryOn {
        error: false,
        panic: false,
        timeout: false,
    };

    /// The same, with `error` set.
    #[must_use]
    pub const fn with_error(mut self, retried: bool) -> Self {
        self.error = retried;
        self
    }

    /// The same, with `panic` set.
    #[must_use]
    pub const fn with_panic(mut self, retried: bool) -> Self {
        self.panic = retried;
        self
    }

    /// The same, with `timeout` set.
    #[must_use]
    pub const fn with_timeout(mut self, retried: bool) -> Self {
        self.timeout = retried;
        self
    }

    /// The ends of both.
    pub(super) const fn or(self, other: RetryOn) -> RetryOn {
        RetryOn {
            error: self.error || other.error,
            panic: self.panic || other.panic,
            timeout: self.timeout || other.timeout,
        }
    }
}

impl Default for RetryOn {
    fn default() -> Self {
        RetryOn::ALL
    }
}

#[rustfmt::skip]
pub(super) const RETRY_ON: &[Word] = &[
    Word { word: "error", means: Meaning::Alone(Value::RetryOn(RetryOn::NONE.with_error(true))),
           aliases: &["err", "failure", "failed"] },
    Word { word: "panic", means: Meaning::Alone(Value::RetryOn(RetryOn::NONE.with_panic(true))),
           aliases: &["unwind"] },
    Word { word: "timeout", means: Meaning::Alone(Value::RetryOn(RetryOn::NONE.with_timeout(true))),
           aliases: &["timed_out", "deadline"] },
];

/// How long to wait before another attempt: a random time up to `least` doubled with each attempt, and at
/// most `most` (full jitter: Brooker, "Exponential Backoff And Jitter", 2015). Default: 1 s to 60 s.
///
/// ```
/// use std::time::Duration;
/// use scheduled_one_schedule::policy::Backoff;
///
/// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
/// let longest: Vec<u64> = (2..6).map(|attempt| backoff.wait(attempt, 1.0).as_secs()).collect();
/// assert_eq!(longest, [1, 2, 4, 5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Backoff {
    /// Bound of the wait before the first retry.
    pub least: Duration,
    /// Bound of all waits.
    pub most: Duration,
}

impl Backoff {
    pub(super) const DEFAULT: Backoff =
        Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

    /// Waits from zero to `least` before the first retry, and to `most` before any.
    #[must_use]
    pub const fn new(least: Duration, most: Duration) -> Self {
        Backoff { least, most }
    }

    /// The wait before attempt `attempt` (2 is the first retry); `random` is from 0 to 1.
    #[must_use]
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(2).min(31);
        let bound = self.least.saturating_mul(1 << doublings).min(self.most);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let bounds: Vec<u64> = (2..6).map(|k| backoff.wait(k, 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 5]);
        assert_eq!(backoff.wait(40, 1.0).as_secs(), 5);
        assert_eq!(backoff.wait(3, 0.0), Duration::ZERO);
        assert_eq!(backoff.wait(3, 0.5), Duration::from_secs(1));
    }
}
