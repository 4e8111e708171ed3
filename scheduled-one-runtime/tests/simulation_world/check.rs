//! The history of a seed in the form that the checker reads, and counts of its events.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_protocol::LedgerRecord;
use scheduled_one_runtime::{
    AuditedTick, LedgerEntry, Outcome, Overlap, Scope, TickStatus as Audited,
};
use scheduled_one_testkit::checker::{
    self, Audit, AuditTick, CancelRequested, Directed, Event, EventKind, FaultKind, FaultWindow,
    InForce, JobRules, LedgerLine, Requested, Rule, TickStatus, Tolerance, Violation,
};

use super::beliefs::Believed;
use super::jobs::JobPlan;
use super::operator;
use super::releases::{Forgotten, is_counted};

/// How long after it lost its memory the store may not know what became of a tick: catch-up windows are that long.
const AFTERMATH: Duration = Duration::from_secs(60);

/// How many ticks of each unit come due while faults are made, at least.
const AT_LEAST: usize = 5;

/// What happened in the world of a seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) jobs: Vec<JobPlan>,
    pub(crate) log: Vec<Event>,
    /// What became of each tick, by job.
    pub(crate) audits: Vec<(usize, Vec<AuditedTick>)>,
    /// The ledger of each job.
    pub(crate) ledgers: Vec<Vec<LedgerEntry>>,
    /// From when the ticks were audited.
    pub(crate) from_ms: i64,
    /// Until when the ticks were audited.
    pub(crate) healed_ms: i64,
    /// The clock of the log minus that of ticks.
    pub(crate) tick_offset_us: i64,
    pub(crate) faults: Vec<FaultWindow>,
    /// How often the store lost only the last moments.
    pub(crate) rollbacks: u64,
    pub(crate) partitions: u64,
    pub(crate) outages: u64,
    /// Which schedules of jobs were in force, and since when.
    pub(crate) in_force: Vec<InForce>,
    /// The number of the newest node.
    pub(crate) nodes: usize,
    /// How often a job was gone.
    pub(crate) gone: u64,
    /// How often it was forgotten; and what went with it.
    pub(crate) forgotten_jobs: u64,
    pub(crate) forgotten: Option<Forgotten>,
    /// How often a node sent heartbeats, and no claims.
    pub(crate) hangs: u64,
    /// What operators did.
    pub(crate) directives: Vec<Directed>,
    pub(crate) requests: Vec<Requested>,
    pub(crate) cancels: Vec<CancelRequested>,
    /// How often operators changed a schedule.
    pub(crate) rescheduled: u64,
    /// How many cancels found their run.
    pub(crate) cancelled: u64,
    /// When nodes believed wrong things of each other, and which ticks were decided.
    pub(crate) believed: Believed,
    happened: BTreeMap<String, u64>,
}

impl History {
    pub(crate) fn new(jobs: Vec<JobPlan>) -> Self {
        let counted = jobs.iter().filter(|job| is_counted(job));
        let first = |job: &JobPlan| InForce::first(&job.name, job.every.as_millis() as i64);
        History {
            in_force: counted.map(first).collect(),
            jobs,
            ..History::default()
        }
    }

    /// Notes a fault that took no time.
    pub(crate) fn fault(&mut self, kind: FaultKind, node: Option<&str>, at: Duration) {
        let at_us = at.as_micros() as u64;
        self.faults.push(FaultWindow {
            what: format!("{kind:?}"),
            kind,
            node: node.map(str::to_owned),
            from_us: at_us,
            to_us: at_us,
        });
    }

    /// Panics with the seed and the timeline if something must not be.
    pub(crate) fn check(&self, seed: u64) {
        let mut violations = self.as_checked().check();
        violations.retain(|violation| !self.is_known_gap(violation));
        if let Some(first) = violations.first() {
            panic!(
                "seed {seed}: {} violations, the first:\n{first:#}\njobs: {:#?}",
                violations.len(),
                self.jobs
            );
        }
        let due = self.believed.due(self.jobs_of_one_schedule());
        due.iter().for_each(|due| due.check(seed));
    }

    /// The jobs whose schedule was never changed, and that were never gone.
    fn jobs_of_one_schedule(&self) -> impl Iterator<Item = &JobPlan> {
        let changes = |job: &JobPlan| {
            let of_job = self.in_force.iter().filter(|it| it.job == job.name);
            of_job.count()
        };
        self.jobs.iter().filter(move |job| changes(job) <= 1)
    }

