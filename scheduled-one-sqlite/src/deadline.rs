//! How long a call may wait. A deadline is of a thread, because SQLite asks a function without context whether to wait
//! on.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use scheduled_one_protocol::clock::{Clock, SystemClock};

/// SQLite's own handler waits up to 100 ms between two attempts, and a tick would be late by that.
pub(crate) const STEP: Duration = Duration::from_millis(1);

thread_local! {
    /// By the boot clock. Without one, nothing waits.
    static DEADLINE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sets the deadline of this thread, by the boot clock.
pub(crate) fn set(at: Duration) {
    DEADLINE.set(at);
}

/// Sets the deadline of this thread, from now on.
pub(crate) fn set_in(limit: Duration) {
    set(SystemClock.boottime() + limit);
}

pub(crate) fn is_over() -> bool {
    SystemClock.boottime() >= DEADLINE.get()
}

/// SQLite calls this again and again while another connection has the lock. False gives up.
///
/// Attempts are not counted: on a busy machine, a sleep of a millisecond takes many.
pub(crate) fn wait_for_lock(_attempts: i32) -> bool {
    if is_over() {
        return false;
    }
    thread::sleep(STEP);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_by_time_and_not_by_attempts() {
        assert!(!wait_for_lock(0), "without a deadline");
        set_in(Duration::from_secs(600));
        assert!(wait_for_lock(100_000));
        set(SystemClock.boottime());
        assert!(!wait_for_lock(0));
    }
}
