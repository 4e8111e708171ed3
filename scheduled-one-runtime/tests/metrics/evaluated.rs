//! Each query of dashboard and alerts, evaluated by a Prometheus that scrapes a scheduler which has run jobs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::alerts::{Alerts, Healthchecks, Rules};
use scheduled_one_runtime::clock::SystemClock;
use scheduled_one_runtime::{Job, OPENMETRICS_CONTENT_TYPE, Scheduler, State};
use test_support::{Prometheus, find_prometheus, wait_until_async};

use crate::alerts::Receiver;
use crate::files::{queries_of_the_dashboard, text};
use crate::queries::yaml_values;
use crate::{SECOND, shown};

const BOUND: Duration = Duration::from_secs(120);
/// The value of the label `job`.
const SERVICE: &str = "service";
/// The job of the panels that show one.
const JOB: &str = "report";
/// The panels without a sample: nothing of that happens in this run.
const EMPTY_PANELS: [&str; 1] = ["Requests without success"];
/// The alerts whose expressions have samples.
const TRUE_ALERTS: [&str; 3] = [
    "ScheduledOneJobFailing",
    "ScheduledOneOneNodeLeft",
    "ScheduledOneTicksMissed",
];

/// Serves the metrics of a scheduler, as soon as there is one, and takes the signs to its monitor.
async fn serve(listener: TcpListener, scheduler: Arc<OnceLock<Scheduler>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let scheduler = Arc::clone(&scheduler);
        // A client that goes away in the middle is none of the test's.
        tokio::spawn(async move { reply(stream, &scheduler).await });
    }
}

async fn reply(stream: TcpStream, scheduler: &OnceLock<Scheduler>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    stream.read_exact(&mut vec![0; length]).await?;
    let body = scheduler
        .get()
        .map_or_else(String::new, Scheduler::openmetrics);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {OPENMETRICS_CONTENT_TYPE}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}

/// Each run of the job takes a permit and keeps it.
type Permits = Arc<Semaphore>;

async fn report(State(permits): State<Permits>) {
    permits.acquire().await.expect("open").forget();
}

async fn broken() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("disk full"))
}

async fn start(store: &MemoryStore, permits: &Permits, address: SocketAddr) -> Scheduler {
    let alerts = Alerts::new(Rules::default()).every(SECOND);
    let monitor = Healthchecks::new("KEY").address(format!("http://{address}/ping"));
    let builder = Scheduler::builder("memory://")
        .store(store.clone())
        .state(Arc::clone(permits))
        .job(Job::every(JOB, SECOND, report))
        .job(Job::every("broken", SECOND, broken))
        .job(Job::every("off", SECOND, || async {}).enabled(false))
        .alerts(alerts.notify(Receiver::new("pager")))
        .monitor(monitor);
    builder.start().await.expect("started")
}

/// The sum of all samples of a metric that have these labels among theirs.
fn sum(scheduler: &Scheduler, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = shown(scheduler).samples;
    let is_it = |of: &str, has: &crate::openmetrics::Labels| {
        let mut wanted = labels.iter();
        of == name && wanted.all(|(label, value)| has.get(*label).is_some_and(|it| it == value))
    };
    let of_it = samples.iter().filter(|(of, has, _)| is_it(of, has));
    of_it.map(|(_, _, value)| value).sum()
}

async fn reaches(scheduler: &Scheduler, name: &str, labels: &[(&str, &str)], value: f64) {
    wait_until_async(&format!("{name}{labels:?} is {value}"), BOUND, async || {
        sum(scheduler, name, labels) >= value
    })
    .await;
}

