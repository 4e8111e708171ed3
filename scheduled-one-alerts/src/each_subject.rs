//! Messages for channels that take each subject by itself: they are informed at once when one subject recovers,
//! although the incident that it is part of goes on.

use std::collections::BTreeMap;

use crate::alert::{Alert, Status, Subject};
use crate::engine::Fires;
use crate::rule::Rules;
use crate::rule_kind::RuleKind;

/// How many subjects such a message has at most: each becomes an alert of its own at the receiver.
pub(crate) const MAX_EACH: usize = 1_000;

/// What fired when it was last looked at, and was said.
type Before = BTreeMap<(RuleKind, String), Fires>;

/// The messages for such channels: the first ones about incidents and their repetitions, with the subjects that were
/// over before they were said, and one for each incident of which subjects have recovered since they were said.
pub(crate) fn messages(
    rules: &Rules,
    mut before: Before,
    said: &[Alert],
    now: &Before,
    now_ms: i64,
) -> Vec<Alert> {
    let mut messages = Vec::new();
    let is_news = |it: &&Alert| it.status == Status::Firing || it.is_only;
    for alert in said.iter().filter(is_news) {
        let firing = alert.subjects.iter();
        for subject in firing.filter(|it| it.resolved_ms.is_none()) {
            let fires = Fires {
                incident: alert.incident.clone(),
                since_ms: subject.since_ms,
            };
            before.insert((alert.rule, subject.name.clone()), fires);
        }
        messages.push(alert.clone());
    }
    // By incident, so that the message waits for the one that said that it fires.
    let mut recovered: BTreeMap<(String, RuleKind), Vec<Subject>> = BTreeMap::new();
    for ((rule, name), fires) in before {
        let key = (rule, name);
        if now
            .get(&key)
            .is_some_and(|it| it.incident == fires.incident)
        {
            continue;
        }
        let subject = Subject {
            since_ms: fires.since_ms,
            resolved_ms: Some(now_ms),
            count: 1,
            text: "it is over".to_owned(),
            runbook: None,
            link: rules.link(rule, &key.1),
            name: key.1,
        };
        let of_incident = recovered.entry((fires.incident, rule)).or_default();
        of_incident.push(subject);
    }
    let over = recovered
        .into_iter()
        .map(|((incident, rule), subjects)| Alert {
            id: format!("{incident}.o{now_ms}"),
            fingerprint: incident.clone(),
            incident,
            namespace: rules.namespace.clone(),
            rule,
            severity: rule.severity(),
            status: Status::Resolved,
            is_only: false,
            repeat: 0,
            since_ms: subjects
                .iter()
                .map(|it| it.since_ms)
                .min()
                .unwrap_or(now_ms),
            at_ms: now_ms,
            again_ms: None,
            subjects,
            more: 0,
        });
    messages.extend(over);
    messages
}
