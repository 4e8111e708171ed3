//! The rules over ledgers and facts: a function of state and input, without clock or I/O.
//!
//! Time is that of the input. It advances to the end of each line before the line counts, and the timers that are due
//! in between fire at their own instants: so it makes no difference how often, or on which node, the rules are
//! evaluated.

mod by_node;
mod compare;
mod conditions;
mod ended;
mod incident;
mod ledgers;
mod turn_back;
mod units;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{SHA256, digest};
use scheduled_one_protocol::LedgerRecord;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Status};
use crate::engine::by_node::ByNode;
pub(crate) use crate::engine::conditions::Condition;
use crate::engine::incident::Incident;
pub(crate) use crate::engine::turn_back::TurnBack;
pub(crate) use crate::engine::words::first_line;
use crate::facts::Input;
use crate::rule::{Rules, job_of, shard_of};
use crate::rule_kind::RuleKind;

/// What is known of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EngineState {
    /// When the state was made: what was over by then is not said.
    began_ms: i64,
    clock_ms: i64,
    /// Until then, jobs may be without success because of an outage.
    grace_until_ms: i64,
    units: BTreeMap<String, Unit>,
    /// Conditions that have to last before they fire, with their beginnings.
    waiting: BTreeMap<String, i64>,
    /// What fires: the number of its incident.
    active: BTreeMap<String, u64>,
    incidents: BTreeMap<u64, Incident>,
    last_incident: u64,
    /// The end of the newest outage of each store that was said.
    ended_outages: BTreeMap<String, i64>,
    /// The beginning of the newest quarantine of each store that was said and is over.
    #[serde(default)]
    ended_quarantines: BTreeMap<String, i64>,
}

/// A subject that fires, and that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fires {
    /// The name of its incident.
    pub(crate) incident: String,
    pub(crate) since_ms: i64,
}

/// What is known of a job, or one shard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Unit {
    #[serde(skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since_ms: Option<i64>,
    /// Of a job that each node runs by itself.
    #[serde(skip_serializing_if = "ByNode::is_empty")]
    by_node: ByNode,
    #[serde(skip_serializing_if = "is_zero")]
    oks: u32,
    #[serde(skip_serializing_if = "is_zero_u64")]
    missed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ok_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_since_ms: Option<i64>,
    #[serde(skip_serializing_if = "is_false")]
    is_disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

