//! The rules: what fires, for which job.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::facts::CLUSTER;
use crate::rule_kind::RuleKind;

/// The rules of a job. What is not set is inherited from those for all jobs; those begin with `failed(1)`, `missed(1)`,
/// `lost` and `unaccounted`. A number or a time of zero switches a rule off.
///
/// ```
/// use scheduled_one_alerts::JobRules;
/// use std::time::Duration;
///
/// let nightly = JobRules::new()
///     .failed(3)
///     .no_success(Duration::from_secs(26 * 3600))
///     .runbook("https://wiki.example/nightly");
/// # let _ = nightly;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRules {
    failed: Option<u32>,
    recover: Option<u32>,
    missed: Option<u64>,
    lost: Option<bool>,
    unaccounted: Option<bool>,
    no_success: Option<Duration>,
    late: Option<Duration>,
    runs_longer: Option<Duration>,
    paused_longer: Option<Duration>,
    runbook: Option<String>,
}

impl JobRules {
    /// No rule is set: all are inherited.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fires when `n` outcomes in a row are failed, panicked, timed_out or lost. An attempt that is retried does not
    /// count.
    #[must_use]
    pub fn failed(mut self, n: u32) -> Self {
        self.failed = Some(n);
        self
    }

    /// A failure is over after `n` runs in a row are ok: 1 if not set.
    #[must_use]
    pub fn recover(mut self, n: u32) -> Self {
        self.recover = Some(n);
        self
    }

    /// Fires when `n` ticks in a row are missed.
    #[must_use]
    pub fn missed(mut self, n: u64) -> Self {
        self.missed = Some(n);
        self
    }

    /// Whether a lost run fires.
    #[must_use]
    pub fn lost(mut self, on: bool) -> Self {
        self.lost = Some(on);
        self
    }

    /// Whether ticks without an outcome fire.
    #[must_use]
    pub fn unaccounted(mut self, on: bool) -> Self {
        self.unaccounted = Some(on);
        self
    }

    /// Fires when no run was ok for this time, or since the job was first seen. A paused job does not fire, and counts
    /// anew when it is resumed.
    #[must_use]
    pub fn no_success(mut self, time: Duration) -> Self {
        self.no_success = Some(time);
        self
    }

    /// Fires while a tick is due for this time and has not started.
    #[must_use]
    pub fn late(mut self, time: Duration) -> Self {
        self.late = Some(time);
        self
    }

    /// Fires while a run has taken this time and continues.
    #[must_use]
    pub fn runs_longer(mut self, time: Duration) -> Self {
        self.runs_longer = Some(time);
        self
    }

    /// Fires while the job has been paused for this time.
    #[must_use]
    pub fn paused_longer(mut self, time: Duration) -> Self {
        self.paused_longer = Some(time);
        self
    }

    /// Where to read what to do about this job; in each message about it.
    #[must_use]
    pub fn runbook(mut self, address: impl Into<String>) -> Self {
        self.runbook = Some(address.into());
        self
    }

    /// What is set here, and from `base` what is not.
    fn over(&self, base: &JobRules) -> JobRules {
        JobRules {
            failed: self.failed.or(base.failed),
            recover: self.recover.or(base.recover),
            missed: self.missed.or(base.missed),
            lost: self.lost.or(base.lost),
            unaccounted: self.unaccounted.or(base.unaccounted),
            no_success: self.no_success.or(base.no_success),
            late: self.late.or(base.late),
            runs_longer: self.runs_longer.or(base.runs_longer),
            paused_longer: self.paused_longer.or(base.paused_longer),
            runbook: self.runbook.clone().or_else(|| base.runbook.clone()),
        }
    }
}

/// The rules of one job, decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) failed: Option<u32>,
    pub(crate) recover: u32,
    pub(crate) missed: Option<u64>,
    pub(crate) lost: bool,
    pub(crate) unaccounted: bool,
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
            missed: Some(rules.missed.unwrap_or(1)).filter(|n| *n > 0),
            lost: rules.lost.unwrap_or(true),
            unaccounted: rules.unaccounted.unwrap_or(true),
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
    pub(crate) store_lost: bool,
    pub(crate) quarantine: bool,
    pub(crate) drift_ms: Option<i64>,
    pub(crate) nodes_below: u32,
    pub(crate) repeat_ms: i64,
    pub(crate) group_ms: i64,
    console: Option<String>,
}

impl Rules {
    /// The rules that are on by default, for a namespace.
    pub fn new(namespace: impl Into<String>) -> Self {
        Rules {
            namespace: namespace.into(),
            all_jobs: JobRules::new(),
            jobs: BTreeMap::new(),
            store_lost: true,
            quarantine: true,
            drift_ms: Some(15 * 60 * 1000),
            nodes_below: 0,
            repeat_ms: 4 * 3600 * 1000,
            group_ms: 30 * 1000,
            console: None,
        }
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

    /// Whether an outage of the store fires: yes if not set.
    #[must_use]
    pub fn store_lost(mut self, on: bool) -> Self {
        self.store_lost = on;
        self
    }

    /// Whether a quarantine fires: yes if not set.
    #[must_use]
    pub fn quarantine(mut self, on: bool) -> Self {
        self.quarantine = on;
        self
    }

    /// Fires when nodes have differed for this time: 15 minutes if not set, off if zero.
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

    pub(crate) fn of(&self, subject: &str) -> Decided {
        let job = job_of(subject);
        Decided::of(match self.jobs.get(job) {
            Some(own) => own.over(&self.all_jobs),
            None => self.all_jobs.clone(),
        })
    }

    pub(crate) fn link(&self, kind: RuleKind, subject: &str) -> Option<String> {
        let console = self.console.as_ref()?;
        Some(match kind.subjects() {
            "jobs" if subject != CLUSTER => {
                format!("{console}/jobs/{}", job_of(subject))
            }
            _ => console.clone(),
        })
    }
}

/// The job of a subject: what stands before the number of a shard.
pub(crate) fn job_of(subject: &str) -> &str {
    subject.split('#').next().unwrap_or(subject)
}
