//! A node's part in one bucket. A bucket is a cluster of its own, so a node has
//! a worker in each bucket: with a client, a clock, a loop, and a task that
//! reports outcomes. A bucket whose store is down delays no other.

use std::sync::Arc;

use crate::run::Runner;
use crate::store_client::StoreClient;

/// A node's part in one bucket, while its loop runs.
#[derive(Clone)]
pub(crate) struct BucketWorker {
    pub(crate) client: Arc<StoreClient>,
    pub(super) runner: Arc<Runner>,
}

impl BucketWorker {
    /// The cluster's clock of the bucket.
    pub(super) fn now_ms(&self) -> i64 {
        self.runner.cluster.now_ms()
    }
}
