//! To the recorder of the facade `metrics`.

use std::time::Duration;

use ::metrics::{Key, KeyName, Label, Level, Metadata, Recorder, Unit, with_recorder};

use crate::metrics::family::{MetricFamily, MetricKind, MetricSample, MetricValue};
use crate::user_code;

const METADATA: Metadata<'static> =
    Metadata::new("scheduled_one", Level::INFO, Some(module_path!()));

/// Records a duration in seconds.
pub(super) fn record<const N: usize>(
    name: &'static str,
    labels: [(&'static str, &str); N],
    took: Duration,
) {
    let labels = labels.map(|(name, value)| Label::new(name, value.to_owned()));
    let key = Key::from_parts(name, labels.to_vec());
    let record = |recorder: &dyn Recorder| {
        recorder.register_histogram(&key, &METADATA).record(took);
    };
    user_code::ignore(|| with_recorder(record));
}

/// Sets counters and gauges.
pub(super) fn publish(families: &[MetricFamily]) {
    let publish = |recorder: &dyn Recorder| {
        for family in families {
            describe(recorder, family);
            for sample in &family.samples {
                set(recorder, family, sample);
            }
        }
    };
    user_code::ignore(|| with_recorder(publish));
}

/// The name in the facade: exporters add no suffix to it.
fn name(family: &MetricFamily) -> String {
    match family.kind {
        MetricKind::Counter => format!("{}_total", family.name),
        MetricKind::Info => format!("{}_info", family.name),
        _ => family.name.to_owned(),
    }
}

fn describe(recorder: &dyn Recorder, family: &MetricFamily) {
    let name = KeyName::from(name(family));
    let unit = Some(Unit::Seconds).filter(|_| family.unit == "seconds");
    let help = family.help.into();
    match family.kind {
        MetricKind::Counter => recorder.describe_counter(name, unit, help),
        MetricKind::Histogram => recorder.describe_histogram(name, unit, help),
        MetricKind::Gauge | MetricKind::Info => recorder.describe_gauge(name, unit, help),
    }
}

fn set(recorder: &dyn Recorder, family: &MetricFamily, sample: &MetricSample) {
    let MetricValue::Number(value) = sample.value else {
        return;
    };
    let labels = sample.labels.iter();
    let labels = labels.map(|(name, value)| Label::new(*name, value.clone().into_owned()));
    let key = Key::from_parts(name(family), labels.collect::<Vec<_>>());
    match family.kind {
        MetricKind::Counter => recorder
            .register_counter(&key, &METADATA)
            .absolute(value as u64),
        _ => recorder.register_gauge(&key, &METADATA).set(value),
    }
}
