//! How the ticks of a job are run: the values of the policies, and which of
//! them contradict each other. Here, because the attribute refuses at compile
//! time what the scheduler refuses at start, by the same rules.

use std::time::Duration;

/// What becomes of a tick that comes due while the previous run of its unit
/// (the job, or a shard of it) is still going, on whichever node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overlap {
    /// It is skipped, and recorded so; a slow node cannot run it after all.
    #[default]
    Skip,
    /// It waits until the run has ended; while one waits, others are skipped.
    QueueOne,
    /// It waits; at most so many wait (1 to 1,000), others are skipped.
    QueueAll(u32),
    /// The run is cancelled, on whichever node it goes, and the tick starts
    /// when it has ended. A tick that waited for that already is skipped.
    CancelRunning,
    /// It runs beside the others, under a lease of its own; at most so many
    /// go at once (2 to 32), others are skipped.
    Allow(u32),
}

/// What becomes of ticks that came due while nobody could run them: all nodes
/// or the store were down, or the store was in quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misfire {
    /// They are missed. (The newest still starts within its start deadline.)
    #[default]
    Skip,
    /// The newest within the catch-up window runs, and knows how many others
    /// it stands for; those are recorded as missed.
    RunOnce,
    /// Each within the catch-up window runs, oldest first, one after another.
    RunAll,
}

/// What becomes of a run whose node died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnNodeLoss {
    /// It is recorded as lost.
    #[default]
    Record,
    /// Another node makes another attempt, with a higher fencing token; at
    /// most so often for a tick (1 to 100), then it is lost.
    Rerun(u32),
}

/// What becomes of a run whose lease cannot be proven any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLeaseLost {
    /// It is cancelled before another run can start.
    #[default]
    Cancel,
    /// It goes on, though another run may go beside it. For idempotent work
    /// only. If another run has its place by then, its end is recorded as
    /// finished without lease.
    Finish,
}

/// Where each tick runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// On one node of the cluster.
    #[default]
    One,
    /// On each node, by itself: no claim, no lease, no fencing token.
    EveryNode,
}

/// Which ends of an attempt are tried again, where there are retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryOn {
    /// The function returned an error.
    pub error: bool,
    /// It panicked.
    pub panic: bool,
    /// It took longer than its timeout.
    pub timeout: bool,
}

impl Default for RetryOn {
    fn default() -> Self {
        RetryOn {
            error: true,
            panic: true,
            timeout: true,
        }
    }
}

/// How long to wait before another attempt: a random time up to `least`
/// doubled with each attempt, and at most `most` (full jitter: Brooker,
/// "Exponential Backoff And Jitter", 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// Bound of the wait before the first retry.
    pub least: Duration,
    /// Bound of all waits.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            least: Duration::from_secs(1),
            most: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The wait before attempt `attempt` (2 is the first retry); `random` is
    /// from 0 to 1.
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(2).min(31);
        let bound = self.least.saturating_mul(1 << doublings).min(self.most);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }
}

/// All policies of a job. None stands for "not said", which is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The lease of its runs; the scheduler's if not said.
    pub lease: Option<Duration>,
    /// How long an attempt may take; as long as it likes if not said.
    pub timeout: Option<Duration>,
    /// How long all attempts and the waits between them may take.
    pub timeout_total: Option<Duration>,
    /// What becomes of a tick whose unit is busy.
    pub overlap: Option<Overlap>,
    /// What becomes of ticks nobody could run.
    pub misfire: Option<Misfire>,
    /// How old a tick may be that is caught up with; 1 h if not said.
    pub catch_up: Option<Duration>,
    /// How late a tick may start; 60 s if not said.
    pub start_deadline: Option<Duration>,
    /// What becomes of a run whose node died.
    pub on_node_loss: Option<OnNodeLoss>,
    /// What becomes of a run whose lease cannot be proven.
    pub on_lease_lost: Option<OnLeaseLost>,
    /// How often a failed run is tried again; 0 if not said.
    pub retries: Option<u32>,
    /// How long to wait before it.
    pub backoff: Option<Backoff>,
    /// What counts as failed.
    pub retry_on: Option<RetryOn>,
    /// How far starts are spread behind their ticks.
    pub jitter: Option<Duration>,
    /// Where each tick runs.
    pub scope: Option<Scope>,
    /// Into how many shards a tick is split; 1 if not said.
    pub shards: Option<u32>,
}

/// Two settings that do not go together, by their keys; or a value that is out
/// of range, where both keys are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The one key.
    pub key: &'static str,
    /// The other key.
    pub other: &'static str,
    /// What is wrong, and the way out.
    pub message: String,
}

/// Bounds of what is counted, with their keys.
const COUNTS: [(&str, u32, u32); 5] = [
    ("overlap = queue_all(n)", 1, 1_000),
    ("overlap = allow(n)", 2, 32),
    ("on_node_loss = rerun(max)", 1, 100),
    ("retries", 0, 100),
    ("shards", 1, 1_024),
];

/// Bounds of leases. Below, a hiccup of the network cancels runs; above, a
/// dead node's unit stands still for too long.
pub const MIN_LEASE: Duration = Duration::from_millis(200);
/// See [`MIN_LEASE`].
pub const MAX_LEASE: Duration = Duration::from_secs(3600);
/// Longest of all other durations: a year.
pub const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

