//! The table of policy keys, a row each.
//!
//! To add a key:
//! 1. add a row here (the order is that of the calls in the attribute's expansion);
//! 2. add the method of the same name to `Job` in the runtime, and use the value where it has an effect;
//! 3. add the line to the documentation of the attribute (`docs/attribute.md` of the macro crate: its test prints the
//!    line) and a section to `docs/policies.md`.
//!
//! A key of a new type also needs a variant of `Value`, its form, and an arm in the macro crate's `expand.rs`.

use std::time::Duration;

use super::choices::{
    MISFIRE, Misfire, ON_LEASE_LOST, ON_NODE_LOSS, OVERLAP, OnLeaseLost, OnNodeLoss, Overlap,
    ROUTE, Route, SCOPE, Scope,
};
use super::form::{Count, Form, MAX_LEASE, MIN_LEASE, Value};
use super::key::{Need, OnEveryNode::*, PolicyKey};
use super::retry::{Backoff, RETRY_ON, RetryOn};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

const RETRIES: Need = Need {
    key: "retries",
    is_met: |policies| policies.retries() > 0,
    reason: "`retries`: without them there is one attempt (for that, `timeout` is the limit)",
};

const CATCHING_UP: Need = Need {
    key: "misfire",
    is_met: |policies| policies.misfire() != Misfire::Skip,
    reason: "`misfire = run_once` or `misfire = run_all`: ticks that are skipped are not caught up with",
};

/// The type of a policy with its default filled in: an `Option` if there is no default.
macro_rules! with_default_type {
    ($type:ty, none) => { Option<$type> };
    ($type:ty, $default:tt) => { $type };
}

/// A policy with its default filled in.
macro_rules! with_default {
    ($said:expr, none) => {
        $said
    };
    ($said:expr, $default:tt) => {
        $said.unwrap_or($default)
    };
}

/// The default as the value of a key.
macro_rules! default_value {
    ($type:ident, none) => {
        None
    };
    ($type:ident, $default:tt) => {
        Some(Value::$type($default))
    };
}

/// Makes of the rows `Policies`, with a field and a method for each key, and `POLICY_KEYS`. The name of a type
/// is also that of its variant of `Value`. A default is `none` or one token (in parentheses if it is longer).
macro_rules! policy_keys {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ident {
            form: $form:expr,
            default: $default:tt,
            example: $example:expr,
            aliases: $aliases:expr,
            every_node: $every_node:expr,
            needs: $needs:expr,
        }
    )+) => {
        /// The policies of a job: a field for each key, `None` if the job does not say it. The method of the
        /// same name fills in the default.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Policies {
            $(
                $(#[doc = $doc])+
                pub $name: Option<$type>,
            )+
        }

        impl Policies {
            $(
                #[doc = concat!("`", stringify!($name), "`, or its default.")]
                #[must_use]
                pub fn $name(&self) -> with_default_type!($type, $default) {
                    with_default!(self.$name, $default)
                }
            )+
        }

        /// All policy keys.
        pub const POLICY_KEYS: &[PolicyKey] = &[$(
            PolicyKey {
                name: stringify!($name),
                summary: concat!($($doc),+),
                form: $form,
                example: $example,
                aliases: $aliases,
                every_node: $every_node,
                needs: $needs,
                default_value: default_value!($type, $default),
                getter: |policies| policies.$name.map(Value::$type),
                setter: |policies, value| {
                    if let Value::$type(value) = value {
                        policies.$name = Some(value);
                    }
                },
            },
        )+];
    };
}

