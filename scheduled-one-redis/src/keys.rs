//! The keys of a namespace, or of one of its buckets. All of a bucket carry one
//! hash tag, `{ns}` or `{ns+01}` …: one slot of a Redis Cluster, so that one
//! script may touch them all. None has a time to live: what safety rests on must
//! not expire, and is not what `volatile-*` evicts.

use std::fmt;

use scheduled_one_protocol::Bucket;
pub(crate) use scheduled_one_schedule::name::MAX_NAME_BYTES;

/// More than the longest name of a unit, in bytes: `#shard` and `~place` take
/// 11 each at most.
pub(crate) const MAX_UNIT_BYTES: usize = MAX_NAME_BYTES + 32;

/// The keys of one bucket of a namespace.
#[derive(Clone)]
pub(crate) struct Keys {
    namespace: String,
    bucket: Bucket,
    /// `so:{ns}:` or `so:{ns+01}:`, what all keys begin with.
    prefix: String,
    /// Who serves the namespace, and until when nothing is granted.
    pub(crate) meta: String,
    /// Running units by the instant at which their renewal is overdue.
    pub(crate) leases: String,
    /// Units in which something waits and can start, all with score 0.
    pub(crate) ready: String,
    /// Nodes by last beat.
    pub(crate) nodes: String,
    /// Never written: rights are tried on it.
    pub(crate) probe: String,
}

impl Keys {
    pub(crate) fn new(namespace: &str, bucket: Bucket) -> Self {
        let prefix = format!("so:{{{}}}:", bucket.tag(namespace));
        Keys {
            namespace: namespace.to_owned(),
            bucket,
            meta: format!("{prefix}meta"),
            leases: format!("{prefix}leases"),
            ready: format!("{prefix}ready"),
            nodes: format!("{prefix}nodes"),
            probe: format!("{prefix}probe"),
            prefix,
        }
    }

    /// The record of a unit.
    pub(crate) fn job(&self, unit: &str) -> String {
        [&self.prefix, "job:", unit].concat()
    }

    /// The ledger of a job.
    pub(crate) fn log(&self, job: &str) -> String {
        [&self.prefix, "log:", job].concat()
    }

    /// The keys of a bucket of the same namespace.
    pub(crate) fn of(&self, bucket: Bucket) -> Self {
        Keys::new(&self.namespace, bucket)
    }

    /// How many buckets the namespace has, as this side was told.
    pub(crate) fn buckets(&self) -> u32 {
        self.bucket.of()
    }

    /// The pattern that an ACL has to allow for these keys.
    pub(crate) fn pattern(&self) -> String {
        let namespace = &self.namespace;
        match self.bucket.index() {
            0 => format!("so:{{{namespace}}}:*"),
            _ => format!("so:{{{namespace}+*}}:*"),
        }
    }

    /// All patterns that an ACL has to allow for the namespace.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let kinds = Bucket::all(self.bucket.of().min(2));
        kinds.map(|bucket| self.of(bucket).pattern()).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)
    }
}

/// Whether a namespace or a job may have this name. A brace would move the
/// hash tag, a space would break an operator's shell.
pub(crate) fn is_name(name: &str) -> bool {
    scheduled_one_schedule::name::check_name(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_share_the_hash_tag() {
        let keys = Keys::new("shop", Bucket::WHOLE);
        assert_eq!(keys.job("bill/3"), "so:{shop}:job:bill/3");
        assert_eq!(keys.log("bill"), "so:{shop}:log:bill");
        for key in [
            &keys.meta,
            &keys.leases,
            &keys.ready,
            &keys.nodes,
            &keys.probe,
        ] {
            assert!(key.starts_with("so:{shop}:"), "{key}");
        }
    }

    #[test]
    fn each_bucket_has_a_hash_tag_of_its_own() {
        let keys: Vec<Keys> = Bucket::all(12)
            .map(|bucket| Keys::new("shop", bucket))
            .collect();
        assert_eq!(keys[0].meta, "so:{shop}:meta");
        assert_eq!(keys[11].meta, "so:{shop+11}:meta");
        assert_eq!(keys[11].job("bill#3"), "so:{shop+11}:job:bill#3");
        assert_eq!(keys[0].pattern(), "so:{shop}:*");
        assert_eq!(keys[11].pattern(), "so:{shop+*}:*");
        for keys in [&keys[0], &keys[11]] {
            assert_eq!(keys.patterns(), ["so:{shop}:*", "so:{shop+*}:*"]);
        }
        let whole = Keys::new("shop", Bucket::WHOLE);
        assert_eq!(whole.patterns(), ["so:{shop}:*"]);
        assert!(!is_name("shop+01"), "a namespace of that name is refused");
    }

    #[test]
    fn names_are_never_escaped_but_refused() {
        for good in ["a", "A.b:c/d-e_9", &"x".repeat(MAX_NAME_BYTES)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "a b",
            "{a}",
            "ä",
            "a\n",
            &"x".repeat(MAX_NAME_BYTES + 1),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
