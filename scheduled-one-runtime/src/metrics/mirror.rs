//! What the features `metrics` and `opentelemetry` pass on: counters and gauges as they were collected, every ten
//! seconds, and each duration when it is measured. Without the features nothing is passed on.

use std::time::Duration;

#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "opentelemetry")]
mod meter;

use crate::metrics::counters::Bounds;
use crate::metrics::family::MetricFamily;

/// Between two times at which counters and gauges are passed on: servers of metrics look every 15 s or less often,
/// and a round over 1,000 jobs takes some 80,000 samples of the node's time.
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
const EVERY: Duration = Duration::from_secs(10);

/// The way to the recorder of the program.
#[derive(Debug)]
pub(super) struct Mirror {
    /// When counters and gauges are passed on next, by the boot clock.
    #[cfg(any(feature = "metrics", feature = "opentelemetry"))]
    next: std::sync::Mutex<Duration>,
    #[cfg(feature = "opentelemetry")]
    meter: meter::OtelMeter,
}

impl Mirror {
    pub(super) fn new() -> Self {
        Mirror {
            #[cfg(any(feature = "metrics", feature = "opentelemetry"))]
            next: std::sync::Mutex::new(Duration::ZERO),
            #[cfg(feature = "opentelemetry")]
            meter: meter::OtelMeter::default(),
        }
    }

    /// Passes on a duration of the histogram with this name.
    #[cfg_attr(
        not(any(feature = "metrics", feature = "opentelemetry")),
        allow(unused_variables, clippy::unused_self, reason = "without the features")
    )]
    pub(super) fn record<'a, const N: usize>(
        &self,
        (name, bounds): (&'static str, &Bounds),
        labels: impl Fn() -> [(&'static str, &'a str); N],
        took: Duration,
    ) {
        #[cfg(feature = "metrics")]
        facade::record(name, labels(), took);
        #[cfg(feature = "opentelemetry")]
        self.meter.record(name, bounds, labels(), took);
    }

    /// Passes on counters and gauges if it is time.
    #[cfg_attr(
        not(any(feature = "metrics", feature = "opentelemetry")),
        allow(unused_variables, clippy::unused_self, reason = "without the features")
    )]
    pub(super) fn publish_if_due(&self, now: Duration, collect: impl Fn() -> Vec<MetricFamily>) {
        #[cfg(any(feature = "metrics", feature = "opentelemetry"))]
        {
            let mut next = self
                .next
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if now < *next {
                return;
            }
            *next = now + EVERY;
            drop(next);
            let families = collect();
            #[cfg(feature = "metrics")]
            facade::publish(&families);
            #[cfg(feature = "opentelemetry")]
            self.meter.publish(families);
        }
    }
}
