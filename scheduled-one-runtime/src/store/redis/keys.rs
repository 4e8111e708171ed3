//! The keys of a namespace. All carry the hash tag `{ns}`: one slot of a Redis
//! Cluster, so that one script may touch them all. None has a time to live:
//! what safety rests on must not expire, and is not what `volatile-*` evicts.

use std::fmt;

/// Longest name of a namespace or a unit, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 128;

/// The keys of one namespace.
#[derive(Clone)]
pub(super) struct Keys {
    namespace: String,
    /// `so:{ns}:`, what all keys begin with.
    prefix: String,
    /// Who serves the namespace, and until when nothing is granted.
    pub(super) meta: String,
    /// Running units by the instant at which their renewal is overdue.
    pub(super) leases: String,
    /// Nodes by last beat.
    pub(super) nodes: String,
    /// Never written: rights are tried on it.
    pub(super) probe: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        let prefix = format!("so:{{{namespace}}}:");
        Keys {
            namespace: namespace.to_owned(),
            meta: format!("{prefix}meta"),
            leases: format!("{prefix}leases"),
            nodes: format!("{prefix}nodes"),
            probe: format!("{prefix}probe"),
            prefix,
        }
    }

    /// The record of a unit.
    pub(super) fn job(&self, unit: &str) -> String {
        [&self.prefix, "job:", unit].concat()
    }

    /// The ledger of a unit.
    pub(super) fn log(&self, unit: &str) -> String {
        [&self.prefix, "log:", unit].concat()
    }

    /// The pattern an ACL has to allow.
    pub(super) fn pattern(&self) -> String {
        [&self.prefix, "*"].concat()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)
    }
}

/// Whether a namespace or a unit may have this name. A brace would move the
/// hash tag, a space would break an operator's shell.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_share_the_hash_tag() {
        let keys = Keys::new("shop");
        assert_eq!(keys.job("bill/3"), "so:{shop}:job:bill/3");
        assert_eq!(keys.log("bill"), "so:{shop}:log:bill");
        for key in [&keys.meta, &keys.leases, &keys.nodes, &keys.probe] {
            assert!(key.starts_with("so:{shop}:"), "{key}");
        }
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
