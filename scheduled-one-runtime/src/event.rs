//! Every span and event of the scheduler. No other file emits any. The target is
//! `scheduled_one`; the list for users is `docs/events.md`.

pub(crate) mod spans;

use std::time::Duration;

use tracing::Span;

use crate::lease::CancelReason;
use crate::outcome_report::OutcomeReport;
use crate::user_code;
use scheduled_one_protocol::Bucket;
use scheduled_one_protocol::Finding;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::Missed;
use scheduled_one_protocol::{
    DecidingSchedule, FencingToken, Outcome, ScheduleId, SkipReason, TickMs, UnitName,
};
use scheduled_one_schedule::{Schedule, ZoneData};

const TARGET: &str = "scheduled_one";

// The macros of `tracing`, for this file: a subscriber is the program's, and a panic of it must not end a task of ours.
macro_rules! debug {
    ($($args:tt)*) => { user_code::ignore(|| tracing::debug!($($args)*)) };
}
macro_rules! info {
    ($($args:tt)*) => { user_code::ignore(|| tracing::info!($($args)*)) };
}
macro_rules! warn {
    ($($args:tt)*) => { user_code::ignore(|| tracing::warn!($($args)*)) };
}
macro_rules! error {
    ($($args:tt)*) => { user_code::ignore(|| tracing::error!($($args)*)) };
}

mod of_control;

pub(crate) use of_control::{
    ended_gone, job_gone, not_paused_after, paused_after, rescheduled, shard_gone,
};
#[cfg(feature = "alerts")]
pub(crate) mod alerts;

/// A namespace of one bucket has no `buckets` here, and no `bucket` in the events below.
pub(crate) fn started(
    jobs: usize,
    node: &str,
    namespace: &str,
    buckets: Option<u32>,
    store: &str,
    zone_data: &ZoneData,
    list: &str,
) {
    info!(target: TARGET, jobs, node, namespace, buckets, store, %zone_data, "started: {list}");
}

/// A warning of the check at start.
pub(crate) fn doubtful(finding: &Finding) {
    let Finding {
        check,
        found,
        remedy,
        ..
    } = finding;
    warn!(target: TARGET, check, remedy, "doctor: {found}");
}

/// Jobs say what of them is worth an alert, and nobody evaluates alerts.
pub(crate) fn rules_without_effect<'a>(jobs: impl Iterator<Item = &'a String>, way_out: &str) {
    let jobs = jobs.map(String::as_str).collect::<Vec<_>>().join(", ");
    if jobs.is_empty() {
        return;
    }
    warn!(target: TARGET, jobs, way_out, "nobody evaluates alerts: what these jobs say with `alert(…)` has no effect");
}

/// A disabled job whose schedule cannot be used.
pub(crate) fn left_out(job: &str, why: &str) {
    warn!(target: TARGET, job, why, "left out: this job is disabled, and its schedule cannot be used");
}

/// `own` and the identity: the schedule that this node has.
pub(crate) fn stands_aside(
    job: &str,
    own: &Schedule,
    identity: ScheduleId,
    decides: &DecidingSchedule,
) {
    let DecidingSchedule {
        id,
        registered_ms,
        node,
        generation,
        ..
    } = decides;
    warn!(
        target: TARGET,
        job,
        schedule = %own,
        %identity,
        deciding_identity = %id,
        registered_by = &**node,
        registered_ms,
        generation,
        "stands aside: another schedule of this job was registered later, or has a higher generation, and decides its \
         ticks until its node is gone or a node with this schedule starts"
    );
}

pub(crate) fn schedule_decides(job: &str, schedule: &Schedule) {
    info!(
        target: TARGET,
        job,
        %schedule,
        "schedule decides: it takes the place of another one, and its ticks begin now"
    );
}

/// Units that are decided far ahead of the store's clock: the doctor's finding, and which jobs start again when.
pub(crate) fn decided_ahead(finding: &Finding, claims_begin: &str) {
    let Finding {
        check,
        found,
        remedy,
        ..
    } = finding;
    let remedy = remedy.replace('\n', " ");
    warn!(target: TARGET, check, claims_begin, remedy, "doctor: {found}");
}

pub(crate) fn claimed(job: &UnitName, tick: TickMs, token: FencingToken) {
    debug!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), token = token.get(), "claimed");
}

pub(crate) fn stood_in(job: &UnitName, tick: TickMs, node: &str) {
    warn!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), node, "claimed in the place of a node that sends heartbeats, and did not claim it");
}

