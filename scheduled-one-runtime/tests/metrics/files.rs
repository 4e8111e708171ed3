//! The queries of dashboard and alerts ask for what a scrape has, and the documentation has all metrics and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use scheduled_one_runtime::alerts::{Alerts, Healthchecks, Rules};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Job, MetricKind, Scheduler};

use crate::alerts::Receiver;
use crate::queries::{Scrape, yaml_values};
use crate::{MINUTE, on, shown};

pub(crate) fn text(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All words that begin like a metric.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words = words.filter(|word| word.starts_with("scheduled_one_"));
    words.map(str::to_owned).collect()
}

/// A scheduler that shows all metrics there are.
async fn with_everything(clock: &ManualClock) -> Scheduler {
    let builder = on(clock).job(Job::every("j", MINUTE, || async {}));
    let builder = builder.alerts(Alerts::new(Rules::default()).notify(Receiver::new("pager")));
    let builder = builder.monitor(Healthchecks::new("KEY").address("http://127.0.0.1:9/ping"));
    builder.start().await.expect("started")
}

/// A query of the dashboard.
pub(crate) struct DashboardQuery {
    /// The title of its panel, or the name of its variable.
    pub(crate) of: String,
    pub(crate) query: String,
    /// The labels that its legend shows.
    legend: Vec<String>,
}

pub(crate) fn queries_of_the_dashboard() -> Vec<DashboardQuery> {
    let dashboard = serde_json::from_str(&text("grafana/scheduled-one.json"));
    let dashboard: Value = dashboard.expect("JSON");
    let word = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let legend = word(target, "legendFormat");
            let shown = legend
                .split("{{")
                .skip(1)
                .filter_map(|it| it.split_once("}}"));
            queries.push(DashboardQuery {
                of: word(panel, "title"),
                query: word(target, "expr"),
                legend: shown.map(|(label, _)| label.trim().to_owned()).collect(),
            });
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let variables = variables.iter().filter(|it| it["type"] == "query");
    queries.extend(variables.map(|it| DashboardQuery {
        of: word(it, "name"),
        query: word(&it["query"], "query"),
        legend: Vec::new(),
    }));
    queries
}

#[tokio::test]
async fn each_query_of_dashboard_and_alerts_is_for_what_a_scrape_has() {
    let clock = ManualClock::new();
    let scheduler = with_everything(&clock).await;
    let scrape = Scrape::of(&shown(&scheduler));
    let dashboard = queries_of_the_dashboard();
    assert!(dashboard.len() > 40, "{}", dashboard.len());
    for DashboardQuery { query, legend, .. } in &dashboard {
        let lacks = scrape.lacks(query);
        assert!(lacks.is_empty(), "{query} asks for {lacks:?}");
        for label in legend {
            let by = query
                .split("by (")
                .skip(1)
                .filter_map(|it| it.split_once(')'));
            let has = by
                .flat_map(|(labels, _)| labels.split(", "))
                .any(|it| it == label);
            assert!(has, "{query} has no {label} for its legend");
        }
    }
    let yaml = [
        ("prometheus/alerts.yaml", "expr", 15),
        ("prometheus/alerts_test.yaml", "series", 20),
    ];
    for (file, key, least) in yaml {
        let queries = yaml_values(&text(file), key);
        assert!(queries.len() > least, "{file}: {queries:?}");
        for query in queries {
            let lacks = scrape.lacks(&query);
            assert!(lacks.is_empty(), "{file}: {query} asks for {lacks:?}");
        }
    }
}

#[tokio::test]
async fn the_documentation_has_each_metric_and_no_other() {
    let clock = ManualClock::new();
    let scheduler = with_everything(&clock).await;
    let families = scheduler.metrics();
    let exposed: BTreeSet<String> = families
        .iter()
        .map(|family| match family.kind {
            MetricKind::Counter => format!("{}_total", family.name),
            MetricKind::Info => format!("{}_info", family.name),
            _ => family.name.to_owned(),
        })
        .collect();
    let document = text("docs/metrics.md");
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `scheduled_one_"));
    let documented: BTreeSet<String> = rows
        .flat_map(|row| named(row).into_iter().take(1))
        .collect();
    assert_eq!(documented, exposed);
    for line in document
        .lines()
        .filter(|line| line.starts_with("| `scheduled_one_"))
    {
        let name = named(line).into_iter().next().expect("a name");
        let of_name = |family: &&scheduled_one_runtime::MetricFamily| name.starts_with(family.name);
        let longest = families
            .iter()
            .filter(of_name)
            .max_by_key(|family| family.name.len());
        let family = longest.expect("exposed");
        assert!(
            line.contains(&format!("| {} |", family.kind.as_str())),
            "{line}"
        );
        let labels = family.samples[0]
            .labels
            .iter()
            .map(|(name, _)| format!("`{name}`"));
        let labels: Vec<String> = labels.collect();
        let shown = match labels.is_empty() {
            true => "–".to_owned(),
            false => labels.join(", "),
        };
        assert!(line.contains(&format!("| {shown} |")), "{line}: {shown}");
    }
}