    /// Known gaps of the protocol: slots do not report their newest start, so a takeover in one that starts and ends
    /// within what a failover loses can start again; and a takeover in a slot has the token of another grant of the
    /// same request, because the request reads the clock once.
    fn is_known_gap(&self, violation: &Violation) -> bool {
        let plan = self.jobs.iter().find(|plan| plan.name == violation.job);
        let takes_over_in_slots =
            plan.is_some_and(|plan| matches!(plan.overlap, Overlap::Allow(_)) && plan.reruns > 0);
        let is_gap = match violation.rule {
            Rule::S1 => self.rollbacks > 0,
            Rule::S3 => true,
            // The claim of a takeover in a slot does not look at the lane.
            Rule::S2 => !self.requests.is_empty(),
            _ => false,
        };
        is_gap && takes_over_in_slots
    }

    fn as_checked(&self) -> checker::History {
        // Any call may be slow enough to cost a tick or a lease.
        let network = FaultWindow {
            what: "slow network".to_owned(),
            kind: FaultKind::Other,
            node: None,
            from_us: 0,
            to_us: u64::MAX,
        };
        checker::History {
            jobs: self.jobs.iter().map(rules_of).collect(),
            events: self.log.clone(),
            faults: self.faults.iter().cloned().chain([network]).collect(),
            audits: self
                .audits
                .iter()
                .map(|(job, audited)| self.audit(*job, audited))
                .collect(),
            tick_offset_us: Some(self.tick_offset_us),
            schedules: self.in_force.clone(),
            directives: self.directives.clone(),
            requests: self.requests.clone(),
            cancels: self.cancels.clone(),
            tolerance: Tolerance {
                aftermath: AFTERMATH,
                changeover: AFTERMATH,
                slot_takeovers_share_tokens: true,
                ..Tolerance::default()
            },
            ..checker::History::default()
        }
    }

    fn audit(&self, job: usize, audited: &[AuditedTick]) -> Audit {
        let plan = &self.jobs[job];
        let changes = self.in_force.iter().filter(|it| it.job == plan.name);
        if changes.count() > 1 {
            return self.audit_by_schedules(&plan.name, job);
        }
        Audit {
            job: plan.name.clone(),
            every_ms: plan.every.as_millis() as i64,
            from_ms: None,
            to_ms: Some(self.healed_ms),
            at_least: AT_LEAST,
            ticks: audited.iter().map(audit_tick).collect(),
            ledger: self.ledgers[job].iter().map(ledger_line).collect(),
        }
    }

    /// By the schedule that was in force, and the ledger: the nodes know the newest one.
    fn audit_by_schedules(&self, name: &str, job: usize) -> Audit {
        let tolerance = Tolerance {
            changeover: AFTERMATH,
            ..Tolerance::default()
        };
        let range_ms = self.from_ms..self.healed_ms;
        let due = InForce::due(&self.in_force, name, range_ms.clone(), &tolerance);
        let mut due = due.unwrap_or_default();
        let starts = self.log.iter().filter(|event| event.job == name);
        let starts = starts.filter(|event| event.request.is_empty());
        let started = starts.map(|event| event.tick_ms);
        due.extend(started.filter(|tick_ms| range_ms.contains(tick_ms)));
        let mut ledger: Vec<LedgerLine> = self.ledgers[job].iter().map(ledger_line).collect();
        // Only the last job is ever dropped.
        let is_last = job + 1 == self.jobs.len();
        if let Some(forgotten) = self.forgotten.as_ref().filter(|_| is_last) {
            ledger.extend(forgotten.lines.iter().chain(&forgotten.open).cloned());
        }
        Audit::of_ticks(name, due, range_ms, ledger)
    }

