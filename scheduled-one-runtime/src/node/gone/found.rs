//! What requests about dropped jobs come back with.

use std::collections::BTreeSet;

use scheduled_one_protocol::{DecidingSchedule, UnitName};

/// A unit that no living node has, with the registration that was seen last.
#[derive(Clone, Debug)]
pub(in crate::node) struct Absent {
    pub(super) unit: UnitName,
    /// The label of its program, which dropped its job; `None` if the program has the job without this shard.
    pub(super) application: Option<String>,
    pub(super) first_seen_ms: i64,
    pub(super) decides: DecidingSchedule,
}

/// What a look has found.
#[derive(Debug, Default)]
pub(in crate::node) struct Found {
    /// Units that no living node has, and that have a schedule.
    pub(super) absent: Vec<Absent>,
    /// Jobs that are gone already.
    pub(super) gone: BTreeSet<String>,
    /// Shards of other jobs that are gone already.
    pub(super) left_gone: BTreeSet<UnitName>,
}

/// What came back.
pub(in crate::node) enum GoneEvent {
    /// The catalog was read, when the membership had this version; `None` if that failed.
    Found(u64, Option<Found>),
    /// Units were to be registered.
    Registered {
        /// The version of the membership then.
        version: u64,
        /// How many they were.
        sent: usize,
        /// Those that have no schedule now.
        gone: Vec<Absent>,
    },
    /// What waited in this unit has ended.
    Ended(UnitName),
}
