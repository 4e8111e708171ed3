//! Values out of range, and keys that do not go together.

use super::choices::{OnLeaseLost, OnNodeLoss, Scope};
use super::key::OnEveryNode;
use super::table::{POLICY_KEYS, Policies};

/// Two settings that do not go together, by their keys; or a value that is out of range, where both keys are
/// the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contradiction {
    /// The one key.
    pub key: &'static str,
    /// The other key.
    pub other: &'static str,
    /// What is wrong, and the way out.
    pub message: String,
}

impl Policies {
    /// All that is wrong with the policies: first the values that are out of range, then the keys that do not
    /// go together.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        self.out_of_range(&mut found);
        self.with_every_node(&mut found);
        self.without_effect(&mut found);
        self.contrary_pairs(&mut found);
        found
    }

    fn out_of_range(&self, found: &mut Vec<Contradiction>) {
        for key in POLICY_KEYS {
            let value = key.get(self);
            let message = value.and_then(|value| key.form.out_of_range(key.name, value));
            found.extend(message.map(|message| contradiction(key.name, key.name, message)));
        }
    }

    /// With `scope = every_node` a node takes no claim and holds no lease.
    fn with_every_node(&self, found: &mut Vec<Contradiction>) {
        if self.scope() != Scope::EveryNode {
            return;
        }
        for key in POLICY_KEYS {
            let value = key.get(self);
            let is_refused = match key.every_node {
                OnEveryNode::Allowed => false,
                OnEveryNode::DefaultOnly => value.is_some() && value != key.default_value,
                OnEveryNode::Forbidden => value.is_some(),
            };
            if is_refused {
                let message = format!(
                    "`{}` does not go with `scope = every_node`: there each node runs each \
                     tick by itself, without a claim or a lease, and a dead node's ticks are its own",
                    key.name
                );
                found.push(contradiction(key.name, "scope", message));
            }
        }
    }

    /// Keys whose value would never be read.
    fn without_effect(&self, found: &mut Vec<Contradiction>) {
        for key in POLICY_KEYS {
            if let (Some(_), Some(need)) = (key.get(self), key.needs)
                && !(need.is_met)(self)
            {
                let message = format!("`{}` needs {}", key.name, need.reason);
                found.push(contradiction(key.name, need.key, message));
            }
        }
    }

    /// Pairs of values that undo each other.
    fn contrary_pairs(&self, found: &mut Vec<Contradiction>) {
        if let (Some(one), Some(all)) = (self.timeout, self.timeout_total)
            && one > all
        {
            let message = "`timeout` (of one attempt) is longer than `timeout_total` (of all)";
            found.push(contradiction("timeout", "timeout_total", message));
        }
        let reruns = matches!(self.on_node_loss, Some(OnNodeLoss::Rerun(_)));
        if reruns && self.on_lease_lost == Some(OnLeaseLost::Finish) {
            let message = "`on_lease_lost = finish` lets a run go on that \
                           `on_node_loss = rerun` lets another node take over: the two would \
                           run side by side";
            found.push(contradiction("on_lease_lost", "on_node_loss", message));
        }
    }
}

