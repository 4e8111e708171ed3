//! The keys of a namespace or of one of its buckets.
//!
//! All keys of a bucket have one hash tag, `{ns}`, `{ns+01}` and so on, and are therefore in one hash slot of a Redis
//! Cluster, so that a script may use them together. No key has an expiry: safety depends on all of them, and
//! `volatile-*` policies evict only keys with an expiry.

use std::fmt;

use scheduled_one_protocol::Bucket;

pub(crate) use scheduled_one_schedule::name::MAX_NAME_BYTES;

/// Upper bound of the length of a unit name, in bytes: `#shard` and `~slot` have at most 11 bytes each.
pub(crate) const MAX_UNIT_BYTES: usize = MAX_NAME_BYTES + 32;

/// The keys of one bucket of a namespace.
#[derive(Clone)]
pub(crate) struct Keys {
    namespace: String,
    bucket: Bucket,
    /// Prefix of all keys: `so:{ns}:` or `so:{ns+01}:`.
    prefix: String,
    /// Protocol version, number of buckets, store identity and quarantine.
    pub(crate) meta: String,
    /// Units with an active run, by the instant at which the run is overdue.
    pub(crate) leases: String,
    /// Units with a tick that waits and can start, all with score 0.
    pub(crate) ready: String,
    /// Units by the instant at which their next tick may start.
    pub(crate) due: String,
    /// Nodes by the time of their last heartbeat.
    pub(crate) nodes: String,
    /// Digest of the jobs and name of each node.
    pub(crate) members: String,
    /// Nodes by how much they do: active runs, and whether there is room for more.
    pub(crate) load: String,
    /// Lists of jobs by their digest.
    pub(crate) lists: String,
    /// Directives by their subject: what operators want of jobs.
    pub(crate) ctl: String,
    /// The catalog: jobs as nodes described them.
    pub(crate) jobs: String,
    /// Checkpoints: what runs left for the next run, by unit.
    pub(crate) left: String,
    /// Ticks of the newest requests, by unit and id.
    pub(crate) asked: String,
    /// Units and ids of these requests, by tick.
    pub(crate) asks: String,
    /// Who asked for what.
    pub(crate) trail: String,
    /// The preflight tries permissions on it, without making it. It is also the prefix of the keys of a trial.
    pub(crate) probe: String,
}

impl Keys {
    pub(crate) fn new(namespace: &str, bucket: Bucket) -> Self {
        let prefix = format!("so:{{{}}}:", bucket.tag(namespace));
        Keys::with_prefix(namespace, bucket, prefix)
    }

    fn with_prefix(namespace: &str, bucket: Bucket, prefix: String) -> Self {
        Keys {
            namespace: namespace.to_owned(),
            bucket,
            meta: format!("{prefix}meta"),
            leases: format!("{prefix}leases"),
            ready: format!("{prefix}ready"),
            due: format!("{prefix}due"),
            nodes: format!("{prefix}nodes"),
            members: format!("{prefix}members"),
            load: format!("{prefix}load"),
            lists: format!("{prefix}lists"),
            ctl: format!("{prefix}ctl"),
            jobs: format!("{prefix}jobs"),
            left: format!("{prefix}left"),
            asked: format!("{prefix}asked"),
            asks: format!("{prefix}asks"),
            trail: format!("{prefix}trail"),
            probe: format!("{prefix}probe"),
            prefix,
        }
    }

    /// The keys of a trial of the scripts: a namespace inside the namespace, in the same hash slot and of the same
    /// pattern, that no other trial has.
    pub(crate) fn for_trial(&self, id: u64) -> Self {
        let prefix = format!("{}:{id:016x}:", self.probe);
        Keys::with_prefix(&self.namespace, self.bucket, prefix)
    }

    /// The record of a unit.
    pub(crate) fn job(&self, unit: &str) -> String {
        [&self.prefix, "job:", unit].concat()
    }

    /// The requests of a lane, by tick: one hash for each unit that ever had one.
    pub(crate) fn requests(&self, unit: &str) -> String {
        [&self.prefix, "ask:", unit].concat()
    }

    /// The ledger of a job.
    pub(crate) fn log(&self, job: &str) -> String {
        [&self.prefix, "log:", job].concat()
    }

    /// The keys of another bucket of the namespace.
    pub(crate) fn in_bucket(&self, bucket: Bucket) -> Self {
        Keys::new(&self.namespace, bucket)
    }

    /// Number of buckets that the caller is configured with.
    pub(crate) fn buckets(&self) -> u32 {
        self.bucket.of()
    }

    /// The pattern for these keys in an ACL.
    pub(crate) fn pattern(&self) -> String {
        let namespace = &self.namespace;
        match self.bucket.index() {
            0 => format!("so:{{{namespace}}}:*"),
            _ => format!("so:{{{namespace}+*}}:*"),
        }
    }

    /// All patterns for the keys of the namespace in an ACL.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let kinds = Bucket::all(self.bucket.of().min(2));
        kinds
            .map(|bucket| self.in_bucket(bucket).pattern())
            .collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)
    }
}

/// True if a job may have this name: one of a program, or an internal one.
pub(crate) fn is_job(name: &str) -> bool {
    scheduled_one_schedule::name::check_stored_name(name).is_ok()
}

/// True if a namespace may have this name. A brace would change the hash tag, a space would need quotes in a
/// shell.
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
            &keys.ctl,
            &keys.jobs,
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
    fn keys_of_a_trial_are_inside_the_namespace() {
        let keys = Keys::new("shop", Bucket::WHOLE).for_trial(0xabc);
        let prefix = "so:{shop}:probe:0000000000000abc:";
        for key in [&keys.meta, &keys.leases, &keys.probe, &keys.job("a")] {
            assert!(key.starts_with(prefix), "{key}");
        }
        assert_eq!(keys.pattern(), "so:{shop}:*");
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
