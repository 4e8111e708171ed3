//! Whether the store of any bucket has another number of buckets than this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scheduled_one_protocol::{Bucket, MAX_BUCKETS};

/// The buckets whose store has another number of buckets than this node was
/// started with, as bits. The clients of all buckets share it: as long as there
/// is a mismatch, nothing is claimed in any bucket, because a node that was
/// started with the other number may look for every job in another bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct BucketMismatch(Arc<AtomicU64>);

impl BucketMismatch {
    pub(crate) fn set(&self, bucket: Bucket, differs: bool) {
        let bit = 1_u64 << (bucket.index() % MAX_BUCKETS);
        if (self.0.load(Ordering::Acquire) & bit != 0) == differs {
            return;
        }
        match differs {
            true => self.0.fetch_or(bit, Ordering::AcqRel),
            false => self.0.fetch_and(!bit, Ordering::AcqRel),
        };
    }

    /// Whether the number differs in any bucket.
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}
