//! What the instruments showed at one instant, as users read it.

use std::borrow::Cow;

/// Metrics of one name, by [`Scheduler::metrics`](crate::Scheduler::metrics).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricFamily {
    /// The name, without the suffixes `_total`, `_info`, `_bucket`, `_count` and `_sum` that the text adds:
    /// `scheduled_one_runs`.
    pub name: &'static str,
    /// What its values are.
    pub kind: MetricKind,
    /// The unit, which ends the name: `seconds`; empty for a count.
    pub unit: &'static str,
    /// What it means, in a sentence.
    pub help: &'static str,
    /// The values; each has other labels.
    pub samples: Vec<MetricSample>,
}

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// Grows until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations, counted by buckets.
    Histogram,
    /// Always 1: its labels are what it says.
    Info,
}

impl MetricKind {
    /// The word for the kind in OpenMetrics.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Info => "info",
        }
    }
}

/// A value with its labels.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricSample {
    /// Names and values of the labels, in the order of the name's documentation.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The value.
    pub value: MetricValue,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// The value of a counter, a gauge or an info.
    Number(f64),
    /// What a histogram has counted.
    Histogram {
        /// Upper bounds in seconds, each with how many durations were at most so long.
        buckets: Vec<(f64, u64)>,
        /// How many durations there were.
        count: u64,
        /// Their sum in seconds.
        sum: f64,
    },
}
