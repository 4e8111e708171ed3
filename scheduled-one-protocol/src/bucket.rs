//! The buckets of a namespace. Each bucket has its own keys, meta record and clock, and shares nothing with the other
//! buckets. All units and the ledger of a job are in one bucket, so that overlap is decided in one place.

use crate::hash::hash;

/// The greatest number of buckets that a namespace can have.
pub const MAX_BUCKETS: u32 = 64;

/// One bucket of a namespace: its number, and the number of buckets that the namespace has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    index: u32,
    of: u32,
}

impl Bucket {
    /// The only bucket of a namespace that has one.
    pub const WHOLE: Bucket = Bucket { index: 0, of: 1 };

    /// All buckets of a namespace that has `of` of them, in the order of their numbers. 0 counts as 1.
    pub fn all(of: u32) -> impl Iterator<Item = Bucket> {
        let of = of.max(1);
        (0..of).map(move |index| Bucket { index, of })
    }

    /// The bucket of a job in a namespace that has `of` buckets. 0 counts as 1.
    ///
    /// The result is a hash of the name and must be the same in every version: a job that two nodes look for in
    /// different buckets would run twice.
    pub fn of_job(job: &str, of: u32) -> Self {
        let of = of.max(1);
        let index = (hash(job, 0) % u64::from(of)) as u32;
        Bucket { index, of }
    }

    /// The number of this bucket, from 0. Every node uses bucket 0, with or without jobs there, because bucket 0
    /// decides how many buckets the namespace has.
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number of this bucket for log lines and reports. `None` if the namespace has one bucket.
    pub fn label(self) -> Option<u32> {
        (self.of > 1).then_some(self.index)
    }

    /// The number of buckets that the namespace has, at least 1.
    pub fn of(self) -> u32 {
        self.of
    }

    /// The hash tag of this bucket's keys: `shop` in bucket 0 of the namespace `shop`, `shop+01` in bucket 1.
    ///
    /// No namespace has a `+` in its name, so the tags of two namespaces never collide. The number has two digits,
    /// because tags of equal length that differ in the last digits are in different hash slots: each bucket after the
    /// first has its own hash slot in every namespace.
    pub fn tag(self, namespace: &str) -> String {
        match self.index {
            0 => namespace.to_owned(),
            index => format!("{namespace}+{index:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The hash slot of a tag, as Redis Cluster computes it: 14 bits of CRC16 (XMODEM).
    fn hash_slot(tag: &str) -> u16 {
        let crc = tag.bytes().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| match crc & 0x8000 {
                0 => crc << 1,
                _ => (crc << 1) ^ 0x1021,
            })
        });
        crc % 16384
    }

    #[test]
    fn a_job_has_the_same_bucket_in_all_builds() {
        // Other values would separate jobs from their stored records.
        let jobs = ["nightly", "weekly_report", "a", "bill/0", "a.b:c", ""];
        let of = |buckets| jobs.map(|job| Bucket::of_job(job, buckets).index);
        assert_eq!(of(1), [0; 6]);
        assert_eq!(of(4), [0, 0, 2, 0, 1, 3]);
        assert_eq!(of(64), [36, 16, 10, 12, 61, 19]);
    }

    #[test]
    fn jobs_are_spread_evenly() {
        let mut jobs = [0; 8];
        for job in 0..8000 {
            let bucket = Bucket::of_job(&format!("job-{job}"), 8);
            jobs[bucket.index as usize] += 1;
        }
        assert!(
            jobs.iter().all(|count| (850..1150).contains(count)),
            "{jobs:?}"
        );
    }

    #[test]
    fn buckets_have_different_hash_slots_that_lie_far_apart() {
        assert_eq!(hash_slot("123456789"), 0x31c3); // the check value of the algorithm
        for namespace in ["default", "shop", "a", "x:y/z", &"n".repeat(128)] {
            let tags = Bucket::all(MAX_BUCKETS).map(|bucket| bucket.tag(namespace));
            let slots: Vec<u16> = tags.skip(1).map(|tag| hash_slot(&tag)).collect();
            let different: BTreeSet<u16> = slots.iter().copied().collect();
            assert_eq!(different.len(), slots.len(), "{namespace}");
            // Buckets 1 to 4 are in four different quarters of the hash slots: a few buckets are on several servers.
            let quarters: BTreeSet<u16> = slots[..4].iter().map(|slot| slot / 4096).collect();
            assert_eq!(quarters.len(), 4, "{namespace}");
        }
    }

    #[test]
    fn the_first_bucket_is_the_namespace_itself() {
        let tags: Vec<String> = Bucket::all(3).map(|bucket| bucket.tag("shop")).collect();
        assert_eq!(tags, ["shop", "shop+01", "shop+02"]);
        assert_eq!(Bucket::all(0).count(), 1);
    }
}