pub(crate) fn decided_elsewhere(job: &UnitName, tick: TickMs, by: &str) {
    debug!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), by, "decided elsewhere");
}

pub(crate) fn claimed_too_late(job: &UnitName, tick: TickMs) {
    warn!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), "claim was answered too late to start its tick");
}

pub(crate) fn not_replicated(job: &UnitName, tick: TickMs) {
    warn!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), "too few replicas had the claim to start its tick");
}

pub(crate) fn skipped(job: &UnitName, tick: TickMs, reason: SkipReason) {
    info!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), reason = reason.as_str(), "skipped");
}

pub(crate) fn request_skipped(job: &UnitName) {
    info!(target: TARGET, %job, reason = SkipReason::Overlap.as_str(), "request skipped");
}

pub(crate) fn backfill_ended(job: &str, asked: usize, reason: &str) {
    info!(target: TARGET, job, asked, reason, "backfill ended: all of its ticks were asked for, or the reason says why not");
}

pub(crate) fn request_deleted(job: &UnitName, tick: TickMs) {
    warn!(target: TARGET, %job, tick_ms = tick.ms(), "request was deleted from the store before it started");
}

pub(crate) fn queued(job: &UnitName, tick: TickMs) {
    info!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), "queued");
}

/// `missed`, or `skipped` where the ticks are those of a disabled job.
pub(crate) fn missed(job: &UnitName, missed: &Missed) {
    let (first_ms, last_ms) = (missed.first.ms(), missed.last.ms());
    let Missed {
        count,
        outcome,
        reason,
        ..
    } = missed;
    match outcome {
        Outcome::Skipped => {
            info!(target: TARGET, job = job.as_str(), first_ms, last_ms, count, reason, "skipped");
        }
        _ => warn!(target: TARGET, job = job.as_str(), first_ms, last_ms, count, reason, "missed"),
    }
}

/// The first of several ticks that are caught up with, one after another, was granted to this node.
pub(crate) fn catching_up(job: &UnitName, first_ms: i64, last_ms: i64, count: u64) {
    info!(target: TARGET, job = job.as_str(), first_ms, last_ms, count, "catching up: missed ticks run one after another");
}

/// No tick is left to catch up with.
pub(crate) fn caught_up(job: &UnitName, runs: u64, took_ms: i64) {
    info!(target: TARGET, job = job.as_str(), runs, took_ms, "caught up");
}

pub(crate) fn retry(job: &UnitName, tries: u32, wait: Duration) {
    info!(target: TARGET, job = job.as_str(), tries, wait_ms = wait.as_millis() as u64, "retry");
}

pub(crate) fn taken_over(job: &UnitName) {
    warn!(target: TARGET, job = job.as_str(), "taken over: a run stalled; another attempt follows");
}

pub(crate) fn early(job: &UnitName, tick: TickMs, by_ms: i64) {
    debug!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), by_ms, "early");
}

pub(crate) fn stale(job: &UnitName, tick: TickMs) {
    debug!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), "waits for a run whose lease has ended");
}

/// `finished`, `failed` or `cancelled`, inside the attempt's span, which ends.
pub(crate) fn ended(span: Span, outcome: Outcome, reason: &str, error: &str, took: Duration) {
    let took_ms = took.as_millis() as u64;
    spans::set_status(&span, outcome);
    let event = || match outcome {
        Outcome::Ok => info!(target: TARGET, %outcome, took_ms, "finished"),
        Outcome::Cancelled => warn!(target: TARGET, %outcome, took_ms, reason, error, "cancelled"),
        _ => error!(target: TARGET, %outcome, took_ms, reason, error, "failed"),
    };
    user_code::ignore(|| span.in_scope(event));
    user_code::ignore(|| drop(span));
}

/// The task of a run panicked in a place where nobody expects that.
pub(crate) fn broken(span: &Span, job: &UnitName, error: &str) {
    let outcome = Outcome::Panicked;
    let event = || {
        error!(target: TARGET, job = job.as_str(), %outcome, error, "failed: the task of the run panicked");
    };
    spans::set_status(span, outcome);
    user_code::ignore(|| span.in_scope(event));
}

pub(crate) fn slow_poll(job: &UnitName, took: Duration, budget: Duration) {
    warn!(
        target: TARGET,
        job = job.as_str(),
        poll_ms = took.as_millis() as u64,
        budget_ms = budget.as_millis() as u64,
        "blocked: one poll of the job took longer than a cancelled run has to end, and it could be neither signalled \
         nor dropped meanwhile; move what blocks to `tokio::task::spawn_blocking`"
    );
}

