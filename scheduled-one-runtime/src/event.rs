//! Every span and event the scheduler emits, by name; nothing else in the
//! crate emits any. Target: `scheduled_one`. The list for users is in
//! `docs/events.md`.

use std::time::Duration;

use tracing::{Level, Span, debug, error, info, span, warn};

use crate::finish::Report;
use crate::lease::Cancel;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Finding;
use scheduled_one_protocol::Outcome;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{Missed, RunId};

const TARGET: &str = "scheduled_one";

/// `run`: one execution of a tick. The job's own events are inside it.
pub(crate) fn run_span(run: &RunId, tick: chrono::DateTime<chrono::Utc>, node: &str) -> Span {
    span!(
        target: TARGET,
        Level::INFO,
        "run",
        job = %run.unit,
        tick = %tick.format("%FT%T%.3fZ"),
        node,
        attempt = run.attempt,
        token = run.token.get(),
    )
}

/// `buckets` is not shown of a namespace that has one, nor is `bucket` below.
pub(crate) fn started(
    jobs: usize,
    node: &str,
    namespace: &str,
    buckets: Option<u32>,
    store: &str,
    list: &str,
) {
    info!(target: TARGET, jobs, node, namespace, buckets, store, "started: {list}");
}

/// A warning of the look at start.
pub(crate) fn doubtful(finding: &Finding) {
    let Finding {
        check,
        found,
        remedy,
        ..
    } = finding;
    warn!(target: TARGET, check, remedy, "doctor: {found}");
}

pub(crate) fn claimed(job: &str, tick_ms: i64, token: u64) {
    debug!(target: TARGET, job, tick_ms, token, "claimed");
}

pub(crate) fn decided_elsewhere(job: &str, tick_ms: i64, by: &str) {
    debug!(target: TARGET, job, tick_ms, by, "decided elsewhere");
}

pub(crate) fn claimed_too_late(job: &str, tick_ms: i64) {
    warn!(target: TARGET, job, tick_ms, "claim was answered too late to start its tick");
}

pub(crate) fn not_replicated(job: &str, tick_ms: i64) {
    warn!(target: TARGET, job, tick_ms, "too few replicas had the claim to start its tick");
}

pub(crate) fn skipped(job: &str, tick_ms: i64, reason: &str) {
    info!(target: TARGET, job, tick_ms, reason, "skipped");
}

pub(crate) fn queued(job: &str, tick_ms: i64) {
    info!(target: TARGET, job, tick_ms, "queued");
}

/// `missed`, or `skipped` where the ticks are those of a disabled job.
pub(crate) fn missed(job: &str, missed: &Missed) {
    let (first_ms, last_ms) = (missed.first.ms(), missed.last.ms());
    let Missed {
        count,
        outcome,
        reason,
        ..
    } = missed;
    match outcome {
        Outcome::Skipped => {
            info!(target: TARGET, job, first_ms, last_ms, count, reason, "skipped");
        }
        _ => warn!(target: TARGET, job, first_ms, last_ms, count, reason, "missed"),
    }
}

pub(crate) fn retry(job: &str, tries: u32, wait: Duration) {
    info!(target: TARGET, job, tries, wait_ms = wait.as_millis() as u64, "retry");
}

pub(crate) fn taken_over(job: &str) {
    warn!(target: TARGET, job, "taken over: a run stands still, another attempt follows");
}

pub(crate) fn early(job: &str, tick_ms: i64, by_ms: i64) {
    debug!(target: TARGET, job, tick_ms, by_ms, "early");
}

pub(crate) fn stale(job: &str, tick_ms: i64) {
    debug!(target: TARGET, job, tick_ms, "waits for a run whose lease has ended");
}

/// `finished`, `failed` or `cancelled`, inside the run's span.
pub(crate) fn ended(outcome: Outcome, reason: &str, error: &str, took: Duration) {
    let took_ms = took.as_millis() as u64;
    match outcome {
        Outcome::Ok => info!(target: TARGET, %outcome, took_ms, "finished"),
        Outcome::Cancelled => warn!(target: TARGET, %outcome, took_ms, reason, error, "cancelled"),
        _ => error!(target: TARGET, %outcome, took_ms, reason, error, "failed"),
    }
}

