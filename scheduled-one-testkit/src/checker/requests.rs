//! S8, S9 and E2: runs that somebody asked for, and runs that somebody had cancelled.

use std::collections::{BTreeMap, HashMap};

use super::outcomes::Account;
use super::runs::{Attempt, Observed, UnitEvents};
use super::{Audit, JobRules, LedgerLine, Rule, Violation};

/// A request for a run, of one shard. One that is made again, with the same id, may be listed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// The job.
    pub job: String,
    /// Which shard of it, from 0.
    pub shard: u32,
    /// Chosen by who asked.
    pub id: String,
    /// Ticks of the schedule and the run do not wait for each other (`on_busy = allow`).
    pub beside: bool,
    /// When it was asked for, by the shared clock.
    pub asked_us: u64,
    /// The store acknowledged it. Without a reply, it may have taken the request, or may take it later.
    pub acknowledged: bool,
}

/// A cancel that was asked for, whether or not the reply came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequested {
    /// The job.
    pub job: String,
    /// Which shard of it, from 0: each has tokens of its own.
    pub shard: u32,
    /// The fencing token of the run.
    pub token: u64,
    /// When it was asked for, by the shared clock.
    pub asked_us: u64,
}

/// - S8: of a unit, an id starts once, but for the attempts that the policies allow;
/// - S9: what the ledger calls cancelled by an operator is a run whose shard and token somebody named;
/// - E2: a request that the store acknowledged has one line in the newest audit of its job (unless the store may have
///   lost it), and the one that its run saw.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (unit, events) in observed.units.iter().filter(|(unit, _)| unit.lane) {
        found.extend(started_twice(events, observed.rules(&unit.job)));
    }
    let mut newest: HashMap<&str, &Audit> = HashMap::new();
    for audit in &observed.history.audits {
        newest.insert(&audit.job, audit);
    }
    for audit in newest.values() {
        found.extend(cancelled_by_nobody(observed, audit));
    }
    for request in each_once(&observed.history.requests) {
        let audit = newest.get(request.job.as_str());
        found.extend(audit.and_then(|audit| ends_badly(observed, audit, request)));
    }
    found
}

/// Each request once: acknowledged if one of its repetitions was.
fn each_once(requests: &[Requested]) -> impl Iterator<Item = &Requested> {
    let mut first: BTreeMap<(&str, u32, &str), &Requested> = BTreeMap::new();
    for request in requests {
        let key = (request.job.as_str(), request.shard, request.id.as_str());
        let known = first.entry(key).or_insert(request);
        if request.acknowledged && !known.acknowledged {
            *known = request;
        }
    }
    first.into_values()
}

fn started_twice(events: &UnitEvents<'_>, rules: &JobRules) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut known: HashMap<(&str, u32), &Attempt<'_>> = HashMap::new();
    for attempt in &events.attempts {
        let start = attempt.start;
        let key = (start.request.as_str(), start.attempt);
        if let Some(first) = known.get(&key) {
            found.push(s8("a request started twice", first, attempt));
        } else if start.attempt > rules.most_attempts() {
            let what = "more attempts at a request than allowed";
            found.push(s8(what, attempt, attempt));
        }
        known.entry(key).or_insert(attempt);
    }
    found
}

fn s8(what: &str, old: &Attempt<'_>, new: &Attempt<'_>) -> Violation {
    Violation::new(Rule::S8, &new.start.job, new.start.at_us, what)
        .of_ticks([old.start.tick_ms, new.start.tick_ms])
        .shown_by([old.line(), new.start.to_string()])
}

fn cancelled_by_nobody(observed: &Observed<'_>, audit: &Audit) -> Vec<Violation> {
    let cancels = &observed.history.cancels;
    let is_named = |line: &LedgerLine| {
        let mut of_job = cancels.iter().filter(|cancel| cancel.job == audit.job);
        of_job.any(|cancel| (cancel.token, cancel.shard) == (line.token, line.shard))
    };
    let lines = audit.ledger.iter();
    let stopped = lines.filter(|line| line.by_operator && !is_named(line));
    let violation = |line: &LedgerLine| {
        let of_job = cancels.iter().filter(|cancel| cancel.job == audit.job);
        let around_us = observed.events.iter().rev();
        let at_us = around_us.clone().find(|event| event.token == line.token);
        let what = format!("token {} was cancelled, and nobody named it", line.token);
        let near = of_job.map(|cancel| format!("{cancel:?}"));
        let at_us = at_us.map_or(0, |event| event.at_us);
        Violation::new(Rule::S9, &audit.job, at_us, what)
            .of_ticks([line.first_ms])
            .shown_by([line.to_string()].into_iter().chain(near))
    };
    stopped.map(violation).collect()
}

fn ends_badly(observed: &Observed<'_>, audit: &Audit, request: &Requested) -> Option<Violation> {
    let account = Account { observed, audit };
    let is_of = |line: &&LedgerLine| line.request == request.id && line.shard == request.shard;
    let lines = audit.ledger.iter().filter(|line| line.is_final());
    let lines: Vec<&LedgerLine> = lines.filter(is_of).collect();
    let attempts = attempts_at(observed, request);
    let lost = account.may_be_lost(request.asked_us);
    let began_us = attempts.last().map(|last| last.start.at_us);
    let began_us = began_us.unwrap_or_else(|| account.cause_since(request.asked_us));
    let what = match lines[..] {
        [] if lost || !request.acknowledged => return None,
        [] => "the request has no line",
        [line] => account.outcome_contradicts(line.outcome, &attempts, began_us)?,
        _ if lost => return None,
        _ => "the request has several lines",
    };
    let evidence = [format!("{request:?}")].into_iter();
    let evidence = evidence.chain(lines.iter().map(ToString::to_string));
    let evidence = evidence.chain(attempts.iter().map(|attempt| attempt.line()));
    let violation = Violation::new(Rule::E2, &request.job, request.asked_us, what);
    Some(violation.shown_by(evidence))
}

fn attempts_at<'a>(observed: &'a Observed<'_>, request: &Requested) -> Vec<&'a Attempt<'a>> {
    let lanes = observed
        .units
        .iter()
        .filter(|(unit, _)| unit.lane && unit.job == request.job && unit.shard == request.shard);
    let attempts = lanes.flat_map(|(_, events)| &events.attempts);
    attempts
        .filter(|attempt| attempt.start.request == request.id)
        .collect()
}

#[cfg(test)]
mod tests;