pub(crate) fn cancelling(reason: &CancelReason) {
    debug!(target: TARGET, reason = reason.as_str(), "cancelling");
}

pub(crate) fn lease_lost(job: &UnitName, token: FencingToken) {
    warn!(target: TARGET, job = job.as_str(), token = token.get(), "lease lost");
}

pub(crate) fn readopted(job: &UnitName, token: FencingToken) {
    warn!(target: TARGET, job = job.as_str(), token = token.get(), "readopted: the store had forgotten the run");
}

pub(crate) fn renewal_failed(runs: usize, error: &str) {
    debug!(target: TARGET, runs, error, "renewal failed");
}

pub(crate) fn renewals_fail(bucket: Bucket, failures: u32, error: &str) {
    warn!(
        target: TARGET,
        bucket = bucket.label(),
        failures,
        error,
        "renewals fail: active runs lose their leases unless one succeeds"
    );
}

pub(crate) fn written_off(job: &UnitName) {
    warn!(target: TARGET, job = job.as_str(), "lost: a run stalled; its node is gone");
}

pub(crate) fn finish_refused(job: &UnitName, tick: TickMs) {
    warn!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), "finished without lease");
}

pub(crate) fn unrecorded(report: &OutcomeReport) {
    let (job, tick, outcome) = match report {
        OutcomeReport::Committed(..) => return,
        OutcomeReport::Run(finish) | OutcomeReport::Attempt(finish, _) => {
            (&finish.run.unit, finish.run.tick, finish.outcome)
        }
        OutcomeReport::Local(line) => (&line.unit, line.tick, line.outcome),
    };
    error!(
        target: TARGET,
        job = job.as_str(),
        tick_ms = tick.ms(),
        %outcome,
        "outcome of a run that ended after the scheduler stopped is not recorded"
    );
}

pub(crate) fn given_up(job: &UnitName, tick: TickMs, outcome: Outcome) {
    error!(target: TARGET, job = job.as_str(), tick_ms = tick.ms(), %outcome, "outcome given up: the store refuses it");
}

pub(crate) fn unrecorded_at_stop() {
    error!(target: TARGET, "store does not reply: the last outcomes are not recorded");
}

pub(crate) fn call_failed(error: &tokio::task::JoinError) {
    error!(target: TARGET, %error, "a request to the store failed unexpectedly");
}

pub(crate) fn refused(job: &UnitName, tick: TickMs, why: &str) {
    error!(
        target: TARGET,
        job = job.as_str(),
        tick_ms = tick.ms(),
        why,
        "refused: the store refuses this job until what `why` names is repaired"
    );
}

pub(crate) fn request_refused(why: &str) {
    warn!(target: TARGET, why, "store refuses a request: it is repeated, without the refused job if it is only one");
}

pub(crate) fn renewal_refused(job: &UnitName, why: &str) {
    error!(
        target: TARGET,
        job = job.as_str(),
        why,
        "renewal refused: this run loses its lease unless what `why` names is repaired"
    );
}

pub(crate) fn store_lost(bucket: Bucket, error: &StoreError) {
    warn!(target: TARGET, bucket = bucket.label(), %error, "store lost: no run starts until it replies again");
}

pub(crate) fn store_back(bucket: Bucket, after: Duration) {
    warn!(target: TARGET, bucket = bucket.label(), after_ms = after.as_millis() as u64, "store back");
}

/// `claims_begin`: which jobs start again when.
pub(crate) fn quarantine(bucket: Bucket, claims_begin: &str, is_known: bool) {
    let bucket = bucket.label();
    if is_known {
        warn!(
            target: TARGET,
            bucket,
            claims_begin,
            "quarantine: the store restarted, failed over or was flushed, and may have forgotten decisions; \
             no job starts until its own lease is surely over, while nodes register what they saw decided"
        );
    } else {
        info!(
            target: TARGET,
            bucket,
            claims_begin,
            "quarantine: the store is new to this namespace or has restarted, and may have \
             forgotten runs; no job starts until its own lease is surely over. Then it \
             starts the newest tick that came due meanwhile"
        );
    }
}

pub(crate) fn store_clock_jumped(bucket: Bucket, by_ms: i64) {
    let bucket = bucket.label();
    warn!(
        target: TARGET,
        bucket,
        by_ms,
        "store clock jumped: each job is not claimed for its lease. If the clock was ahead and comes back, a line \
         `doctor: …` names the jobs that stand still, until when, and how to take that back"
    );
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