/// A scheduler that starts after none was up for three ticks, and has run, skipped, failed, alerted and given signs.
async fn after_an_outage(address: SocketAddr) -> Scheduler {
    const RUNS: &str = "scheduled_one_runs_total";
    let store = MemoryStore::new(Arc::new(SystemClock));
    let plenty = Semaphore::MAX_PERMITS;
    let first = start(&store, &Arc::new(Semaphore::new(plenty)), address).await;
    reaches(&first, RUNS, &[("job_name", JOB), ("outcome", "ok")], 1.0).await;
    first.shutdown(BOUND).await;
    let ended = Instant::now();
    wait_until_async("three ticks have passed", BOUND, async || {
        ended.elapsed() > 3 * SECOND
    })
    .await;
    let permits = Arc::new(Semaphore::new(0));
    let second = start(&store, &permits, address).await;
    let skipped = [("job_name", JOB), ("reason", "overlap")];
    reaches(&second, "scheduled_one_ticks_skipped_total", &skipped, 1.0).await;
    permits.add_permits(plenty);
    let missed = [("job_name", JOB), ("reason", "no node was up")];
    for (name, labels, value) in [
        (RUNS, [("job_name", JOB), ("outcome", "ok")].as_slice(), 1.0),
        (RUNS, &[("job_name", "broken"), ("outcome", "failed")], 3.0),
        ("scheduled_one_ticks_missed_total", &missed, 2.0),
        ("scheduled_one_alerts_firing", &[("rule", "failed")], 1.0),
        (
            "scheduled_one_alert_deliveries_total",
            &[("result", "delivered")],
            1.0,
        ),
        (
            "scheduled_one_monitor_signs_total",
            &[("result", "delivered")],
            1.0,
        ),
    ] {
        reaches(&second, name, labels, value).await;
    }
    second
}

/// A query of the dashboard with the values of its variables, as Grafana asks it.
fn as_grafana_asks(query: &str) -> String {
    let values = [
        ("$service", SERVICE),
        ("$job", JOB),
        ("$__rate_interval_ms", "900000"),
        ("$__rate_interval", "15m"),
        ("$__range_s", "3600"),
        ("$__range", "1h"),
    ];
    let label_values = query.strip_prefix("label_values(").map(|inside| {
        let (metric, label) = inside.rsplit_once(", ").expect("a metric and a label");
        format!("group by ({label} ({metric})")
    });
    let query = label_values.unwrap_or_else(|| query.to_owned());
    values
        .iter()
        .fold(query, |query, (name, value)| query.replace(name, value))
}

/// The samples of a query.
fn samples(prometheus: &Prometheus, query: &str) -> Vec<Value> {
    let answer = prometheus.query(query).expect("an answer");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    let samples = answer["data"]["result"].as_array();
    samples
        .unwrap_or_else(|| panic!("{query}: {answer}"))
        .clone()
}

/// The value of the only sample.
fn value(samples: &[Value]) -> f64 {
    assert_eq!(samples.len(), 1, "{samples:?}");
    let value = samples[0]["value"][1].as_str().expect("a value");
    value.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "whoever runs the tests should see it")]
async fn each_query_of_dashboard_and_alerts_is_right_on_scrapes_of_a_scheduler() {
    if find_prometheus().is_none() {
        eprintln!("skipped: no prometheus; `apt-get install prometheus`, or PROMETHEUS names it");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let served = Arc::new(OnceLock::new());
    let server = tokio::spawn(serve(listener, Arc::clone(&served)));
    let scheduler = after_an_outage(address).await;
    let missed = sum(&scheduler, "scheduled_one_ticks_missed_total", &[]);
    assert!(served.set(scheduler).is_ok());

    let prometheus = Prometheus::start(SERVICE, address).expect("a Prometheus");
    wait_until_async("it has scraped several times", BOUND, async || {
        let scrapes = "count_over_time(scheduled_one_build_info[5m]) >= 3";
        !samples(&prometheus, scrapes).is_empty()
    })
    .await;
    let mut empty = BTreeSet::new();
    for query in queries_of_the_dashboard() {
        let found = samples(&prometheus, &as_grafana_asks(&query.query));
        if query.of == "Missed ticks" {
            // They were missed before the first scrape.
            assert!(value(&found) >= missed, "{found:?}, not {missed}");
        }
        if found.is_empty() {
            empty.insert(query.of);
        }
    }
    assert_eq!(empty, EMPTY_PANELS.map(str::to_owned).into());

    let rules = text("prometheus/alerts.yaml");
    let alerts = yaml_values(&rules, "alert");
    let expressions = yaml_values(&rules, "expr");
    assert_eq!(alerts.len(), expressions.len());
    let is_true = |expression: &String| !samples(&prometheus, expression).is_empty();
    let found = alerts.into_iter().zip(expressions);
    let found = found.filter_map(|(alert, expression)| is_true(&expression).then_some(alert));
    // A run that is late is the machine's.
    let found: BTreeSet<String> = found.filter(|alert| alert != "ScheduledOneLate").collect();
    assert_eq!(found, TRUE_ALERTS.map(str::to_owned).into());
    server.abort();
}
