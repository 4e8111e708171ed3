//! S1, S2, S3, S5: which runs there were, and in which order.

use std::collections::{HashMap, HashSet};

use super::runs::{Attempt, Observed, UnitEvents, run_of};
use super::{Event, EventKind, FaultKind, JobRules, Rule, Violation};

/// - S1: one start for each tick and attempt, and no attempt that the policies do not allow;
/// - S2: the runs of a unit do not overlap (no more than allowed), nor do the attempts of a run;
/// - S3: tokens strictly increase, in the order of grants and in that of starts; two runs never share one; and none
///   starts without a grant, where grants were observed;
/// - S5: no tick starts after a later one.
///
/// Of a local job there is only S1, on each node. S2 and S3 are about a unit and its lane together, but for requests
/// that do not wait for the schedule: those exclude each other alone. Which requests start is S8.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (unit, events) in observed.units.iter().filter(|(unit, _)| !unit.lane) {
        let rules = observed.rules(&unit.job);
        found.extend(started_twice(&events.attempts, rules));
        if !rules.is_local() && rules.most_at_once() == 1 {
            found.extend(older_after_newer(&events.attempts));
        }
    }
    for unit in observed.shared_units() {
        let rules = observed.rules(&unit.job);
        let exclusive = observed.exclusive(&unit);
        if rules.ends_with_its_lease() {
            found.extend(overlaps(observed, &exclusive, rules.most_at_once()));
            if let Some(lane) = observed.units.get(&unit.lane()) {
                found.extend(overlaps(observed, &lane.attempts, 1));
            }
        }
        let may_share =
            observed.history.tolerance.slot_takeovers_share_tokens && rules.most_at_once() > 1;
        let is_known_gap = |old: &Event, new: &Event| may_share && are_takeovers(old, new);
        let all = observed.with_lane(&unit);
        found.extend(grants_out_of_order(&all, is_known_gap));
        found.extend(shared_tokens(&all.attempts, is_known_gap));
        // Overlapping runs start in any order.
        if rules.most_at_once() == 1 {
            found.extend(tokens_out_of_order(&exclusive));
        }
    }
    found
}

fn started_twice(attempts: &[Attempt<'_>], rules: &JobRules) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut starts: HashMap<i64, Vec<&Attempt<'_>>> = HashMap::new();
    for attempt in attempts {
        let before = starts.entry(attempt.start.tick_ms).or_default();
        let number = attempt.start.attempt;
        let same = before.iter().find(|old| old.start.attempt == number);
        if let Some(first) = same {
            found.push(violation(Rule::S1, "started twice", first, attempt));
        } else if number > rules.most_attempts() {
            let first = before.first().copied().unwrap_or(attempt);
            found.push(violation(
                Rule::S1,
                "more attempts than allowed",
                first,
                attempt,
            ));
        }
        before.push(attempt);
    }
    found
}

/// All attempts of a run, from its first start to its last sign.
struct Run<'a> {
    first: &'a Attempt<'a>,
    /// All signs after the first start.
    signs: Vec<&'a Event>,
}

impl Run<'_> {
    fn last(&self) -> &Event {
        self.signs.last().unwrap_or(&self.first.start)
    }

    /// It certainly went on when the other started.
    fn overlaps(&self, start: &Event) -> bool {
        self.last().earliest_us() >= start.latest_us()
    }
}

fn overlaps(observed: &Observed<'_>, attempts: &[Attempt<'_>], most: usize) -> Vec<Violation> {
    let mut found = Vec::new();
    let runs = runs(attempts);
    for (index, run) in runs.iter().enumerate() {
        let start = run.first.start;
        let mut others = runs[..index]
            .iter()
            .filter(|old| old.overlaps(start) && !woke_up(observed, old, start.at_us));
        if let Some(old) = others.nth(most - 1) {
            let evidence = format!("{} … last seen {}", old.first.start, old.last().at_us);
            let pair = [old.first.start, start];
            found.push(of_pair(Rule::S2, "overlap", pair, evidence));
        }
    }
    let mut newest = HashMap::new();
    for attempt in attempts {
        let before = newest.insert(run_of(attempt.start), attempt);
        let before = before.filter(|old| old.last().earliest_us() >= attempt.start.latest_us());
        found.extend(before.map(|old| violation(Rule::S2, "attempts overlap", old, attempt)));
    }
    found
}

fn runs<'a>(attempts: &'a [Attempt<'a>]) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut known = HashMap::new();
    for attempt in attempts {
        let index = *known.entry(run_of(attempt.start)).or_insert(runs.len());
        match runs.get_mut(index) {
            Some(run) => run.signs.push(attempt.start),
            None => runs.push(Run {
                first: attempt,
                signs: Vec::new(),
            }),
        }
        runs[index].signs.extend(&attempt.signs);
    }
    for run in &mut runs {
        run.signs.sort_by_key(|sign| sign.at_us);
    }
    runs
}

