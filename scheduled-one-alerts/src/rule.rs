//! The rules: what fires, for which job.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_schedule::alert::JobRules;

use crate::facts::CLUSTER;
use crate::rule_kind::RuleKind;

/// The rules of one job, decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) failed: Option<u32>,
    pub(crate) recover: u32,
    pub(crate) missed: Option<u64>,
    pub(crate) lost: bool,
    pub(crate) unaccounted: bool,
    pub(crate) no_node_has: bool,
    pub(crate) no_success_ms: Option<i64>,
    pub(crate) late_ms: Option<i64>,
    pub(crate) runs_longer_ms: Option<i64>,
    pub(crate) paused_longer_ms: Option<i64>,
    pub(crate) runbook: Option<String>,
}

impl Decided {
    fn of(rules: JobRules) -> Self {
        let ms = |time: Option<Duration>| time.map(ms).filter(|ms| *ms > 0);
        Decided {
            failed: Some(rules.failed.unwrap_or(1)).filter(|n| *n > 0),
            recover: rules.recover.unwrap_or(1).max(1),
            missed: Some(rules.missed.unwrap_or(1).into()).filter(|n| *n > 0),
            lost: rules.lost.unwrap_or(true),
            unaccounted: rules.unaccounted.unwrap_or(true),
            no_node_has: rules.no_node_has.unwrap_or(true),
            no_success_ms: ms(rules.no_success),
            late_ms: ms(rules.late),
            runs_longer_ms: ms(rules.runs_longer),
            paused_longer_ms: ms(rules.paused_longer),
            runbook: rules.runbook,
        }
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

/// All rules of a namespace.
///
/// ```
/// use scheduled_one_alerts::{JobRules, Rules};
///
/// let rules = Rules::new("shop")
///     .all_jobs(JobRules::new().failed(2))
///     .job("billing", JobRules::new().failed(1))
///     .nodes_below(2)
///     .console("https://shop.example/jobs");
/// # let _ = rules;
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) namespace: String,
    all_jobs: JobRules,
    jobs: BTreeMap<String, JobRules>,
    /// What jobs say themselves.
    declared: BTreeMap<String, JobRules>,
    pub(crate) store_lost_ms: Option<i64>,
    pub(crate) quarantine: bool,
    pub(crate) unreadable: bool,
    pub(crate) drift_ms: Option<i64>,
    pub(crate) nodes_below: u32,
    pub(crate) repeat_ms: i64,
    pub(crate) group_ms: i64,
    console: Option<String>,
}

impl Default for Rules {
    /// The rules that are on by default, for the namespace `default`; a scheduler sets its own.
    fn default() -> Self {
        Rules::new("default")
    }
}

impl Rules {
    /// The rules that are on by default, for a namespace. A scheduler sets its own namespace.
    pub fn new(namespace: impl Into<String>) -> Self {
        Rules {
            namespace: namespace.into(),
            all_jobs: JobRules::new(),
            jobs: BTreeMap::new(),
            declared: BTreeMap::new(),
            store_lost_ms: Some(10 * 1000),
            quarantine: true,
            unreadable: true,
            drift_ms: Some(15 * 60 * 1000),
            nodes_below: 0,
            repeat_ms: 4 * 3600 * 1000,
            group_ms: 30 * 1000,
            console: None,
        }
    }