policy_keys! {
    /// A duration from `200ms` to `1h`: how long a run keeps its right to run without a renewal, and how long
    /// the job stands still after a crash. Without it, the lease of the scheduler, `5s`.
    lease: Duration {
        form: Form::Duration { least: MIN_LEASE, most: MAX_LEASE },
        default: none,
        example: r#""5s""#,
        aliases: &["lock", "ttl", "lock_at_most_for", "lock_ttl"],
        every_node: Forbidden,
        needs: None,
    }

    /// A duration, after which an attempt is cancelled.
    timeout: Duration {
        form: Form::POSITIVE_DURATION,
        default: none,
        example: r#""10m""#,
        aliases: &["max_duration", "deadline", "timeout_attempt"],
        every_node: Allowed,
        needs: None,
    }

    /// A duration, after which all attempts of a run and the waits between them are over.
    timeout_total: Duration {
        form: Form::POSITIVE_DURATION,
        default: none,
        example: r#""1h""#,
        aliases: &["total_timeout", "timeout_all"],
        every_node: Allowed,
        needs: Some(RETRIES),
    }

    /// The previous run is still going, on any node: `skip` the tick; `queue_one` waits; `queue_all(n)`, up to
    /// `n` wait (1 to 1,000); `cancel_running` cancels the run; `allow(n)`, up to `n` go side by side (2 to 32).
    overlap: Overlap {
        form: Form::Word(OVERLAP),
        default: (Overlap::Skip),
        example: "queue_one",
        aliases: &["concurrency", "concurrency_policy", "concurrent", "max_instances"],
        every_node: DefaultOnly,
        needs: None,
    }

    /// No node could run the ticks, as all nodes or the store were down: `skip` them; `run_once` for all of
    /// them; `run_all`, one after another.
    misfire: Misfire {
        form: Form::Word(MISFIRE),
        default: (Misfire::Skip),
        example: "run_once",
        aliases: &["misfire_policy", "missed", "coalesce"],
        every_node: DefaultOnly,
        needs: None,
    }

    /// A duration: how old a tick may be that `misfire` runs.
    catch_up: Duration {
        form: Form::POSITIVE_DURATION,
        default: HOUR,
        example: r#""1h""#,
        aliases: &["backfill", "catch_up_window", "misfire_grace_time"],
        every_node: Allowed,
        needs: Some(CATCHING_UP),
    }

    /// A duration: a tick that has not started by then is missed, not run late.
    start_deadline: Duration {
        form: Form::POSITIVE_DURATION,
        default: MINUTE,
        example: r#""60s""#,
        aliases: &["starting_deadline", "starting_deadline_seconds", "grace"],
        every_node: Allowed,
        needs: None,
    }

    /// The node of a run died: `record` the run as lost, or `rerun(max)` on another node, at most `max` times
    /// (1 to 100).
    on_node_loss: OnNodeLoss {
        form: Form::Word(ON_NODE_LOSS),
        default: (OnNodeLoss::Record),
        example: "rerun(1)",
        aliases: &["on_crash", "node_loss", "on_node_death", "request_recovery"],
        every_node: Forbidden,
        needs: None,
    }

    /// The lease of a run cannot be proven any more: `cancel` the run before another can start, or let it
    /// `finish`, for idempotent work only.
    on_lease_lost: OnLeaseLost {
        form: Form::Word(ON_LEASE_LOST),
        default: (OnLeaseLost::Cancel),
        example: "finish",
        aliases: &["lease_lost", "on_lock_lost"],
        every_node: Forbidden,
        needs: None,
    }

    /// A number from 0 to 100: how often a failed attempt is retried.
    retries: Count {
        form: Form::Count { least: 0, most: 100 },
        default: 0,
        example: "3",
        aliases: &["retry", "max_retries", "attempts", "max_attempts"],
        every_node: Allowed,
        needs: None,
    }

    /// `"least..most"`, two durations, `0s` allowed: the wait before a retry is random, up to `least` doubled
    /// with each attempt, and at most `most`.
    backoff: Backoff {
        form: Form::Backoff,
        default: (Backoff::DEFAULT),
        example: r#""1s..60s""#,
        aliases: &["retry_delay", "retry_backoff", "retry_wait"],
        every_node: Allowed,
        needs: Some(RETRIES),
    }

    /// What is retried, one or more of `[error, panic, timeout]`.
    retry_on: RetryOn {
        form: Form::WordList(RETRY_ON),
        default: (RetryOn::ALL),
        example: "[error, timeout]",
        aliases: &["retry_if", "retry_for"],
        every_node: Allowed,
        needs: Some(RETRIES),
    }

    /// A number from 1 to 1,000: after so many failed runs of the schedule in a row, the job is paused, with the last
    /// error as note.
    pause_after: Count {
        form: Form::Count { least: 1, most: 1_000 },
        default: none,
        example: "5",
        aliases: &["max_failures", "disable_after", "pause_on_failure", "circuit_breaker"],
        every_node: Forbidden,
        needs: None,
    }

    /// A duration, `0s` allowed, over which starts are spread behind their ticks; below `every`.
    jitter: Duration {
        form: Form::ANY_DURATION,
        default: (Duration::ZERO),
        example: r#""10s""#,
        aliases: &["splay", "randomized_delay"],
        every_node: Allowed,
        needs: None,
    }

    /// Each tick runs on `one` node, or on `every_node` by itself: without a claim, a lease and a fencing
    /// token.
    scope: Scope {
        form: Form::Word(SCOPE),
        default: (Scope::One),
        example: "every_node",
        aliases: &["broadcast", "run_on", "nodes"],
        every_node: Allowed,
        needs: None,
    }

    /// Which node runs a tick: the same one as long as it lives (`sticky`), another one each time (`spread`), the same
    /// one unless it has more to do than others (`least_loaded`), or whichever is first (`fastest`).
    route: Route {
        form: Form::Word(ROUTE),
        default: (Route::Sticky),
        example: "spread",
        aliases: &["routing", "route_strategy", "strategy", "load_balancing"],
        every_node: Forbidden,
        needs: None,
    }

    /// A number from 1 to 1,024: each tick is so many runs, spread over the nodes.
    shards: Count {
        form: Form::Count { least: 1, most: 1_024 },
        default: 1,
        example: "4",
        aliases: &["partitions", "sharding", "shard_count"],
        every_node: DefaultOnly,
        needs: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_example_and_default_is_of_its_key() {
        for key in POLICY_KEYS {
            assert!(!key.example.is_empty(), "{}", key.name);
            if let Some(default) = key.default_value {
                let mut policies = Policies::default();
                key.set(&mut policies, default);
                assert_eq!(key.get(&policies), Some(default), "{}", key.name);
                assert_eq!(
                    policies.contradictions().iter().find(|c| c.key == c.other),
                    None
                );
            }
        }
    }

    #[test]
    fn a_value_of_another_type_changes_nothing() {
        let mut policies = Policies::default();
        for key in POLICY_KEYS {
            let other = match key.default_value {
                Some(Value::Overlap(_)) => Value::Count(1),
                _ => Value::Overlap(Overlap::QueueOne),
            };
            key.set(&mut policies, other);
        }
        assert_eq!(policies, Policies::default());
    }

    #[test]
    fn names_and_aliases_are_not_doubled() {
        let mut names: Vec<&str> = POLICY_KEYS.iter().map(|key| key.name).collect();
        names.extend(POLICY_KEYS.iter().flat_map(|key| key.aliases));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "one name stands for two keys");
    }

    #[test]
    fn defaults_are_shown_as_they_are_written() {
        let shown: Vec<(&str, String)> = POLICY_KEYS
            .iter()
            .filter_map(|key| Some((key.name, key.default()?)))
            .collect();
        for (name, default) in [
            ("overlap", "skip"),
            ("catch_up", r#""1h""#),
            ("retries", "0"),
            ("backoff", r#""1s..1m""#),
            ("retry_on", "[error, panic, timeout]"),
            ("jitter", r#""0s""#),
            ("scope", "one"),
        ] {
            assert!(
                shown.contains(&(name, default.to_owned())),
                "{name}: {shown:?}"
            );
        }
        assert!(shown.iter().all(|(name, _)| *name != "lease"));
    }
}
