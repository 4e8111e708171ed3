//! The protocol as a pure state machine: record, request and time in; record, reply and ledger lines out. No I/O and
//! no clock.
//!
//! Every store is held against this file. A transactional store runs it between load and save; the Redis scripts are
//! its port, and a property test feeds both the same operations and compares replies and records. `docs/protocol.md`
//! has the reason for each rule.

mod control;
pub mod damage;
mod membership;
mod meta;
mod record;
mod schedule;

mod checkpoint;
mod claim;
mod forget;
mod lane;
mod run;

pub use checkpoint::checkpoint;
pub use claim::{UnitRecords, claim};
pub use control::control;
pub use forget::{forget, forget_refused, take_back};
pub use lane::{ask, cancel, note_lanes, take};
pub use membership::{LivingNode, Nodes, heartbeat};
pub use meta::{EntryRefused, Meta, NewerProtocol, enter, quarantined, unit_quarantine_until_ms};
pub use record::{Record, Run, Waiting};
pub use run::{finish, register, renew, write_off};

/// The newest version of the stored form that this code knows. A namespace with a newer one is refused.
pub const VERSION: u64 = 2;

/// The version of a namespace whose jobs were never controlled: nodes of that version may use it, too.
pub const FIRST_VERSION: u64 = 1;

/// The version of a namespace from the first directive on.
pub const CONTROL_VERSION: u64 = 2;

/// No quarantine lasts longer: leases are an hour at most.
pub const MAX_QUARANTINE_MS: i64 = 86_400_000;

/// The part of its lease after which a run that was not renewed is overdue.
pub const OVERDUE_PERCENT: i64 = 23;

/// The store's clock at one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    /// Microseconds since the Unix epoch.
    pub us: u64,
}

impl Now {
    /// Milliseconds since the Unix epoch.
    pub fn ms(self) -> i64 {
        (self.us / 1000) as i64
    }
}
