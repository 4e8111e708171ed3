//! The dashboard, the alerts and the documentation name only metrics that there are, and the documentation all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Job, MetricKind};

use crate::{MINUTE, on, shown};

fn text(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All words that begin like a metric.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words = words.filter(|word| word.starts_with("scheduled_one_"));
    words.map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboard_and_alerts_name_metrics_that_are_exposed() {
    let clock = ManualClock::new();
    let builder = on(&clock).job(Job::every("j", MINUTE, || async {}));
    let scheduler = builder.start().await.expect("started");
    let exposed = shown(&scheduler);
    let exposed: BTreeSet<&str> = exposed.names();
    for file in [
        "grafana/scheduled-one.json",
        "prometheus/alerts.yaml",
        "prometheus/alerts_test.yaml",
    ] {
        let named = named(&text(file));
        assert!(named.len() > 5, "{file}: {named:?}");
        let unknown: Vec<_> = named
            .iter()
            .filter(|name| !exposed.contains(name.as_str()))
            .collect();
        assert!(
            unknown.is_empty(),
            "{file} names what is not exposed: {unknown:?}"
        );
    }
}

#[tokio::test]
async fn the_documentation_has_each_metric_and_no_other() {
    let clock = ManualClock::new();
    let builder = on(&clock).job(Job::every("j", MINUTE, || async {}));
    let scheduler = builder.start().await.expect("started");
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
