//! What tells two schedules apart.

use std::fmt;

/// The identity of a [schedule](crate::Schedule): 64 bits of a digest of its canonical text, its zone, the zone's
/// rules from 2026 on, and the days of the calendars that a restriction names.
///
/// Two nodes whose schedules have the same identity compute the same ticks. Schedules with different identities
/// differ in their text or in their zone data; a correction of the zone's history makes no difference. The
/// identity depends neither on the machine nor on the build. `Display` gives 16 hexadecimal digits.
///
/// ```
/// use scheduled_one_schedule::{Schedule, Zone};
///
/// let daily = |text| Schedule::cron(text, Zone::utc()).map(|schedule| schedule.identity());
/// assert_eq!(daily("0 0 9 * * mon")?, daily("0  0 9 * * MON")?);
/// assert_ne!(daily("0 0 9 * * MON")?, daily("0 0 9 * * TUE")?);
/// # Ok::<(), scheduled_one_schedule::ScheduleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleIdentity(u64);

impl ScheduleIdentity {
    pub(crate) fn new(digest: &Digest) -> Self {
        Self(digest.0)
    }

    /// The digest as a number.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ScheduleIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// FNV-1a in 64 bits: the same in each build, which the hashers of the standard library do not promise. It need
/// not resist an attacker: who can choose a job's schedule can choose its code.
///
/// Source: Fowler, Noll, Vo, Eastlake, *The FNV Non-Cryptographic Hash Algorithm*.
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// A text and an end, so that `ab`, `c` differs from `a`, `bc`.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.bytes(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        // Published values: of nothing, and of `foobar`.
        assert_eq!(Digest::default().0, 0xcbf2_9ce4_8422_2325);
        let mut digest = Digest::default();
        digest.bytes(b"foobar");
        assert_eq!(digest.0, 0x8594_4171_f739_67e8);
    }
}