fn is_false(it: &bool) -> bool {
    !*it
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

impl Unit {
    fn is_off(&self) -> bool {
        self.is_disabled || self.paused_since_ms.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    NoSuccess(String),
    Incident(u64),
}

/// One evaluation.
struct Step<'a> {
    rules: &'a Rules,
    state: &'a mut EngineState,
    /// The identities of the nodes that live, if they are known.
    living: Option<&'a BTreeSet<String>>,
    /// A timer that is not due any more is recognised when its time comes.
    timers: BTreeSet<(i64, Timer)>,
    alerts: Vec<Alert>,
}

impl EngineState {
    pub(crate) fn new(now_ms: i64) -> Self {
        EngineState {
            began_ms: now_ms,
            ..Self::default()
        }
    }

    pub(crate) fn began_ms(&self) -> i64 {
        self.began_ms
    }

    /// What fires and was said, by rule and subject.
    pub(crate) fn said(&self, rules: &Rules) -> BTreeMap<(RuleKind, String), Fires> {
        let mut said = BTreeMap::new();
        let names: BTreeMap<u64, String> = self
            .incidents
            .iter()
            .map(|(number, incident)| (*number, incident.name(rules)))
            .collect();
        for (key, number) in &self.active {
            let incident = self.incidents.get(number).filter(|it| it.sent_ms.is_some());
            let Some((incident, (_, subject))) = incident.zip(key.split_once('|')) else {
                continue;
            };
            if let Some((member, name)) = incident.members.get(subject).zip(names.get(number)) {
                let (incident_name, since_ms) = (name.clone(), member.since_ms);
                let fires = Fires {
                    incident: incident_name,
                    since_ms,
                };
                said.insert((incident.rule, subject.to_owned()), fires);
            }
        }
        said
    }

    /// The shards of jobs, but the first, of which something is known.
    pub(crate) fn shards(&self) -> BTreeSet<&str> {
        let firing = self.firing().map(|(_, subject, _)| subject);
        let units = self.units.keys().map(String::as_str).chain(firing);
        units.filter(|it| shard_of(it) > 0).collect()
    }

    /// The units of a job of which something is known.
    pub(crate) fn subjects_of(&self, job: &str) -> Vec<String> {
        let firing = self.firing().map(|(_, subject, _)| subject);
        let units = self.units.keys().map(String::as_str).chain(firing);
        let of_job: BTreeSet<&str> = units.filter(|it| job_of(it) == job).collect();
        of_job.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// Whether anything but the time differs.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let mut then = other.clone();
        then.clock_ms = self.clock_ms;
        *self != then
    }

    /// What fires now: rule and subject, with the beginning.
    pub(crate) fn firing(&self) -> impl Iterator<Item = (RuleKind, &str, i64)> {
        let firing = self.firing_texts();
        firing.map(|(rule, subject, since_ms, _)| (rule, subject, since_ms))
    }

    /// The same, with what is the case.
    pub(crate) fn firing_texts(&self) -> impl Iterator<Item = (RuleKind, &str, i64, &str)> {
        self.active.iter().filter_map(|(key, number)| {
            let incident = self.incidents.get(number)?;
            let (_, subject) = key.split_once('|')?;
            let member = incident.members.get(subject)?;
            Some((incident.rule, subject, member.since_ms, member.text()))
        })
    }

    /// Takes the input in, and returns the messages to send.
    pub(crate) fn step(&mut self, rules: &Rules, input: Input, more: Vec<Condition>) -> Vec<Alert> {
        let Input { lines, facts } = input;
        let at_ms = facts.at_ms;
        if let Some(back) = self.turn_back(at_ms) {
            self.turn(back);
        }
        let mut step = Step::new(rules, self);
        step.living = facts.identities.as_ref();
        step.meet(&facts);
        for line in in_order(lines) {
            step.advance(line.ended_at_ms.min(at_ms));
            step.line(&line);
        }
        step.learn(&facts);
        step.advance(at_ms);
        for outage in &facts.outages {
            step.outage(outage);
        }
        for quarantine in &facts.quarantines {
            step.quarantine(quarantine);
        }
        let mut conditions = conditions::of(rules, &facts);
        conditions.extend(step.pauses_of_unlisted(&facts));
        conditions.extend(more);
        step.conditions(&facts, conditions);
        for name in &facts.gone {
            step.forget(name);
        }
        step.advance(at_ms);
        without_superseded(step.alerts)
    }
}

/// Repetitions of a message are left out if the same evaluation says something newer: after a pause of the evaluation
/// only the last one is of use.
fn without_superseded(alerts: Vec<Alert>) -> Vec<Alert> {
    let mut newer = BTreeSet::new();
    let mut kept: Vec<Alert> = Vec::new();
    for alert in alerts.into_iter().rev() {
        let is_newest = newer.insert(alert.incident.clone());
        if is_newest || alert.repeat == 0 || alert.status == Status::Resolved {
            kept.push(alert);
        }
    }
    kept.reverse();
    kept
}

/// By end, with the order within each job kept: a line that was reported late counts when it is seen.
fn in_order(lines: Vec<LedgerRecord>) -> Vec<LedgerRecord> {
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    let mut keyed: Vec<(i64, LedgerRecord)> = lines
        .into_iter()
        .map(|line| {
            let at = newest
                .entry(line.unit.job().to_owned())
                .or_insert(line.ended_at_ms);
            *at = line.ended_at_ms.max(*at);
            (*at, line)
        })
        .collect();
    keyed.sort_by_key(|(at, _)| *at);
    keyed.into_iter().map(|(_, line)| line).collect()
}

fn key(rule: RuleKind, subject: &str) -> String {
    format!("{rule}|{subject}")
}

/// A digest for names of alerts: 32 hexadecimal digits.
fn name_of(parts: &[&str]) -> String {
    let digest = digest(&SHA256, parts.join("|").as_bytes());
    let bytes = digest.as_ref().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

impl<'a> Step<'a> {
    fn new(rules: &'a Rules, state: &'a mut EngineState) -> Self {
        let mut step = Step {
            rules,
            state,
            living: None,
            timers: BTreeSet::new(),
            alerts: Vec::new(),
        };
        let units: Vec<String> = step.state.units.keys().cloned().collect();
        for unit in &units {
            step.time_success(unit);
        }
        let incidents: Vec<u64> = step.state.incidents.keys().copied().collect();
        for number in incidents {
            step.time_incident(number);
        }
        step
    }

    /// Lets the timers fire that are due by an instant.
    fn advance(&mut self, to_ms: i64) {
        while let Some((at_ms, timer)) = self.timers.pop_first() {
            if at_ms > to_ms {
                self.timers.insert((at_ms, timer));
                break;
            }
            self.state.clock_ms = self.state.clock_ms.max(at_ms);
            match timer {
                Timer::NoSuccess(subject) => self.no_success(at_ms, &subject),
                Timer::Incident(number) => self.incident(at_ms, number),
            }
        }
        self.state.clock_ms = self.state.clock_ms.max(to_ms);
    }

    fn fire(&mut self, rule: RuleKind, subject: &str, since_ms: i64, text: String) {
        let key = key(rule, subject);
        if let Some(number) = self.state.active.get(&key) {
            if let Some(incident) = self.state.incidents.get_mut(number) {
                incident.add(subject, since_ms, text);
            }
            return;
        }
        let now_ms = self.state.clock_ms;
        let open = self.state.incidents.iter().find(|(_, incident)| {
            incident.rule == rule && incident.sent_ms.is_none() && now_ms <= incident.flush_ms
        });
        let number = match open {
            Some((number, _)) => *number,
            None => self.open(rule, subject),
        };
        if let Some(incident) = self.state.incidents.get_mut(&number) {
            incident.add(subject, since_ms, text);
        }
        self.state.active.insert(key, number);
    }
}

#[cfg(test)]
mod tests;
