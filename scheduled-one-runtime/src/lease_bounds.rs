//! The bounds of a lease on a node, for those who check the protocol: the model in `tests/model` computes with the same
//! numbers as the nodes.

use std::time::Duration;

/// How long after its last proof a lease's run is told to stop.
pub fn cancel_after(lease: Duration) -> Duration {
    crate::lease::cancel_after(lease)
}

/// How long after its last proof a lease's run is polled no more.
pub fn deadline_after(lease: Duration) -> Duration {
    crate::lease::deadline_after(lease)
}

/// For how long a run must be seen unchanged before it may be written off.
pub fn stands_still_after(lease: Duration) -> Duration {
    crate::watch::stands_still_after(lease)
}
