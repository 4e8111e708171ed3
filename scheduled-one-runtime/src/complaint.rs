//! What is refused again and again is told now and then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Before the same is told again.
const EVERY: Duration = Duration::from_secs(10);
/// So many different ones are told within that time.
const MOST: usize = 1_000;

/// What was told lately, and when.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    told: Mutex<HashMap<String, Duration>>,
}

impl Complaints {
    /// Whether it is to be told at `now`; if so, it counts as told.
    pub(crate) fn is_due(&self, text: String, now: Duration) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now.saturating_sub(*at) < EVERY);
        let is_due = told.len() < MOST && !told.contains_key(&text);
        if is_due {
            told.insert(text, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_every_ten_seconds_and_not_too_much_at_once() {
        let complaints = Complaints::default();
        let is_due = |text: &str, s| complaints.is_due(text.to_owned(), Duration::from_secs(s));
        assert!(is_due("a", 5) && is_due("b", 5));
        assert!(!is_due("a", 14));
        assert!(is_due("a", 15) && !is_due("a", 15));
        let told = (0..MOST + 9).filter(|n| is_due(&n.to_string(), 16));
        assert_eq!(told.count(), MOST - 1);
    }
}
