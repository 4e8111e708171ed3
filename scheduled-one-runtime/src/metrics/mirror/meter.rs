//! To the global meter provider of OpenTelemetry. Names are its names: dots, and no suffixes for kind and unit, which
//! exporters add.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use crate::metrics::counters::Bounds;
use crate::metrics::family::{MetricFamily, MetricKind, MetricSample, MetricValue};
use crate::user_code;

const SCOPE: &str = "scheduled_one";

/// The instruments in OpenTelemetry. They are made when something is measured or passed on first: the program has set
/// its meter provider by then.
#[derive(Default)]
pub(super) struct OtelMeter {
    histograms: Mutex<HashMap<&'static str, Histogram<f64>>>,
    /// What the observable instruments report.
    newest: Newest,
    observed: OnceLock<()>,
}

type Newest = Arc<Mutex<Vec<MetricFamily>>>;

impl fmt::Debug for OtelMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtelMeter")
    }
}

impl OtelMeter {
    /// Records a duration in seconds.
    pub(super) fn record<const N: usize>(
        &self,
        name: &'static str,
        bounds: &Bounds,
        labels: [(&'static str, &str); N],
        took: Duration,
    ) {
        let labels = labels.map(|(name, value)| KeyValue::new(name, value.to_owned()));
        user_code::ignore(|| {
            let histogram = lock(&self.histograms)
                .entry(name)
                .or_insert_with(|| histogram(name, bounds))
                .clone();
            histogram.record(took.as_secs_f64(), &labels);
        });
    }

    /// Passes on counters and gauges.
    pub(super) fn publish(&self, families: Vec<MetricFamily>) {
        let observed = || {
            for family in &families {
                user_code::ignore(|| observe(family, Arc::downgrade(&self.newest)));
            }
        };
        self.observed.get_or_init(observed);
        *lock(&self.newest) = families;
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

fn meter() -> Meter {
    opentelemetry::global::meter(SCOPE)
}

/// `scheduled_one_run_duration_seconds` is `scheduled_one.run_duration`.
fn name(name: &str) -> String {
    let name = name.strip_suffix("_seconds").unwrap_or(name);
    name.replacen("scheduled_one_", "scheduled_one.", 1)
}

fn histogram(of: &'static str, bounds: &Bounds) -> Histogram<f64> {
    meter()
        .f64_histogram(name(of))
        .with_unit("s")
        .with_boundaries(bounds.to_vec())
        .build()
}

/// Makes an instrument that reports the newest values of a family, as long as the scheduler exists.
fn observe(family: &MetricFamily, newest: Weak<Mutex<Vec<MetricFamily>>>) {
    let of = family.name;
    let unit = match family.unit {
        "seconds" => "s",
        _ => "1",
    };
    let each = move |report: &dyn Fn(f64, &[KeyValue])| {
        let Some(newest) = newest.upgrade() else {
            return;
        };
        let families = lock(&newest);
        for sample in families
            .iter()
            .filter(|family| family.name == of)
            .flat_map(|it| &it.samples)
        {
            if let MetricValue::Number(value) = sample.value {
                report(value, &attributes(sample));
            }
        }
    };
    // The SDK keeps what it is given; the returned handle says nothing.
    match family.kind {
        MetricKind::Counter => drop(
            meter()
                .u64_observable_counter(name(of))
                .with_description(family.help)
                .with_callback(move |observer| {
                    each(&|value, attributes| observer.observe(value as u64, attributes));
                })
                .build(),
        ),
        MetricKind::Gauge | MetricKind::Info => drop(
            meter()
                .f64_observable_gauge(name(of))
                .with_description(family.help)
                .with_unit(unit)
                .with_callback(move |observer| {
                    each(&|value, attributes| observer.observe(value, attributes));
                })
                .build(),
        ),
        MetricKind::Histogram => {}
    }
}

fn attributes(sample: &MetricSample) -> Vec<KeyValue> {
    let labels = sample.labels.iter();
    labels
        .map(|(name, value)| KeyValue::new(*name, value.clone().into_owned()))
        .collect()
}
