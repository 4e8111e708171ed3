//! The jobs of test nodes: their specification, and their functions.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::{
    Effects, Job, JobContext, Misfire, OnNodeLoss, Overlap, Route, Scope, State, Statement,
};
use scheduled_one_testkit::checker::JobRules;

use crate::log::{self, Event, Kind};
use crate::sink;

/// How often a job that runs for a while shows that it is polled.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// A job of the test nodes.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// Its period.
    pub every: Duration,
    /// How long a run takes; it shows every 10 ms that it is polled.
    pub runs_for: Duration,
    /// Its policies, such as `overlap=queue_one`; `fails=1`: so many
    /// attempts of each tick fail; and `commits=$`, with the sign of values in statements: each run that ends well
    /// adds its job, tick and attempt to the table `effect`.
    pub policies: Vec<String>,
}

impl JobSpec {
    /// A job that is due every `every_ms` and runs for `runs_for_ms`.
    pub fn new(name: &str, every_ms: u64, runs_for_ms: u64) -> Self {
        JobSpec {
            name: name.to_owned(),
            every: Duration::from_millis(every_ms),
            runs_for: Duration::from_millis(runs_for_ms),
            policies: Vec::new(),
        }
    }

    /// The same with policies.
    pub fn with<const N: usize>(mut self, policies: [&str; N]) -> Self {
        self.policies.extend(policies.map(str::to_owned));
        self
    }

    /// The value of a policy, if it has it.
    pub fn policy(&self, key: &str) -> Option<&str> {
        let mut policies = self.policies.iter().filter_map(|it| it.split_once('='));
        policies
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// A policy that is a number; durations are in milliseconds.
    pub fn number(&self, key: &str) -> Option<u32> {
        self.policy(key)?.parse().ok()
    }

    /// What the checker may rely on.
    pub fn rules(&self, lease: Duration) -> JobRules {
        let most = self
            .policy("overlap")
            .and_then(|it| it.strip_prefix("allow:"));
        JobRules {
            name: self.name.clone(),
            lease: Some(self.lease().unwrap_or(lease)),
            // How others queue is no matter of a rule.
            overlap: most.map_or(Overlap::Skip, |most| {
                Overlap::Allow(most.parse().expect("a number"))
            }),
            on_node_loss: match self.number("rerun") {
                Some(most) => OnNodeLoss::Rerun(most),
                None => OnNodeLoss::Record,
            },
            retries: self.number("retries").unwrap_or(0),
            scope: match self.on_every_node() {
                true => Scope::EveryNode,
                false => Scope::One,
            },
            shards: self.number("shards").unwrap_or(1),
            ..JobRules::default()
        }
    }

    /// Its lease, if it has one of its own.
    pub fn lease(&self) -> Option<Duration> {
        let lease_ms = self.number("lease")?;
        Some(Duration::from_millis(lease_ms.into()))
    }

    /// Whether each node runs it by itself.
    pub fn on_every_node(&self) -> bool {
        self.policy("scope") == Some("every_node")
    }

    /// The job as a scheduler takes it; with a [`Witness`] as its state.
    pub fn to_job(&self) -> Job {
        let runs_for = self.runs_for;
        let fails = self.number("fails").unwrap_or(0);
        let job = match self.policy("commits") {
            None => Job::every(&self.name, self.every, move |ctx, witness| {
                work(ctx, witness, runs_for, fails)
            }),
            Some(sign) => {
                let insert = format!("INSERT INTO effect VALUES ({sign}1, {sign}2, {sign}3)");
                Job::every(&self.name, self.every, move |ctx, witness, effects| {
                    add_effect(&ctx, &effects, &insert);
                    work(ctx, witness, runs_for, fails)
                })
            }
        };
        self.policies
            .iter()
            .fold(job, |job, text| with_policy(job, text))
    }

    /// As one word group of the environment.
    pub(crate) fn to_text(&self) -> String {
        let (every, runs_for) = (self.every.as_millis(), self.runs_for.as_millis());
        let policies = self.policies.join(" ");
        format!("{} {every} {runs_for} {policies}", self.name)
    }

    pub(crate) fn from_text(text: &str) -> Self {
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let words: Vec<&str> = text.split(' ').collect();
        let mut spec = JobSpec::new(words[0], number(words[1]), number(words[2]));
        let policies = words[3..].iter().filter(|word| !word.is_empty());
        spec.policies = policies.map(|word| (*word).to_owned()).collect();
        spec
    }
}

/// Adds a policy such as `overlap=allow:2`.
fn with_policy(job: Job, text: &str) -> Job {
    let (key, value) = text.split_once('=').expect("key=value");
    let (word, number) = value.split_once(':').unwrap_or((value, value));
    let number = number.parse::<u64>().unwrap_or_default();
    match (key, word) {
        ("overlap", "queue_one") => job.overlap(Overlap::QueueOne),
        ("overlap", "queue_all") => job.overlap(Overlap::QueueAll(number as u32)),
        ("overlap", "cancel_running") => job.overlap(Overlap::CancelRunning),
        ("overlap", "allow") => job.overlap(Overlap::Allow(number as u32)),
        ("misfire", "run_once") => job.misfire(Misfire::RunOnce),
        ("misfire", "run_all") => job.misfire(Misfire::RunAll),
        ("lease", _) => job.lease(Duration::from_millis(number)),
        ("rerun", _) => job.on_node_loss(OnNodeLoss::Rerun(number as u32)),
        ("shards", _) => job.shards(number as u32),
        ("start_deadline_ms", _) => job.start_deadline(Duration::from_millis(number)),
        ("scope", "every_node") => job.scope(Scope::EveryNode),
        ("route", "fastest") => job.route(Route::Fastest),
        ("route", "spread") => job.route(Route::Spread),
        ("route", "least_loaded") => job.route(Route::LeastLoaded),
        ("on", _) => job.on(value.split('+')),
        ("group", _) => job.group(value),
        ("retries", _) => {
            let wait = Duration::from_millis(50);
            job.retries(number as u32).backoff(wait, wait)
        }
        ("fails" | "commits", _) => job,
        _ => panic!("unknown policy {text}"),
    }
}

/// Where jobs note what they do.
#[derive(Clone, Debug)]
pub struct Witness {
    /// A log of all nodes, opened for appending.
    pub log: Arc<File>,
    /// What they write to when they are done, with their token.
    pub sink: Option<SocketAddr>,
}

impl Witness {
    fn note(&self, kind: Kind, ctx: &JobContext) {
        log::append(&self.log, &event(kind, ctx)).expect("the log can be written");
    }

