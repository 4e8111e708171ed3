//! Alerts of one rule that are one message, from the first one to the resolved one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::cut;
use super::{Step, Timer, key, name_of};
use crate::alert::{Alert, Status, Subject};
use crate::rule::Rules;
use crate::rule_kind::RuleKind;

/// The alerts of one rule that began close together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Incident {
    pub(super) rule: RuleKind,
    /// The subject that was the first; the name of the incident comes of it.
    first: String,
    opened_ms: i64,
    /// When the first message is sent, with all that fired by then.
    pub(super) flush_ms: i64,
    /// When the last message was sent.
    pub(super) sent_ms: Option<i64>,
    repeats: u32,
    pub(super) members: BTreeMap<String, Fired>,
}

/// One subject of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fired {
    pub(super) since_ms: i64,
    resolved_ms: Option<i64>,
    count: u64,
    text: String,
}

/// How many members of an incident keep their whole text. A failure of everything is thousands of members, which have
/// to be stored with all the rest.
const WHOLE_TEXTS: usize = 50;

/// The texts of the others are cut to so many characters.
const SHORT_TEXT: usize = 60;

impl Fired {
    fn new(since_ms: i64, text: String) -> Self {
        Fired {
            since_ms,
            resolved_ms: None,
            count: 1,
            text,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn again(&mut self, text: String) {
        self.count = self.count.saturating_add(1);
        self.resolved_ms = None;
        self.text = text;
    }
}

/// What a message says of an incident.
enum Said {
    First,
    Again,
    Resolved,
    /// It is over, and nothing was said of it before.
    Only,
}

impl Incident {
    /// The subject of a member that is new, or fires again.
    pub(super) fn add(&mut self, subject: &str, since_ms: i64, text: String) {
        let is_new = !self.members.contains_key(subject);
        let text = match self.members.len() + usize::from(is_new) > WHOLE_TEXTS {
            true => cut(&text, SHORT_TEXT),
            false => text,
        };
        match self.members.get_mut(subject) {
            Some(member) => member.again(text),
            None => drop(
                self.members
                    .insert(subject.to_owned(), Fired::new(since_ms, text)),
            ),
        }
    }

    /// All but the instant at which it was opened, of which its name is made.
    pub(super) fn instants(&mut self) -> impl Iterator<Item = &mut i64> {
        let members = self.members.values_mut();
        let of_members = members.flat_map(|it| [Some(&mut it.since_ms), it.resolved_ms.as_mut()]);
        let own = [Some(&mut self.flush_ms), self.sent_ms.as_mut()];
        own.into_iter().chain(of_members).flatten()
    }

    fn is_over(&self) -> bool {
        self.members.values().all(|it| it.resolved_ms.is_some())
    }

    /// Names it, in messages.
    pub(super) fn name(&self, rules: &Rules) -> String {
        let opened = self.opened_ms.to_string();
        name_of(&[&*rules.namespace, self.rule.as_str(), &*self.first, &opened])
    }

    /// When the next message of the incident is due, unless it is over before.
    fn due_ms(&self, rules: &Rules) -> i64 {
        match self.sent_ms {
            Some(sent_ms) => sent_ms.saturating_add(rules.repeat_ms),
            None => self.flush_ms,
        }
    }

    fn message(&self, rules: &Rules, said: &Said, now_ms: i64) -> Alert {
        let names = [&*rules.namespace, self.rule.as_str(), &*self.first];
        let incident = self.name(rules);
        let (status, transition) = match said {
            Said::First => (Status::Firing, "f".to_owned()),
            Said::Again => (Status::Firing, format!("r{}", self.repeats)),
            Said::Resolved | Said::Only => (Status::Resolved, "x".to_owned()),
        };
        let shown = self.members.iter().filter(|(_, it)| match said {
            Said::Again => it.resolved_ms.is_none(),
            Said::First | Said::Resolved | Said::Only => true,
        });
        let shown: Vec<_> = shown.collect();
        let since_ms = shown.iter().map(|(_, it)| it.since_ms).min();
        let over_ms = shown.iter().filter_map(|(_, it)| it.resolved_ms).max();
        let subjects: Vec<Subject> = shown
            .into_iter()
            .map(|(name, it)| Subject {
                name: name.clone(),
                since_ms: it.since_ms,
                resolved_ms: it.resolved_ms,
                count: it.count,
                text: it.text.clone(),
                runbook: rules.of(name).runbook,
                link: rules.link(self.rule, name),
            })
            .collect();
        Alert {
            id: format!("{incident}.{transition}"),
            incident,
            fingerprint: name_of(&names),
            namespace: rules.namespace.clone(),
            rule: self.rule,
            severity: self.rule.severity(),
            status,
            is_only: matches!(said, Said::Only),
            repeat: self.repeats,
            since_ms: since_ms.unwrap_or(self.opened_ms),
            at_ms: match said {
                Said::Resolved | Said::Only => over_ms.unwrap_or(now_ms),
                Said::First | Said::Again => now_ms,
            },
            again_ms: match status {
                Status::Firing => Some(now_ms.saturating_add(rules.repeat_ms)),
                Status::Resolved => None,
            },
            subjects,
            more: 0,
        }
    }
}

impl Step<'_> {
    pub(super) fn open(&mut self, rule: RuleKind, first: &str) -> u64 {
        let now_ms = self.state.clock_ms;
        let mut flush_ms = now_ms.saturating_add(self.rules.group_ms);
        flush_ms = flush_ms.max(self.state.began_ms);
        if waits_for_grace(rule) {
            flush_ms = flush_ms.max(self.state.grace_until_ms);
        }
        self.state.last_incident += 1;
        let number = self.state.last_incident;
        let incident = Incident {
            rule,
            first: first.to_owned(),
            opened_ms: now_ms,
            flush_ms,
            sent_ms: None,
            repeats: 0,
            members: BTreeMap::new(),
        };
        self.state.incidents.insert(number, incident);
        self.time_incident(number);
        number
    }

    pub(super) fn time_incident(&mut self, number: u64) {
        if let Some(incident) = self.state.incidents.get(&number) {
            let due_ms = incident.due_ms(self.rules);
            self.timers.insert((due_ms, Timer::Incident(number)));
        }
    }

    /// Missed ticks that have no message yet wait for the end of a grace, so that they are one message.
    pub(super) fn defer(&mut self, grace_until_ms: i64) {
        for incident in self.state.incidents.values_mut() {
            if waits_for_grace(incident.rule) && incident.sent_ms.is_none() {
                incident.flush_ms = incident.flush_ms.max(grace_until_ms);
            }
        }
        let numbers: Vec<u64> = self.state.incidents.keys().copied().collect();
        for number in numbers {
            self.time_incident(number);
        }
    }

    /// The time of an incident has come: its first message, or one more.
    pub(super) fn incident(&mut self, at_ms: i64, number: u64) {
        let began_ms = self.state.began_ms;
        let Some(incident) = self.state.incidents.get_mut(&number) else {
            return;
        };
        if incident.due_ms(self.rules) != at_ms {
            return;
        }
        if incident.sent_ms.is_none() {
            let is_news = |it: &Fired| it.resolved_ms.is_none_or(|over_ms| over_ms > began_ms);
            incident.members.retain(|_, it| is_news(it));
        } else {
            incident.repeats += 1;
        }
        let said = match (incident.is_over(), incident.sent_ms) {
            (true, None) => Said::Only,
            (true, Some(_)) => Said::Resolved,
            (false, None) => Said::First,
            (false, Some(_)) => Said::Again,
        };
        incident.sent_ms = Some(at_ms);
        if !incident.members.is_empty() {
            self.alerts.push(incident.message(self.rules, &said, at_ms));
        }
        match said {
            Said::Resolved | Said::Only => drop(self.state.incidents.remove(&number)),
            Said::First | Said::Again => self.time_incident(number),
        }
    }

    pub(super) fn resolve(&mut self, rule: RuleKind, subject: &str) {
        self.resolve_at(rule, subject, self.state.clock_ms);
    }

    pub(super) fn resolve_at(&mut self, rule: RuleKind, subject: &str, over_ms: i64) {
        let Some(number) = self.state.active.remove(&key(rule, subject)) else {
            return;
        };
        let Some(incident) = self.state.incidents.get_mut(&number) else {
            return;
        };
        if let Some(member) = incident.members.get_mut(subject) {
            member.resolved_ms = Some(over_ms);
        }
        if incident.sent_ms.is_some() && incident.is_over() {
            let over = incident.message(self.rules, &Said::Resolved, over_ms);
            self.alerts.push(over);
            self.state.incidents.remove(&number);
        }
    }
}

/// Whether alerts of a rule follow from an outage of the store, so that they wait until it is over.
fn waits_for_grace(rule: RuleKind) -> bool {
    matches!(rule, RuleKind::Missed | RuleKind::NoSuccess)
}
