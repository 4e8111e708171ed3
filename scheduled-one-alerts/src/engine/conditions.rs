//! What is the case, by the facts: rules that fire while it happens.

use crate::alert::instant;
use crate::engine::{first_line, words};
use crate::facts::{CLUSTER, Facts, Listed, UnitFacts};
use crate::rule::{Decided, Rules};
use crate::rule_kind::RuleKind;

/// How long too few nodes, or a job without a node, have to last: a deployment takes some seconds.
const SETTLE_MS: i64 = 60_000;

/// Something that is the case.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) rule: RuleKind,
    pub(crate) subject: String,
    pub(crate) since_ms: i64,
    /// How long it has to last before it fires.
    pub(crate) hold_ms: i64,
    pub(crate) text: String,
}

/// Everything that is the case and has a rule.
pub(super) fn of(rules: &Rules, facts: &Facts) -> Vec<Condition> {
    let units = facts.units.iter().flat_map(|unit| {
        let decided = rules.of(&unit.name);
        of_unit(&decided, unit, facts.at_ms)
    });
    units.chain(of_cluster(rules, facts)).collect()
}

pub(super) fn of_unit(rules: &Decided, unit: &UnitFacts, now_ms: i64) -> Vec<Condition> {
    let zone = unit.zone.as_deref();
    let mut found = Vec::new();
    let mut add = |rule, since_ms, hold_ms, text| {
        let subject = unit.name.clone();
        found.push(Condition {
            rule,
            subject,
            since_ms,
            hold_ms,
            text,
        });
    };
    let over = |since: Option<i64>, limit: Option<i64>| {
        since
            .zip(limit)
            .filter(|(since, limit)| now_ms - since >= *limit)
    };
    let is_paused = unit.is_off();
    if let Some((due_ms, _)) = over(unit.due_ms, rules.late_ms).filter(|_| !is_paused) {
        let text = format!("tick {} has not started", instant(due_ms, zone));
        add(RuleKind::Late, due_ms, 0, text);
    }
    if let Some((since_ms, _)) = over(unit.running_since_ms, rules.runs_longer_ms) {
        let text = format!("running since {}", instant(since_ms, zone));
        add(RuleKind::RunsLonger, since_ms, 0, text);
    }
    if let Some((since_ms, _)) = over(unit.paused_since_ms, rules.paused_longer_ms) {
        let text = format!("paused since {}", instant(since_ms, zone));
        add(RuleKind::PausedLonger, since_ms, 0, text);
    }
    if let Some(ticks) = unit
        .unaccounted
        .filter(|ticks| rules.unaccounted && *ticks > 0)
    {
        let text = format!("{ticks} ticks have no outcome");
        add(RuleKind::Unaccounted, now_ms, 0, text);
    }
    if rules.no_node_has && unit.no_node_has {
        let text = "the store knows the job, and no node has it".to_owned();
        add(RuleKind::NoNodeHas, now_ms, SETTLE_MS, text);
    }
    found
}

fn of_cluster(rules: &Rules, facts: &Facts) -> Vec<Condition> {
    let mut found = Vec::new();
    let mut add = |rule, subject: &str, since_ms, hold_ms, text| {
        found.push(Condition {
            rule,
            subject: subject.to_owned(),
            since_ms,
            hold_ms,
            text,
        });
    };
    let nodes = facts.nodes.filter(|nodes| *nodes < rules.nodes_below);
    if let Some(nodes) = nodes {
        let text = format!("{nodes} of at least {}", rules.nodes_below);
        add(RuleKind::NodesBelow, CLUSTER, facts.at_ms, SETTLE_MS, text);
    }
    if let (Some(text), Some(hold_ms)) = (&facts.drift, rules.drift_ms) {
        add(RuleKind::Drift, CLUSTER, facts.at_ms, hold_ms, text.clone());
    }
    let going_on = facts.quarantines.iter();
    let going_on = going_on.filter(|it| rules.quarantine && it.until_ms > facts.at_ms);
    for quarantine in going_on {
        let text = words::quarantine(quarantine.until_ms);
        let (store, since_ms) = (&quarantine.store, quarantine.since_ms);
        add(RuleKind::Quarantine, store, since_ms, 0, text);
    }
    for it in facts.unreadable.iter().filter(|_| rules.unreadable) {
        let (what, text) = (&it.what, first_line(&it.error));
        add(RuleKind::Unreadable, what, facts.at_ms, SETTLE_MS, text);
    }
    found
}

/// Whether the facts say that the rule does not hold for a subject, if they do not say that it does.
pub(super) fn is_known(rule: RuleKind, facts: &Facts, listed: &Listed<'_>, subject: &str) -> bool {
    let unit = listed.unit(subject);
    match rule {
        RuleKind::Late | RuleKind::RunsLonger | RuleKind::NoNodeHas => unit.is_some(),
        RuleKind::PausedLonger => listed.of_job(subject).is_some(),
        RuleKind::Unaccounted => unit.is_some_and(|unit| unit.unaccounted.is_some()),
        RuleKind::NodesBelow => facts.nodes.is_some(),
        RuleKind::Drift | RuleKind::Unreadable | RuleKind::StoreLost => !facts.is_partial,
        RuleKind::Quarantine | RuleKind::Channel => true,
        _ => false,
    }
}

/// Whether a rule over ledgers or outages is on: it may have been switched off while it fired. The others fire no more
/// when their conditions are not found.
pub(super) fn is_on(rules: &Rules, rule: RuleKind, subject: &str) -> bool {
    let of_job = || rules.of(subject);
    match rule {
        RuleKind::Failed => of_job().failed.is_some(),
        RuleKind::Missed => of_job().missed.is_some(),
        RuleKind::Lost => of_job().lost,
        RuleKind::NoSuccess => of_job().no_success_ms.is_some(),
        RuleKind::StoreLost => rules.store_lost_ms.is_some(),
        _ => true,
    }
}