    /// The effect of the run: false if the sink refused it.
    async fn write(&self, ctx: &JobContext) -> Result<bool, std::io::Error> {
        match self.sink {
            Some(sink) if ctx.fencing_token() > 0 => {
                sink::write(sink, &event(Kind::Start, ctx)).await
            }
            _ => Ok(true),
        }
    }
}

fn event(kind: Kind, ctx: &JobContext) -> Event {
    Event {
        kind,
        boot_us: SystemClock.boottime().as_micros() as u64,
        node: ctx.node().to_owned(),
        job: ctx.job().to_owned(),
        shard: ctx.shard().index,
        missed: ctx.missed(),
        tick_ms: ctx.scheduled_at().as_millisecond(),
        attempt: ctx.attempt(),
        token: ctx.fencing_token(),
        request: ctx.request_id().unwrap_or_default().to_owned(),
    }
}

/// What commits with the outcome.
fn add_effect(ctx: &JobContext, effects: &Effects, insert: &str) {
    let statement = Statement::new(insert)
        .bind(ctx.job())
        .bind(ctx.scheduled_at().as_millisecond())
        .bind(ctx.attempt());
    effects.add(statement);
}

async fn work(
    ctx: JobContext,
    State(witness): State<Witness>,
    runs_for: Duration,
    fails: u32,
) -> Result<(), String> {
    witness.note(Kind::Start, &ctx);
    let until = SystemClock.boottime() + runs_for;
    while SystemClock.boottime() < until {
        tokio::time::sleep(POLL_EVERY).await;
        witness.note(Kind::Poll, &ctx);
    }
    let result = match witness.write(&ctx).await {
        Ok(true) if ctx.attempt() <= fails => Err("it was told to fail".to_owned()),
        Ok(true) => Ok(()),
        Ok(false) => Err("the sink refused the token".to_owned()),
        Err(error) => Err(format!("the sink did not answer: {error}")),
    };
    let kind = match result {
        Ok(()) => Kind::End,
        Err(_) => Kind::Fail,
    };
    witness.note(kind, &ctx);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checker_reads_the_policies_that_rules_depend_on() {
        let lease = Duration::from_secs(2);
        let rules = |policies: &[&str]| {
            let mut spec = JobSpec::new("job", 1, 0);
            spec.policies = policies.iter().map(|it| (*it).to_owned()).collect();
            spec.rules(lease)
        };
        let plain = JobRules {
            name: "job".to_owned(),
            lease: Some(lease),
            shards: 1,
            ..JobRules::default()
        };
        assert_eq!(rules(&["overlap=queue_one", "misfire=run_all"]), plain);
        assert_eq!(rules(&["lease=60000"]).lease, Some(Duration::from_secs(60)));
        let all = rules(&[
            "overlap=allow:3",
            "rerun=2",
            "retries=1",
            "shards=4",
            "scope=every_node",
            "lease=60000",
        ]);
        let expected = JobRules {
            lease: Some(Duration::from_secs(60)),
            overlap: Overlap::Allow(3),
            on_node_loss: OnNodeLoss::Rerun(2),
            retries: 1,
            shards: 4,
            scope: Scope::EveryNode,
            ..plain
        };
        assert_eq!(all, expected);
    }
}