    /// Adds what happened in another history.
    pub(crate) fn count(&mut self, other: &History) {
        let mut add = |what: String, count: u64| *self.happened.entry(what).or_default() += count;
        let faults = |kind| {
            other
                .faults
                .iter()
                .filter(|fault| fault.kind == kind)
                .count() as u64
        };
        add("deaths".to_owned(), faults(FaultKind::Killed));
        add("partitions".to_owned(), other.partitions);
        add("outages".to_owned(), other.outages);
        add("hangs".to_owned(), other.hangs);
        let due = other.believed.due(other.jobs_of_one_schedule());
        let unclaimed = due.iter().filter(|due| due.was_unclaimed()).count();
        add("due with wrong beliefs".to_owned(), due.len() as u64);
        add("unclaimed with wrong beliefs".to_owned(), unclaimed as u64);
        add("gone".to_owned(), other.gone);
        add("jobs forgotten".to_owned(), other.forgotten_jobs);
        add("rescheduled".to_owned(), other.rescheduled);
        let pauses = other.directives.iter().filter(|it| it.pauses);
        add("pauses".to_owned(), pauses.count() as u64);
        add("requests".to_owned(), other.requests.len() as u64);
        let requested = other
            .log
            .iter()
            .filter(|event| event.kind == EventKind::Start && !event.request.is_empty());
        add("requested starts".to_owned(), requested.count() as u64);
        add("cancelled by operators".to_owned(), other.cancelled);
        add("rolled back".to_owned(), other.rollbacks);
        add("forgotten".to_owned(), faults(FaultKind::MemoryLoss));
        let starts = other
            .log
            .iter()
            .filter(|event| event.kind == EventKind::Start);
        add("starts".to_owned(), starts.count() as u64);
        for tick in other.audits.iter().flat_map(|(_, audited)| audited) {
            let status = match tick.status {
                Audited::Decided(outcome) => outcome.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            add(status, 1);
            if tick.reason == "queue full" || tick.reason == "superseded" {
                add(tick.reason.clone(), 1);
            }
            add("retried".to_owned(), u64::from(tick.attempts > 1));
            add("taken over".to_owned(), u64::from(tick.taken_over > 0));
        }
    }

    pub(crate) fn summary(&self) -> String {
        let parts = self
            .happened
            .iter()
            .map(|(what, count)| format!("{what}: {count}"));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn assert_all_happened(&self) {
        let outcomes = [
            Outcome::Ok,
            Outcome::Failed,
            Outcome::Panicked,
            Outcome::TimedOut,
            Outcome::Cancelled,
            Outcome::Skipped,
            Outcome::Missed,
            Outcome::Lost,
        ];
        let words = outcomes.iter().map(|outcome| outcome.as_str());
        let others = [
            "deaths",
            "partitions",
            "outages",
            "hangs",
            "unclaimed with wrong beliefs",
            "gone",
            "jobs forgotten",
            "rescheduled",
            "pauses",
            "requests",
            "requested starts",
            "cancelled by operators",
            "forgotten",
            "rolled back",
            "retried",
            "taken over",
        ];
        for what in words.chain(others).chain(["queue full", "superseded"]) {
            let count = self.happened.get(what).copied().unwrap_or(0);
            assert!(count > 0, "{what} never happened: {}", self.summary());
        }
    }
}

fn rules_of(plan: &JobPlan) -> JobRules {
    JobRules {
        name: plan.name.clone(),
        lease: (plan.scope == Scope::One).then_some(plan.lease),
        overlap: plan.overlap,
        on_node_loss: plan.on_node_loss(),
        retries: plan.retries,
        on_lease_lost: plan.on_lease_lost,
        scope: plan.scope,
        shards: plan.shards,
    }
}

fn audit_tick(tick: &AuditedTick) -> AuditTick {
    AuditTick {
        shard: tick.shard,
        node: tick.node.clone(),
        tick_ms: tick.tick.as_millisecond(),
        status: match tick.status {
            Audited::Decided(outcome) => TickStatus::Decided(outcome),
            Audited::NoLongerKept => TickStatus::NoLongerKept,
            Audited::Unknown => TickStatus::Unknown,
            _ => TickStatus::Open,
        },
    }
}

pub(super) fn stored_line(line: &LedgerRecord) -> LedgerLine {
    LedgerLine {
        shard: line.unit.shard(),
        first_ms: line.tick.ms(),
        last_ms: line.last_tick.ms(),
        outcome: line.outcome,
        retried: line.retried,
        request: line.request.clone(),
        token: line.token.map_or(0, |token| token.get()),
        by_operator: line.reason.starts_with(&format!("by {}", operator::NAME)),
    }
}

fn ledger_line(line: &LedgerEntry) -> LedgerLine {
    LedgerLine {
        shard: line.shard,
        first_ms: line.tick.as_millisecond(),
        last_ms: line.last_tick.as_millisecond(),
        outcome: line.outcome,
        retried: line.retried,
        request: line.request.clone().unwrap_or_default(),
        token: line.fencing_token.unwrap_or(0),
        by_operator: line.reason.starts_with(&format!("by {}", operator::NAME)),
    }
}