    pub(crate) fn with_namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.to_owned();
        self
    }

    /// The rules for jobs that have none of their own.
    #[must_use]
    pub fn all_jobs(mut self, rules: JobRules) -> Self {
        self.all_jobs = rules;
        self
    }

    /// The rules of one job; what they leave open is inherited from those for all jobs.
    #[must_use]
    pub fn job(mut self, name: impl Into<String>, rules: JobRules) -> Self {
        self.jobs.insert(name.into(), rules);
        self
    }

    /// Fires while fewer than `n` nodes send heartbeats, for a minute or more. Off if not set.
    #[must_use]
    pub fn nodes_below(mut self, n: u32) -> Self {
        self.nodes_below = n;
        self
    }

    /// Fires when a store did not reply for this time: 10 s if not set, off if zero. It is said when the store is back,
    /// as already resolved: without the store nobody evaluates rules. With several buckets it fires while one is away.
    #[must_use]
    pub fn store_lost(mut self, time: Duration) -> Self {
        self.store_lost_ms = Some(ms(time)).filter(|ms| *ms > 0);
        self
    }

    /// Whether a quarantine fires: yes if not set.
    #[must_use]
    pub fn quarantine(mut self, on: bool) -> Self {
        self.quarantine = on;
        self
    }

    /// Whether a job or a store that cannot be read for a minute fires: yes if not set.
    #[must_use]
    pub fn unreadable(mut self, on: bool) -> Self {
        self.unreadable = on;
        self
    }

    /// Fires when living nodes have differed for this time: 15 minutes if not set, off if zero. They differ if they
    /// have different schedules or versions of a job, or speak different versions of the protocol, as during a
    /// deployment.
    #[must_use]
    pub fn drift(mut self, time: Duration) -> Self {
        self.drift_ms = Some(ms(time)).filter(|ms| *ms > 0);
        self
    }

    /// After which time an alert that continues is said again: 4 h if not set, and at least a minute.
    #[must_use]
    pub fn repeat(mut self, time: Duration) -> Self {
        self.repeat_ms = ms(time).max(60_000);
        self
    }

    /// How long an alert waits for others of the same rule, so that they are one message: 30 s if not set.
    #[must_use]
    pub fn group_within(mut self, time: Duration) -> Self {
        self.group_ms = ms(time);
        self
    }

    /// The address of the console, for links to jobs.
    #[must_use]
    pub fn console(mut self, address: impl Into<String>) -> Self {
        let address: String = address.into();
        self.console = Some(address.trim_end_matches('/').to_owned());
        self
    }

    /// The rules of a job: those that the program gives for it, then those that it says itself, then those for all.
    pub(crate) fn of(&self, subject: &str) -> Decided {
        let job = job_of(subject);
        let own = self.jobs.get(job).into_iter().chain(self.declared.get(job));
        let rules = own.fold(JobRules::new(), |rules, next| rules.over(next));
        Decided::of(rules.over(&self.all_jobs))
    }

    /// The same, with what jobs say themselves.
    pub(crate) fn with_declared(&self, declared: &BTreeMap<String, JobRules>) -> Self {
        Rules {
            declared: declared.clone(),
            ..self.clone()
        }
    }

    /// The first value that is out of its range.
    pub(crate) fn fault(&self) -> Option<String> {
        let of_jobs = self
            .jobs
            .iter()
            .map(|(job, rules)| (format!("`{job}`"), rules));
        let all = [("all jobs".to_owned(), &self.all_jobs)];
        let mut rules = all.into_iter().chain(of_jobs);
        rules.find_map(|(of, rules)| Some(format!("the rules of {of}: {}", rules.fault()?.1)))
    }

    pub(crate) fn link(&self, kind: RuleKind, subject: &str) -> Option<String> {
        let console = self.console.as_ref()?;
        Some(match kind.subjects() {
            "jobs" if subject != CLUSTER => {
                format!("{console}/jobs/{}", encoded(job_of(subject)))
            }
            _ => console.clone(),
        })
    }
}

/// A name as one part of the path of an address.
fn encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte));
            }
            _ => path += &format!("%{byte:02X}"),
        }
    }
    path
}

/// The job of a subject: what stands before the number of a shard.
pub(crate) fn job_of(subject: &str) -> &str {
    subject.split('#').next().unwrap_or(subject)
}

/// The number of the shard that a subject is; 0 for the first, and for what is no shard.
pub(crate) fn shard_of(subject: &str) -> u32 {
    let number = subject.split_once('#').map(|(_, number)| number.parse());
    number.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_jobs_whatever_they_are_called() {
        let rules = Rules::new("shop").console("https://shop.example/console/");
        let link = |subject| rules.link(RuleKind::Failed, subject);
        let expected = "https://shop.example/console/jobs/billing%2Fnight%3Aa%20b";
        assert_eq!(link("billing/night:a b#3").as_deref(), Some(expected));
    }
}
