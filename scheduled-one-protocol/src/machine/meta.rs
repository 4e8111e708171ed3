//! What is stored once for a bucket, and the start of every request.

use super::{MAX_QUARANTINE_MS, Now, VERSION};
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
    /// Nothing is granted before this instant.
    pub quarantine_until_ms: i64,
    /// How many buckets the namespace has, 0 while it was never used.
    pub buckets: u32,
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
    if buckets != caller.buckets {
        return Err(EntryRefused::OtherBuckets {
            found: buckets,
            ours: caller.buckets,
        });
    }
    meta.buckets = buckets;
    meta.version = VERSION;
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
    } else if quarantined(meta, now) {
        // This caller has longer leases than the one that noticed the change.
        meta.quarantine_until_ms = meta
            .quarantine_until_ms
            .max(meta.quarantine_from_ms + caller.quarantine_ms);
    }
    Ok(())
}

/// Whether the store may have forgotten decisions.
pub fn quarantined(meta: &Meta, now: Now) -> bool {
    now.ms() < meta.quarantine_until_ms
}
