//! The arithmetic of a lease, for checkers of the protocol: the model in
//! `tests/model` computes with the same numbers as the nodes.

use std::time::Duration;

/// How long after the last proof of its lease a run is cancelled.
pub fn cancel_after(lease: Duration) -> Duration {
    crate::lease::cancel_after(lease)
}

/// How long after the last proof of its lease a run is polled no more.
pub fn deadline_after(lease: Duration) -> Duration {
    crate::lease::deadline_after(lease)
}

/// For how long a run must be unchanged before it may be written off.
pub fn stalled_after(lease: Duration) -> Duration {
    crate::node::stall_watch::stalled_after(lease)
}
