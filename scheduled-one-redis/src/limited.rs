//! Users with fewer rights than a scheduler: the *operator* changes what is wanted of jobs, the *viewer* looks.

use std::sync::atomic::Ordering;

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::Caller;

use crate::classify::FailureKind;
use crate::{ANSWER_TIMEOUT, ConnectError, RedisStore, encode, script};

/// What a viewer calls.
const VIEWER: &str = "-@all +eval_ro +evalsha_ro +info +time +type +hmget +hgetall +hexists +zrangebyscore +xrevrange";

/// What an operator calls: all that a scheduler does, but for deleting keys.
const OPERATOR: &str = "-@all +eval +evalsha +info +time +type +hmget +hset +hgetall +hkeys +hexists +hdel +zadd +zrem \
                        +zremrangebyscore +zrangebyscore +xadd +xrevrange";

/// The patterns of a namespace of one bucket, and of the other buckets.
fn tags(namespace: &str) -> [String; 2] {
    [
        format!("so:{{{namespace}}}:"),
        format!("so:{{{namespace}+*}}:"),
    ]
}

impl RedisStore {
    /// The permissions of a user that only looks: `Control` lists, describes, audits and shows the trail with them, and
    /// changes nothing. Redis 7 or newer. In the form of [`acl_rule`](Self::acl_rule), for any number of buckets.
    pub fn acl_rule_for_viewer(namespace: &str) -> String {
        let keys = tags(namespace).map(|tag| format!("%R~{tag}*"));
        format!("{} {VIEWER}", keys.join(" "))
    }

    /// The permissions of a user that pauses, resumes, asks for runs, cancels and backfills. It runs no jobs, writes
    /// no line of a ledger and deletes no key. Redis 7 or newer. In the form of [`acl_rule`](Self::acl_rule), for any
    /// number of buckets.
    pub fn acl_rule_for_operator(namespace: &str) -> String {
        let keys = tags(namespace).map(|tag| {
            // All but the ledgers, `log:*`: these are read.
            format!("~{tag}[^l]* ~{tag}leases ~{tag}lists ~{tag}load %R~{tag}log:*")
        });
        format!("{} {OPERATOR}", keys.join(" "))
    }

    /// The error of a viewer who wants to change something.
    pub(crate) fn changes_nothing(&self) -> StoreError {
        let keys = self.keys();
        StoreError::Refused(format!(
            "the user {} of Redis may look at the namespace {keys:?} and change nothing; use a user with the rights of an \
             operator (`scheduled-one-redis/docs/redis.md` has them)",
            self.shared.address.user()
        ))
    }

    pub(crate) fn may_only_read(&self) -> bool {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// Examines the server as [`check`](Self::check) does; a user who lacks rights of a scheduler may have those of an
    /// operator or of a viewer.
    pub(crate) async fn check_for_control(&self) -> Result<(), ConnectError> {
        let refused = match self.check().await {
            Ok(_) => return Ok(()),
            Err(refused @ ConnectError::MissingRights { .. }) => refused,
            Err(error) => return Err(error),
        };
        for reads in [false, true] {
            self.shared.reads.store(reads, Ordering::Relaxed);
            if self.looks().await {
                self.shared.is_limited.store(true, Ordering::Relaxed);
                return Ok(());
            }
        }
        Err(refused)
    }

    /// Whether the user may look.
    async fn looks(&self) -> bool {
        let caller = Caller {
            node: String::new(),
            name: String::new(),
            quarantine_ms: 0,
            margin_ms: 0,
            ledger_limit: 0,
            // A caller that knows no number is refused with the one that is stored.
            buckets: 0,
        };
        let Ok(request) = encode::inspect(self.keys(), &caller, &[]) else {
            return false;
        };
        let reply = self.call(ANSWER_TIMEOUT, &script::INSPECT, &request).await;
        !matches!(&reply, Err(failure) if failure.kind == FailureKind::Denied)
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::Bucket;

    use super::*;
    use crate::keys::Keys;

    #[test]
    fn the_rules_are_of_the_namespace_and_of_its_buckets() {
        let viewer = RedisStore::acl_rule_for_viewer("shop");
        assert!(
            viewer.starts_with("%R~so:{shop}:* %R~so:{shop+*}:* -@all +eval_ro "),
            "{viewer}"
        );
        let keys = Keys::new("shop", Bucket::WHOLE);
        assert!(keys.leases.ends_with(":leases") && keys.lists.ends_with(":lists"));
        assert!(keys.load.ends_with(":load"));
        let written = [
            &keys.ready,
            &keys.ctl,
            &keys.trail,
            &keys.asks,
            &keys.job("a"),
        ];
        for key in written {
            let of_bucket = key.strip_prefix("so:{shop}:").unwrap();
            assert!(!of_bucket.starts_with('l'), "{key}");
        }
    }
}