pub(crate) fn cancelling(reason: Cancel) {
    debug!(target: TARGET, reason = reason.as_str(), "cancelling");
}

pub(crate) fn lease_lost(job: &str, token: u64) {
    warn!(target: TARGET, job, token, "lease lost");
}

pub(crate) fn readopted(job: &str, token: u64) {
    warn!(target: TARGET, job, token, "readopted: the store had forgotten the run");
}

pub(crate) fn renewal_failed(runs: usize, error: &str) {
    debug!(target: TARGET, runs, error, "renewal failed");
}

pub(crate) fn written_off(job: &str) {
    warn!(target: TARGET, job, "lost: a run stands still, its node is gone");
}

pub(crate) fn finish_refused(job: &str, tick_ms: i64) {
    warn!(target: TARGET, job, tick_ms, "finished without lease");
}

pub(crate) fn unrecorded(report: &Report) {
    let (job, tick_ms, outcome) = match report {
        Report::Finish(finish) | Report::Attempt(finish, _) => {
            (&finish.run.unit, finish.run.tick.ms(), finish.outcome)
        }
        Report::Line(line) => (&line.unit, line.tick.ms(), line.outcome),
    };
    error!(
        target: TARGET,
        %job,
        tick_ms,
        %outcome,
        "outcome of a run that ended after the scheduler stopped is not recorded"
    );
}

pub(crate) fn given_up(job: &str, tick_ms: i64, outcome: Outcome) {
    error!(target: TARGET, job, tick_ms, %outcome, "outcome given up: the store refuses it");
}

pub(crate) fn unrecorded_at_stop() {
    error!(target: TARGET, "store does not answer: the last outcomes are not recorded");
}

pub(crate) fn call_failed(error: &tokio::task::JoinError) {
    error!(target: TARGET, %error, "a call to the store failed unexpectedly");
}

pub(crate) fn refused(job: &str, tick_ms: i64, why: &str) {
    error!(target: TARGET, job, tick_ms, why, "refused: this job stands still until somebody puts that right");
}

pub(crate) fn request_refused(why: &str) {
    warn!(target: TARGET, why, "store refuses a request: it is repeated, without what is refused if that is one job");
}

pub(crate) fn renewal_refused(job: &str, why: &str) {
    error!(target: TARGET, job, why, "renewal refused: this run loses its lease unless somebody puts that right");
}

pub(crate) fn store_lost(bucket: Bucket, error: &StoreError) {
    warn!(target: TARGET, bucket = bucket.label(), %error, "store lost: nothing starts until it is back");
}

pub(crate) fn store_back(bucket: Bucket, after: Duration) {
    warn!(target: TARGET, bucket = bucket.label(), after_ms = after.as_millis() as u64, "store back");
}

pub(crate) fn quarantine(bucket: Bucket, for_ms: i64, known_before: &str) {
    if for_ms <= 0 {
        return;
    }
    if known_before.is_empty() {
        info!(
            target: TARGET,
            bucket = bucket.label(),
            for_ms,
            "quarantine: the store is new to this namespace or has restarted; it may have \
             forgotten runs, so nothing starts until their leases are surely over. Of what \
             comes due meanwhile, each job's newest tick starts when it ends"
        );
    } else {
        warn!(
            target: TARGET,
            bucket = bucket.label(),
            for_ms,
            "quarantine: the store restarted or failed over and may have forgotten decisions; \
             nodes tell it what they saw, nothing starts until then"
        );
    }
}

pub(crate) fn store_clock_jumped(bucket: Bucket, by_ms: i64, pause: Duration) {
    let pause_ms = pause.as_millis() as u64;
    warn!(target: TARGET, bucket = bucket.label(), by_ms, pause_ms, "store clock jumped: claims pause");
}

pub(crate) fn clock_offset(bucket: Bucket, offset_ms: i64) {
    warn!(
        target: TARGET,
        bucket = bucket.label(),
        offset_ms,
        "clock offset: this machine's wall clock differs from the store's; ticks follow the store's"
    );
}

pub(crate) fn signal(name: &str) {
    info!(target: TARGET, signal = name, "shutting down");
}

pub(crate) fn stopped(finished: usize, cancelled: usize) {
    info!(target: TARGET, finished, cancelled, "stopped");
}
