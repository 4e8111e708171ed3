//! The features `metrics` and `opentelemetry` pass on what the text shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Scheduler, State};
use test_support::wait_until_async;

use crate::{BOUND, MINUTE, MS, SECOND, on};

/// A scheduler with a job that has run for two seconds.
async fn after_a_run(job: &str) -> (Scheduler, ManualClock) {
    let clock = ManualClock::new();
    let sleeps = |State(clock): State<ManualClock>| async move { clock.sleep(2 * SECOND).await };
    let builder = on(&clock).state(clock.clone());
    let scheduler = builder.job(Job::every(job, MINUTE, sleeps)).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(MINUTE);
    (scheduler, clock)
}

/// The newest value of each metric with its labels; of a histogram, each value.
#[derive(Clone, Debug, Default)]
struct Recorded(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct Cell(Recorded, String);

impl Recorded {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()));
        let labels: Vec<String> = labels.collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::new(Cell(self.clone(), name))
    }

    fn values(&self, name: &str) -> Vec<f64> {
        let all = self.0.lock().expect("lock");
        all.get(name).cloned().unwrap_or_default()
    }
}

impl Cell {
    fn set(&self, value: f64) {
        let mut all = self.0.0.lock().expect("lock");
        all.insert(self.1.clone(), vec![value]);
    }
}

impl CounterFn for Cell {
    fn increment(&self, _: u64) {
        panic!("counters are absolute");
    }

    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.set(value);
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        let mut all = self.0.0.lock().expect("lock");
        all.entry(self.1.clone()).or_default().push(value);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        assert!(key.as_str().ends_with("_total"), "{key:?}");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, unit: Option<Unit>, _: SharedString) {
        assert_eq!(unit, Some(Unit::Seconds));
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

#[tokio::test]
async fn the_recorder_of_the_facade_has_counters_gauges_and_durations() {
    let recorded = Recorded::default();
    let _guard = metrics::set_default_local_recorder(&recorded);
    let (scheduler, clock) = after_a_run("facade").await;
    let runs = "scheduled_one_runs_total{job_name=facade,outcome=ok,cause=schedule}";
    wait_until_async("the run is passed on", BOUND, async || {
        clock.advance(100 * MS);
        recorded.values(runs) == [1.0]
    })
    .await;
    let durations =
        recorded.values("scheduled_one_run_duration_seconds{job_name=facade,outcome=ok}");
    assert!(
        matches!(durations[..], [took] if took >= 2.0),
        "{durations:?}"
    );
    let lateness = recorded.values("scheduled_one_run_lateness_seconds{job_name=facade}");
    assert_eq!(lateness.len(), 1);
    assert_eq!(recorded.values("scheduled_one_store_up{bucket=0}"), [1.0]);
    let claims =
        recorded.values("scheduled_one_store_request_duration_seconds{op=claim,result=ok}");
    assert_eq!(claims.len(), 1);
    drop(scheduler);
}

fn is_job<'a>(attributes: impl Iterator<Item = &'a KeyValue>, job: &str) -> bool {
    let mut attributes = attributes;
    attributes.any(|it| it.key.as_str() == "job_name" && it.value.as_str() == job)
}

/// The values of all metrics, by name and the job.
fn values(exported: &[ResourceMetrics], job: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let Some(newest) = exported.last() else {
        return values;
    };
    let scopes = newest
        .scope_metrics()
        .filter(|scope| scope.scope().name() == "scheduled_one");
    for metric in scopes.flat_map(|scope| scope.metrics()) {
        let name = metric.name().to_owned();
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                let points = sum.data_points().filter(|it| is_job(it.attributes(), job));
                values.insert(name, points.map(|it| it.value() as f64).sum());
            }
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                let points = gauge
                    .data_points()
                    .filter(|it| is_job(it.attributes(), job));
                values.insert(name, points.map(|it| it.value()).sum());
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                let points = histogram
                    .data_points()
                    .filter(|it| is_job(it.attributes(), job));
                let points: Vec<_> = points.collect();
                if let Some(point) = points.first() {
                    assert_eq!(point.bounds().count(), 13, "{name}");
                    assert_eq!(metric.unit(), "s");
                }
                values.insert(name, points.iter().map(|it| it.sum()).sum());
            }
            _ => {}
        }
    }
    values
}

#[tokio::test]
async fn the_meter_of_opentelemetry_has_counters_gauges_and_durations() {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    opentelemetry::global::set_meter_provider(provider.clone());
    let (scheduler, clock) = after_a_run("otel").await;
    let export = || {
        exporter.reset();
        provider.force_flush().expect("flushed");
        values(&exporter.get_finished_metrics().expect("metrics"), "otel")
    };
    wait_until_async("the run is passed on", BOUND, async || {
        clock.advance(100 * MS);
        tokio::task::yield_now().await;
        export().get("scheduled_one.runs") == Some(&1.0)
    })
    .await;
    let values = export();
    assert!(values["scheduled_one.run_duration"] >= 2.0, "{values:?}");
    let next_s = values["scheduled_one.job_next_tick_timestamp"];
    assert!(next_s > clock.wall().as_secs_f64() - 1.0, "{values:?}");
    // A scheduler that is gone reports nothing.
    drop(scheduler);
    wait_until_async("its node has ended", BOUND, async || {
        clock.advance(SECOND);
        tokio::task::yield_now().await;
        export()
            .get("scheduled_one.runs")
            .is_none_or(|runs| *runs == 0.0)
    })
    .await;
}
