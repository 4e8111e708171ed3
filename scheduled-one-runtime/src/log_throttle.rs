//! Limits how often the same line is logged, for requests that the store keeps
//! refusing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Least time between two log lines with the same text.
const EVERY: Duration = Duration::from_secs(10);
/// Most log lines with different texts within that time.
const MAX_LINES: usize = 1_000;

/// Remembers which texts were logged lately, and when.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    logged: Mutex<HashMap<String, Duration>>,
}

impl LogThrottle {
    /// Whether the text is to be logged at `now`; if so, it counts as logged.
    pub(crate) fn allows(&self, text: String, now: Duration) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now.saturating_sub(*at) < EVERY);
        let allowed = logged.len() < MAX_LINES && !logged.contains_key(&text);
        if allowed {
            logged.insert(text, now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_logged_every_ten_seconds_and_not_too_many_at_once() {
        let throttle = LogThrottle::default();
        let allows = |text: &str, s| throttle.allows(text.to_owned(), Duration::from_secs(s));
        assert!(allows("a", 5) && allows("b", 5));
        assert!(!allows("a", 14));
        assert!(allows("a", 15) && !allows("a", 15));
        let logged = (0..MAX_LINES + 9).filter(|n| allows(&n.to_string(), 16));
        assert_eq!(logged.count(), MAX_LINES - 1);
    }
}
