//! What is stored once for a bucket, and the start of every request.

use super::{FIRST_VERSION, MAX_QUARANTINE_MS, Now, Record, VERSION};
use crate::directive::Directives;
use crate::message::Caller;

/// What is stored once for a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    /// Protocol version, 0 while the namespace was never used.
    pub version: u64,
    /// The serving process and replication history seen last.
    pub serving: String,
    /// When a change of `serving` was seen, which began a quarantine.
    pub quarantine_from_ms: i64,
    /// The end of the last quarantine of a unit, as far as nodes have stated leases; see
    /// [`unit_quarantine_until_ms`].
    pub quarantine_until_ms: i64,
    /// How many buckets the namespace has, 0 while it was never used.
    pub buckets: u32,
    /// Version of the membership, 0 before the first heartbeat.
    pub membership_version: u64,
    /// Changes with each change of a directive; 0 before the first. No directive has a higher version.
    pub control_version: u64,
    /// What operators want of jobs.
    pub directives: Directives,
}

/// The namespace was written by a newer version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NewerProtocol {
    /// The version found.
    pub found: u64,
}

/// Why a request is refused before the store looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryRefused {
    /// The namespace was written by a newer version of the protocol.
    NewerProtocol(NewerProtocol),
    /// The namespace has another number of buckets than the caller believes.
    OtherBuckets {
        /// The number found.
        found: u32,
        /// The number that the caller believes in.
        ours: u32,
    },
}

/// The start of every request: refuses a newer protocol and another number of buckets, and begins a quarantine if the
/// store is not the one seen last, because it may have forgotten decisions. The first caller of a namespace, or of what
/// is left of it, sets the number of buckets.
///
/// # Errors
///
/// The request is refused; `meta` is unchanged.
pub fn enter(
    meta: &mut Meta,
    serving: &str,
    caller: &Caller,
    now: Now,
) -> Result<(), EntryRefused> {
    if meta.version > VERSION {
        return Err(EntryRefused::NewerProtocol(NewerProtocol {
            found: meta.version,
        }));
    }
    let buckets = match (meta.buckets, meta.version) {
        (0, 0) => caller.buckets,
        (0, _) => 1, // used before buckets were counted
        (buckets, _) => buckets,
    };
    if buckets != caller.buckets || caller.buckets == 0 {
        return Err(EntryRefused::OtherBuckets {
            found: buckets,
            ours: caller.buckets,
        });
    }
    meta.buckets = buckets;
    meta.version = meta.version.max(FIRST_VERSION);
    let clock_went_back = now.ms() < meta.quarantine_from_ms;
    let longest_ms = caller.quarantine_ms.max(MAX_QUARANTINE_MS);
    let lasts_ms = meta
        .quarantine_until_ms
        .saturating_sub(meta.quarantine_from_ms);
    // No caller asks for such a quarantine: somebody edited it, and it might never end.
    let is_damaged = !(0..=longest_ms).contains(&lasts_ms);
    if meta.serving != serving || clock_went_back || is_damaged {
        meta.serving = serving.to_owned();
        meta.quarantine_from_ms = now.ms();
        meta.quarantine_until_ms = now.ms() + caller.quarantine_ms;
    } else if now.ms() < meta.quarantine_from_ms + caller.quarantine_ms {
        // This caller has longer leases than the one that noticed the change, although it may have come later.
        meta.quarantine_until_ms = meta
            .quarantine_until_ms
            .max(meta.quarantine_from_ms + caller.quarantine_ms);
    }
    Ok(())
}

/// Whether the store may have forgotten decisions on some unit.
pub fn quarantined(meta: &Meta, now: Now) -> bool {
    now.ms() < meta.quarantine_until_ms
}

/// The end of the quarantine of a unit whose runs have this lease: until then, a forgotten run of the unit may be
/// active. A node may have stated a longer lease when it registered the unit. 0 if the store never lost decisions.
pub fn unit_quarantine_until_ms(
    meta: &Meta,
    record: &Record,
    lease_ms: i64,
    caller: &Caller,
) -> i64 {
    let from_ms = meta.quarantine_from_ms;
    if from_ms == 0 {
        return 0;
    }
    let stated_ms = record.quarantine_until_ms;
    // No registration states a later end: somebody edited it, and it might never come.
    let is_stated = stated_ms <= from_ms + MAX_QUARANTINE_MS;
    (from_ms + quarantine_ms(lease_ms, caller)).max(if is_stated { stated_ms } else { 0 })
}

/// How long after a loss of memory a run with this lease, of a job of the caller, may be active.
fn quarantine_ms(lease_ms: i64, caller: &Caller) -> i64 {
    (lease_ms + caller.margin_ms).min(caller.quarantine_ms)
}

/// When the quarantine of a unit ends that is in quarantine now.
pub(super) fn unit_quarantined(
    meta: &Meta,
    record: &Record,
    lease_ms: i64,
    caller: &Caller,
    now: Now,
) -> Option<i64> {
    let until_ms = unit_quarantine_until_ms(meta, record, lease_ms, caller);
    (now.ms() < until_ms).then_some(until_ms)
}

/// A node states the lease of a unit: in a quarantine, the unit waits until runs with this lease are surely over, and
/// runs with the lease of the last run that the record has.
pub(super) fn state_lease(
    meta: &Meta,
    record: &mut Record,
    lease_ms: i64,
    caller: &Caller,
    now: Now,
) {
    let recorded_ms = match record.run.lease_ms {
        0 => 0,
        // Perhaps the lease of another release, and longer than all leases of the caller.
        lease_ms => (lease_ms + caller.margin_ms).min(MAX_QUARANTINE_MS),
    };
    let lasts_ms = quarantine_ms(lease_ms, caller).max(recorded_ms);
    let until_ms = meta.quarantine_from_ms + lasts_ms;
    if meta.quarantine_from_ms > 0 && now.ms() < until_ms {
        record.quarantine_until_ms = record.quarantine_until_ms.max(until_ms);
    }
}
