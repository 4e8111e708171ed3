//! What fires, compared with what is the case.

use std::collections::{BTreeMap, BTreeSet};

use super::{Condition, Step, conditions, key};
use crate::facts::{Facts, Listed};
use crate::rule_kind::RuleKind;

fn rule_and_subject(key: &str) -> Option<(RuleKind, &str)> {
    let (rule, subject) = key.split_once('|')?;
    let mut rules = RuleKind::ALL.into_iter();
    Some((rules.find(|it| it.as_str() == rule)?, subject))
}

impl Step<'_> {
    /// Compares what fires with what is the case.
    pub(super) fn conditions(&mut self, facts: &Facts, conditions: Vec<Condition>) {
        let mut waiting = BTreeMap::new();
        let going_on = facts
            .outages
            .iter()
            .filter(|outage| outage.until_ms.is_none());
        let going_on = going_on.map(|outage| key(RuleKind::StoreLost, &outage.store));
        let mut held: BTreeSet<String> = going_on.collect();
        for condition in conditions {
            let key = key(condition.rule, &condition.subject);
            held.insert(key.clone());
            let mut since_ms = condition.since_ms;
            if condition.hold_ms > 0 {
                let began = self.state.waiting.get(&key).copied();
                let began_ms = began.unwrap_or(facts.at_ms);
                since_ms = began_ms;
                waiting.insert(key.clone(), began_ms);
                if facts.at_ms - began_ms < condition.hold_ms {
                    continue;
                }
            }
            let in_grace = facts.at_ms < self.state.grace_until_ms;
            if condition.rule == RuleKind::Late && in_grace {
                continue;
            }
            if !self.state.active.contains_key(&key) {
                let (rule, subject) = (condition.rule, &condition.subject);
                self.fire(rule, subject, since_ms, condition.text);
            }
        }
        let listed = Listed::of(facts);
        let is_known = |rule, subject: &str| conditions::is_known(rule, facts, &listed, subject);
        // What could not be looked at lasts as long as it did.
        for (key, began_ms) in std::mem::take(&mut self.state.waiting) {
            if rule_and_subject(&key).is_some_and(|(rule, subject)| !is_known(rule, subject)) {
                waiting.entry(key).or_insert(began_ms);
            }
        }
        self.state.waiting = waiting;
        let firing: Vec<(RuleKind, String)> = self
            .state
            .firing()
            .map(|(rule, subject, _)| (rule, subject.to_owned()))
            .collect();
        for (rule, subject) in firing {
            let is_over = is_known(rule, &subject) && !held.contains(&key(rule, &subject));
            if is_over || !conditions::is_on(self.rules, rule, &subject) {
                self.resolve(rule, &subject);
            }
        }
    }
}
