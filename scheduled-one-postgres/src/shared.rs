//! What all handles of a namespace share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::Address;
use crate::identity::Identity;
use crate::listening::Listening;
use crate::seen::Seen;
use crate::statements::Statements;
use crate::upkeep::Upkeep;

/// What all handles of a namespace share.
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) namespace: String,
    pub(crate) statements: Statements,
    /// The tables were seen.
    pub(crate) is_prepared: AtomicBool,
    /// The server does not show its timeline.
    pub(crate) is_by_start: AtomicBool,
    /// The user may only read.
    pub(crate) reads: AtomicBool,
    /// The user has fewer rights than a scheduler: what it may not do concerns that request, and not all.
    pub(crate) is_limited: AtomicBool,
    /// The handle is that of somebody who runs no jobs.
    pub(crate) is_for_control: AtomicBool,
    pub(crate) seen: Seen,
    pub(crate) upkeep: Arc<Upkeep>,
    /// The channel of the notifications.
    pub(crate) channel: String,
    pub(crate) listening: Listening,
}

impl Shared {
    pub(crate) fn identity(&self) -> Identity {
        match self.is_by_start.load(Ordering::Relaxed) {
            false => Identity::Timeline,
            true => Identity::Start,
        }
    }
}
