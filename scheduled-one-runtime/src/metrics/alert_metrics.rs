//! The instruments of a node that evaluates alerts. A node without alerts shows none of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use scheduled_one_alerts::{Delivery, DeliveryResult, RuleKind};

use crate::metrics::catalog;
use crate::metrics::collect::number;
use crate::metrics::counters::Counters;
use crate::metrics::family::MetricFamily;

const RESULTS: usize = DeliveryResult::WORDS.len();

/// The labels are closed: all rules there are, the channels of the program, and the results of attempts.
#[derive(Debug)]
pub(crate) struct AlertMetrics {
    /// By rule, in the order of `RuleKind::ALL`.
    firing: [AtomicU64; RuleKind::ALL.len()],
    evaluated_ms: AtomicI64,
    /// By name: the attempts, by result.
    channels: Vec<(String, Counters<RESULTS>)>,
}

impl AlertMetrics {
    pub(super) fn of(channels: Vec<String>) -> Self {
        let channels = channels.into_iter();
        AlertMetrics {
            firing: std::array::from_fn(|_| AtomicU64::new(0)),
            evaluated_ms: AtomicI64::new(0),
            channels: channels.map(|name| (name, Counters::default())).collect(),
        }
    }

    /// What fires, by an evaluation of this node or of another one.
    pub(crate) fn fires(&self, by_rule: &BTreeMap<RuleKind, usize>) {
        for (rule, count) in RuleKind::ALL.iter().zip(&self.firing) {
            let fires = by_rule.get(rule).copied().unwrap_or_default();
            count.store(fires as u64, Ordering::Relaxed);
        }
    }

    /// This node has evaluated the rules.
    pub(crate) fn evaluated(&self, at_ms: i64) {
        self.evaluated_ms.store(at_ms, Ordering::Relaxed);
    }

    /// An attempt to deliver a message has ended.
    pub(crate) fn delivered(&self, delivery: &Delivery) {
        let mut channels = self.channels.iter();
        let channel = channels.find(|(name, _)| *name == delivery.channel);
        let word = delivery.result.as_str();
        let result = DeliveryResult::WORDS.iter().position(|it| *it == word);
        if let Some(((_, counters), result)) = channel.zip(result) {
            counters.add(result, 1);
        }
    }

    pub(super) fn families(&self) -> [MetricFamily; 3] {
        let firing = RuleKind::ALL.iter().zip(&self.firing);
        let firing = firing.map(|(rule, count)| {
            let rule = ("rule", rule.as_str().into());
            number(vec![rule], count.load(Ordering::Relaxed) as f64)
        });
        let evaluated_ms = self.evaluated_ms.load(Ordering::Relaxed);
        let deliveries = self.channels.iter().flat_map(|(name, counters)| {
            let results = DeliveryResult::WORDS.into_iter().enumerate();
            results.map(move |(index, result)| {
                let channel = ("channel", name.clone().into());
                let labels = vec![channel, ("result", result.into())];
                number(labels, counters.get(index) as f64)
            })
        });
        [
            catalog::ALERTS_FIRING.with(firing.collect()),
            catalog::ALERTS_EVALUATED.with(vec![number(vec![], evaluated_ms as f64 / 1e3)]),
            catalog::ALERT_DELIVERIES.with(deliveries.collect()),
        ]
    }
}