impl Policies {
    /// All that is wrong with the policies.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        self.out_of_range(&mut found);
        self.at_odds_with_every_node(&mut found);
        self.without_use(&mut found);
        found
    }

    fn out_of_range(&self, found: &mut Vec<Contradiction>) {
        let queue = match self.overlap {
            Some(Overlap::QueueAll(n)) => Some(n),
            _ => None,
        };
        let allow = match self.overlap {
            Some(Overlap::Allow(n)) => Some(n),
            _ => None,
        };
        let rerun = match self.on_node_loss {
            Some(OnNodeLoss::Rerun(max)) => Some(max),
            _ => None,
        };
        let counts = [queue, allow, rerun, self.retries, self.shards];
        for (count, (form, least, most)) in counts.into_iter().zip(COUNTS) {
            let key = form.split(' ').next().unwrap_or(form);
            if let Some(n) = count.filter(|n| !(least..=most).contains(n)) {
                let message = format!("{n} is out of range for `{form}`: {least} to {most}");
                found.push(bad_value(key, message));
            }
        }
        if let Some(lease) = self
            .lease
            .filter(|lease| !(MIN_LEASE..=MAX_LEASE).contains(lease))
        {
            let message = format!(
                "a lease of {lease:?} is out of range; it must be between {MIN_LEASE:?} and {MAX_LEASE:?}"
            );
            found.push(bad_value("lease", message));
        }
        for (key, value) in self.positive_durations() {
            if value.is_some_and(|value| value.is_zero() || value > MAX_DURATION) {
                let message = format!("`{key}` must be longer than zero and at most 366 days");
                found.push(bad_value(key, message));
            }
        }
        let backoff = self.backoff.unwrap_or_default();
        if backoff.least > backoff.most || backoff.most > MAX_DURATION {
            let message = "a backoff goes from a shorter to a longer wait, such as \"1s..60s\"";
            found.push(bad_value("backoff", message.to_owned()));
        }
    }

    fn positive_durations(&self) -> [(&'static str, Option<Duration>); 4] {
        [
            ("timeout", self.timeout),
            ("timeout_total", self.timeout_total),
            ("catch_up", self.catch_up),
            ("start_deadline", self.start_deadline),
        ]
    }

    /// A node that runs each tick by itself takes no claim and holds no lease.
    fn at_odds_with_every_node(&self, found: &mut Vec<Contradiction>) {
        if self.scope != Some(Scope::EveryNode) {
            return;
        }
        let said = [
            ("lease", self.lease.is_some()),
            ("on_lease_lost", self.on_lease_lost.is_some()),
            ("on_node_loss", self.on_node_loss.is_some()),
            (
                "misfire",
                self.misfire.is_some_and(|misfire| misfire != Misfire::Skip),
            ),
            (
                "overlap",
                self.overlap.is_some_and(|overlap| overlap != Overlap::Skip),
            ),
            ("shards", self.shards.is_some_and(|shards| shards > 1)),
        ];
        for (key, said) in said {
            if said {
                let message = format!(
                    "`{key}` does not go with `scope = every_node`: there each node runs each \
                     tick by itself, without a claim or a lease, and a dead node's ticks are its own"
                );
                found.push(Contradiction {
                    key,
                    other: "scope",
                    message,
                });
            }
        }
    }

    /// Settings that nothing would ever look at.
    fn without_use(&self, found: &mut Vec<Contradiction>) {
        let retries = self.retries.unwrap_or(0);
        let tried_again = [
            ("backoff", self.backoff.is_some()),
            ("retry_on", self.retry_on.is_some()),
            ("timeout_total", self.timeout_total.is_some()),
        ];
        for (key, said) in tried_again {
            if said && retries == 0 {
                let message = format!(
                    "`{key}` needs `retries`: without them there is one attempt (for that, \
                     `timeout` is the limit)"
                );
                found.push(Contradiction {
                    key,
                    other: "retries",
                    message,
                });
            }
        }
        if self.catch_up.is_some() && self.misfire.unwrap_or_default() == Misfire::Skip {
            let message = "`catch_up` needs `misfire = run_once` or `misfire = run_all`: ticks \
                           that are skipped are not caught up with";
            found.push(Contradiction {
                key: "catch_up",
                other: "misfire",
                message: message.to_owned(),
            });
        }
        if let (Some(one), Some(all)) = (self.timeout, self.timeout_total)
            && one > all
        {
            let message = "`timeout` (of one attempt) is longer than `timeout_total` (of all)";
            found.push(Contradiction {
                key: "timeout",
                other: "timeout_total",
                message: message.to_owned(),
            });
        }
        let reruns = matches!(self.on_node_loss, Some(OnNodeLoss::Rerun(_)));
        if reruns && self.on_lease_lost == Some(OnLeaseLost::Finish) {
            let message = "`on_lease_lost = finish` lets a run go on that \
                           `on_node_loss = rerun` lets another node take over: the two would \
                           run side by side";
            found.push(Contradiction {
                key: "on_lease_lost",
                other: "on_node_loss",
                message: message.to_owned(),
            });
        }
    }
}

fn bad_value(key: &'static str, message: String) -> Contradiction {
    Contradiction {
        key,
        other: key,
        message,
    }
}

#[cfg(test)]
mod tests {
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
            [("backoff", "retries"), ("catch_up", "misfire")]
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
        let keys: Vec<_> = keys(bad).into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            ["overlap", "retries", "shards", "lease", "start_deadline"]
        );
    }

    #[test]
    fn waits_double_up_to_the_bound() {
        let backoff = Backoff {
            least: Duration::from_secs(1),
            most: Duration::from_secs(5),
        };
        let bounds: Vec<u64> = (2..6).map(|k| backoff.wait(k, 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 5]);
        assert_eq!(backoff.wait(40, 1.0).as_secs(), 5);
        assert_eq!(backoff.wait(3, 0.0), Duration::ZERO);
        assert_eq!(backoff.wait(3, 0.5), Duration::from_secs(1));
    }
}
