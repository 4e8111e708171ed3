//! The instruments of a node that informs monitors outside. A node without monitors shows none of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metrics::catalog;
use crate::metrics::collect::number;
use crate::metrics::counters::Counters;
use crate::metrics::family::MetricFamily;

/// What became of a sign.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignResult {
    /// The monitor took it.
    Delivered,
    /// The monitor did not take it, in three attempts.
    GivenUp,
    /// It was not sent: too many waited.
    Dropped,
}

/// The words, in the order of [`SignResult`].
const RESULTS: [&str; 3] = ["delivered", "given_up", "dropped"];

/// The labels are closed: the monitors of the program, and the results. Monitors of one name are counted together.
#[derive(Debug)]
pub(crate) struct MonitorMetrics {
    monitors: BTreeMap<Arc<str>, Counters<{ RESULTS.len() }>>,
}

impl MonitorMetrics {
    pub(crate) fn of(names: impl Iterator<Item = Arc<str>>) -> Self {
        MonitorMetrics {
            monitors: names.map(|name| (name, Counters::default())).collect(),
        }
    }

    pub(crate) fn count(&self, monitor: &str, result: SignResult) {
        if let Some(counters) = self.monitors.get(monitor) {
            counters.add(result as usize, 1);
        }
    }

    pub(super) fn family(&self) -> MetricFamily {
        let signs = self.monitors.iter().flat_map(|(name, counters)| {
            RESULTS.into_iter().enumerate().map(move |(index, result)| {
                let monitor = ("monitor", name.to_string().into());
                let labels = vec![monitor, ("result", result.into())];
                number(labels, counters.get(index) as f64)
            })
        });
        catalog::MONITOR_SIGNS.with(signs.collect())
    }
}