fn contradiction(
    key: &'static str,
    other: &'static str,
    message: impl Into<String>,
) -> Contradiction {
    Contradiction {
        key,
        other,
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Backoff, Overlap, RetryOn};
    use super::*;

    fn keys(policies: Policies) -> Vec<(&'static str, &'static str)> {
        let found = policies.contradictions();
        found.iter().map(|c| (c.key, c.other)).collect()
    }

    #[test]
    fn what_is_not_said_contradicts_nothing() {
        assert_eq!(keys(Policies::default()), []);
    }

    #[test]
    fn each_contradiction_names_both_keys() {
        let every_node = Policies {
            scope: Some(Scope::EveryNode),
            shards: Some(3),
            overlap: Some(Overlap::QueueOne),
            ..Policies::default()
        };
        assert_eq!(
            keys(every_node),
            [("overlap", "scope"), ("shards", "scope")]
        );
        let idle = Policies {
            backoff: Some(Backoff::default()),
            catch_up: Some(Duration::from_secs(1)),
            ..Policies::default()
        };
        assert_eq!(
            keys(idle),
            [("catch_up", "misfire"), ("backoff", "retries")]
        );
        let beside = Policies {
            on_node_loss: Some(OnNodeLoss::Rerun(1)),
            on_lease_lost: Some(OnLeaseLost::Finish),
            ..Policies::default()
        };
        assert_eq!(keys(beside), [("on_lease_lost", "on_node_loss")]);
        let timeouts = Policies {
            timeout: Some(Duration::from_secs(2)),
            timeout_total: Some(Duration::from_secs(1)),
            retries: Some(1),
            ..Policies::default()
        };
        assert_eq!(keys(timeouts), [("timeout", "timeout_total")]);
    }

    /// The rows of the table, one by one: which keys go with `scope = every_node`.
    #[test]
    fn without_a_lease_only_some_keys_have_a_meaning() {
        let all = Policies {
            lease: Some(Duration::from_secs(1)),
            timeout: Some(Duration::from_secs(1)),
            timeout_total: Some(Duration::from_secs(1)),
            overlap: Some(Overlap::Skip),
            misfire: Some(super::super::Misfire::Skip),
            start_deadline: Some(Duration::from_secs(1)),
            on_node_loss: Some(OnNodeLoss::Record),
            on_lease_lost: Some(OnLeaseLost::Cancel),
            retries: Some(1),
            backoff: Some(Backoff::default()),
            retry_on: Some(RetryOn::ALL),
            jitter: Some(Duration::ZERO),
            scope: Some(Scope::EveryNode),
            shards: Some(1),
            ..Policies::default()
        };
        let refused: Vec<_> = keys(all).into_iter().map(|(key, _)| key).collect();
        assert_eq!(refused, ["lease", "on_node_loss", "on_lease_lost"]);
    }

    #[test]
    fn each_count_and_duration_has_its_range() {
        let bad = Policies {
            overlap: Some(Overlap::Allow(1)),
            retries: Some(101),
            shards: Some(0),
            lease: Some(Duration::ZERO),
            start_deadline: Some(Duration::ZERO),
            ..Policies::default()
        };
        let messages: Vec<_> = bad
            .contradictions()
            .into_iter()
            .map(|found| found.message)
            .collect();
        assert_eq!(
            messages,
            [
                "0s is out of range for `lease`: 200ms to 1h",
                "1 is out of range for `overlap = allow(n)`: 2 to 32",
                "0s is out of range for `start_deadline`: longer than zero, at most 366d",
                "101 is out of range for `retries`: 0 to 100",
                "0 is out of range for `shards`: 1 to 1024",
            ]
        );
    }

    #[test]
    fn the_ends_of_each_range_are_exact() {
        let ms = Duration::from_millis;
        let lease = |lease| Policies {
            lease: Some(lease),
            ..Policies::default()
        };
        let overlap = |overlap| Policies {
            overlap: Some(overlap),
            ..Policies::default()
        };
        let jitter = |jitter| Policies {
            jitter: Some(jitter),
            ..Policies::default()
        };
        let timeout = |timeout| Policies {
            timeout: Some(timeout),
            ..Policies::default()
        };
        let year = super::super::MAX_DURATION;
        for good in [
            lease(ms(200)),
            lease(ms(3_600_000)),
            overlap(Overlap::QueueAll(1)),
            overlap(Overlap::QueueAll(1_000)),
            overlap(Overlap::Allow(32)),
            jitter(Duration::ZERO),
            jitter(year),
            timeout(Duration::from_nanos(1)),
            timeout(year),
        ] {
            assert_eq!(keys(good), [], "{good:?}");
        }
        for bad in [
            lease(ms(199)),
            lease(ms(3_600_001)),
            overlap(Overlap::QueueAll(0)),
            overlap(Overlap::QueueAll(1_001)),
            overlap(Overlap::Allow(33)),
            jitter(year + ms(1)),
            timeout(Duration::ZERO),
            timeout(year + ms(1)),
        ] {
            assert_eq!(keys(bad).len(), 1, "{bad:?}");
        }
    }
}
