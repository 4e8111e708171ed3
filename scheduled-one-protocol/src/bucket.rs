//! The buckets that a namespace is spread over. A bucket is a cluster of its
//! own: its keys, its meta, its clock. A job lives in one of them, whole: its
//! overlap is one decision, and its ledger one stream.

use crate::hash::hash;

/// How many buckets a namespace may have.
pub const MAX_BUCKETS: u32 = 64;

/// One bucket of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    index: u32,
    of: u32,
}

impl Bucket {
    /// The only bucket of a namespace that is not spread.
    pub const WHOLE: Bucket = Bucket { index: 0, of: 1 };

    /// All buckets of a namespace that has `of` of them; 0 counts as 1.
    pub fn all(of: u32) -> impl Iterator<Item = Bucket> {
        let of = of.max(1);
        (0..of).map(move |index| Bucket { index, of })
    }

    /// The bucket of a job. All nodes and builds have to agree, for ever: a job
    /// that two of them look for in different buckets would run twice.
    pub fn of_job(job: &str, of: u32) -> Self {
        let of = of.max(1);
        let index = (hash(job, 0) % u64::from(of)) as u32;
        Bucket { index, of }
    }

    /// Which one, from 0. The first is always looked at, whichever jobs a node
    /// has: it says how many there are.
    pub fn index(self) -> u32 {
        self.index
    }

    /// The same, to be shown; none where there is nothing to tell apart.
    pub fn label(self) -> Option<u32> {
        (self.of > 1).then_some(self.index)
    }

    /// How many the namespace has.
    pub fn of(self) -> u32 {
        self.of
    }

    /// What stands for the namespace where it is stored. No namespace has a `+`
    /// in its name. Two digits always, so that the hash slots of all but the
    /// first differ, whatever the namespace is called: names of equal length that
    /// differ in their last digits have checksums that differ (see the test).
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

    /// CRC16 (XMODEM), and of that 14 bits: as Redis Cluster counts slots.
    fn slot(tag: &str) -> u16 {
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
        // Changing these moves jobs away from what is stored of them.
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
    fn buckets_have_slots_of_their_own_and_lie_far_apart() {
        assert_eq!(slot("123456789"), 0x31c3); // the check value of the algorithm
        for namespace in ["default", "shop", "a", "x:y/z", &"n".repeat(128)] {
            let tags = Bucket::all(MAX_BUCKETS).map(|bucket| bucket.tag(namespace));
            let slots: Vec<u16> = tags.skip(1).map(|tag| slot(&tag)).collect();
            let different: BTreeSet<u16> = slots.iter().copied().collect();
            assert_eq!(different.len(), slots.len(), "{namespace}");
            // The first four lie in four quarters of all slots, so that few
            // buckets do not end up on one server.
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