/// A process that was paused in the midst of a poll finishes that poll when it continues: one sign, at once. What is
/// longer than that is an overlap.
fn woke_up(observed: &Observed<'_>, old: &Run<'_>, at_us: u64) -> bool {
    let mut after = old.signs.iter().filter(|sign| sign.at_us >= at_us);
    let (Some(sign), None) = (after.next(), after.next()) else {
        return false;
    };
    let wake_up_us = observed.history.tolerance.wake_up.as_micros() as u64;
    let mut pauses = observed.faults_of(FaultKind::Paused);
    sign.kind != EventKind::Start
        && pauses.any(|pause| {
            pause.is_of(&sign.node)
                && pause.from_us < at_us
                && (pause.to_us..pause.to_us.saturating_add(wake_up_us)).contains(&sign.at_us)
        })
}

/// Two ticks that were attempted before, under one token.
fn are_takeovers(old: &Event, new: &Event) -> bool {
    old.token == new.token && old.tick_ms != new.tick_ms && old.attempt.min(new.attempt) > 1
}

/// Grants increase, but for one that is repeated; and each start has one.
fn grants_out_of_order(
    events: &UnitEvents<'_>,
    is_known_gap: impl Fn(&Event, &Event) -> bool,
) -> Vec<Violation> {
    let key = |grant: &Event| (grant.token, grant.tick_ms, grant.attempt);
    let mut found = Vec::new();
    let mut known: HashSet<(u64, i64, u32)> = HashSet::new();
    let mut newest: Option<&Event> = None;
    // Of grants of one instant, the log does not know which was the first: in virtual time replies take none.
    let mut grants = events.grants.clone();
    grants.sort_by_key(|grant| (grant.at_us, grant.token));
    for grant in &grants {
        let repeated =
            !known.insert(key(grant)) || newest.is_some_and(|newest| is_known_gap(newest, grant));
        match newest.filter(|newest| newest.token >= grant.token && !repeated) {
            Some(newest) => {
                let pair = [newest, *grant];
                found.push(of_pair(
                    Rule::S3,
                    "token was not increased by the grant",
                    pair,
                    newest.to_string(),
                ));
            }
            None if repeated => {}
            None => newest = Some(grant),
        }
    }
    let tokens: HashSet<u64> = events.grants.iter().map(|grant| grant.token).collect();
    let ungranted = events
        .attempts
        .iter()
        .filter(|it| !tokens.contains(&it.start.token));
    if !tokens.is_empty() {
        found.extend(ungranted.map(|it| {
            violation(
                Rule::S3,
                "started with a token that was not granted",
                it,
                it,
            )
        }));
    }
    found
}

/// No two runs of a unit have the same token, even where they start in any order.
fn shared_tokens(
    attempts: &[Attempt<'_>],
    is_known_gap: impl Fn(&Event, &Event) -> bool,
) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut first: HashMap<u64, &Attempt<'_>> = HashMap::new();
    for attempt in attempts {
        let old = first.entry(attempt.start.token).or_insert(attempt);
        let same_run = run_of(old.start) == run_of(attempt.start);
        if !same_run && !is_known_gap(old.start, attempt.start) {
            found.push(violation(Rule::S3, "two runs have one token", old, attempt));
        }
    }
    found
}

fn tokens_out_of_order(attempts: &[Attempt<'_>]) -> Vec<Violation> {
    let mut found = Vec::new();
    for pair in attempts.windows(2) {
        let [old, new] = pair else { continue };
        let same_run = run_of(old.start) == run_of(new.start);
        let later_attempt = same_run && new.start.attempt == old.start.attempt + 1;
        if new.start.token < old.start.token || (same_run && !later_attempt) {
            found.push(violation(Rule::S3, "token did not increase", old, new));
        }
    }
    found
}

fn older_after_newer(attempts: &[Attempt<'_>]) -> Vec<Violation> {
    let pairs = attempts.windows(2);
    let back = pairs.filter(|pair| pair[1].start.tick_ms < pair[0].start.tick_ms);
    back.map(|pair| violation(Rule::S5, "older tick after newer", &pair[0], &pair[1]))
        .collect()
}

fn violation(rule: Rule, what: &str, old: &Attempt<'_>, new: &Attempt<'_>) -> Violation {
    of_pair(rule, what, [old.start, new.start], old.line())
}

fn of_pair(rule: Rule, what: &str, [old, new]: [&Event; 2], old_line: String) -> Violation {
    Violation::new(rule, &new.job, new.at_us, what)
        .of_ticks([old.tick_ms, new.tick_ms])
        .shown_by([old_line, new.to_string()])
}

#[cfg(test)]
mod tests;
