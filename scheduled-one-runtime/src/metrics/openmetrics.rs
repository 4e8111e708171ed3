//! The text form of metrics: OpenMetrics 1.0.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::metrics::family::{MetricFamily, MetricKind, MetricSample, MetricValue};

/// The content type of [`Scheduler::openmetrics`](crate::Scheduler::openmetrics), for the HTTP response.
pub const OPENMETRICS_CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of these families.
pub(crate) fn text(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        // A string takes all that is written.
        let _ = write_family(&mut text, family);
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, family: &MetricFamily) -> fmt::Result {
    let (name, kind) = (family.name, family.kind.as_str());
    writeln!(text, "# TYPE {name} {kind}")?;
    if !family.unit.is_empty() {
        writeln!(text, "# UNIT {name} {}", family.unit)?;
    }
    writeln!(text, "# HELP {name} {}", escaped(family.help))?;
    for sample in &family.samples {
        write_sample(text, family, sample)?;
    }
    Ok(())
}

fn write_sample(text: &mut String, family: &MetricFamily, sample: &MetricSample) -> fmt::Result {
    let name = family.name;
    let suffix = match family.kind {
        MetricKind::Counter => "_total",
        MetricKind::Info => "_info",
        MetricKind::Gauge | MetricKind::Histogram => "",
    };
    match &sample.value {
        MetricValue::Number(number) => {
            write!(text, "{name}{suffix}")?;
            write_labels(text, sample, None)?;
            writeln!(text, " {number}")
        }
        MetricValue::Histogram {
            buckets,
            count,
            sum,
        } => {
            for (bound, within) in buckets {
                write!(text, "{name}_bucket")?;
                write_labels(text, sample, Some(&format!("{bound:?}")))?;
                writeln!(text, " {within}")?;
            }
            write!(text, "{name}_bucket")?;
            write_labels(text, sample, Some("+Inf"))?;
            writeln!(text, " {count}")?;
            write!(text, "{name}_count")?;
            write_labels(text, sample, None)?;
            writeln!(text, " {count}")?;
            write!(text, "{name}_sum")?;
            write_labels(text, sample, None)?;
            writeln!(text, " {sum}")
        }
    }
}

fn write_labels(text: &mut String, sample: &MetricSample, bound: Option<&str>) -> fmt::Result {
    let of_sample = sample.labels.iter();
    let of_sample = of_sample.map(|(name, value)| (*name, value.as_ref()));
    let mut before = '{';
    for (name, value) in of_sample.chain(bound.map(|bound| ("le", bound))) {
        write!(text, "{before}{name}=\"{}\"", escaped(value))?;
        before = ',';
    }
    match before {
        ',' => text.write_char('}'),
        _ => Ok(()),
    }
}

/// A text in which line ends, quotes and backslashes are escaped.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    let text = text.replace('\\', "\\\\");
    text.replace('"', "\\\"").replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_and_help_are_escaped() {
        let family = MetricFamily {
            name: "n",
            kind: MetricKind::Gauge,
            unit: "",
            help: "a \"b\"\nc",
            samples: vec![MetricSample {
                labels: vec![("l", "\\ \" \n".into()), ("m", "x".into())],
                value: MetricValue::Number(1.5),
            }],
        };
        let expected =
            "# TYPE n gauge\n# HELP n a \\\"b\\\"\\nc\nn{l=\"\\\\ \\\" \\n\",m=\"x\"} 1.5\n# EOF\n";
        assert_eq!(text(&[family]), expected);
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_and_one_without_limit() {
        let family = MetricFamily {
            name: "d_seconds",
            kind: MetricKind::Histogram,
            unit: "seconds",
            help: "h",
            samples: vec![MetricSample {
                labels: vec![],
                value: MetricValue::Histogram {
                    buckets: vec![(0.01, 2), (14_400.0, 3)],
                    count: 4,
                    sum: 2.5,
                },
            }],
        };
        let expected = "# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n# HELP d_seconds h\n\
                        d_seconds_bucket{le=\"0.01\"} 2\nd_seconds_bucket{le=\"14400.0\"} 3\n\
                        d_seconds_bucket{le=\"+Inf\"} 4\nd_seconds_count 4\nd_seconds_sum 2.5\n# EOF\n";
        assert_eq!(text(&[family]), expected);
    }
}
