//! What queries of Prometheus ask for, as far as a scrape can confirm it: metrics, labels, and values of closed labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::openmetrics::Exposition;

/// Labels that the scrape adds, and those whose values are the program's or the cluster's own.
const OF_THE_SCRAPE: [&str; 3] = ["instance", "job", "namespace"];
const OPEN: [&str; 6] = [
    "job_name",
    "channel",
    "bucket",
    "le",
    "version",
    "namespace",
];

/// The values of each label, by metric.
pub(crate) struct Scrape(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Scrape {
    pub(crate) fn of(exposed: &Exposition) -> Self {
        let mut metrics = BTreeMap::<String, BTreeMap<String, BTreeSet<String>>>::new();
        for (name, labels, _) in &exposed.samples {
            let of_metric = metrics.entry(name.clone()).or_default();
            for (label, value) in labels {
                let values = of_metric.entry(label.clone()).or_default();
                values.insert(value.clone());
            }
        }
        Scrape(metrics)
    }

    /// What a query asks for that the scrape does not have.
    pub(crate) fn lacks(&self, query: &str) -> Vec<String> {
        let mut lacks = Vec::new();
        let selectors = selectors(query);
        if selectors.is_empty() {
            lacks.push("a metric of scheduled-one".to_owned());
        }
        for (metric, matchers) in &selectors {
            for (label, values) in matchers {
                lacks.extend(self.lacks_label(metric, label));
                lacks.extend(self.lacks_values(metric, label, values));
            }
            lacks.extend(self.lacks_metric(metric));
        }
        for (labels, argument) in grouped(query) {
            for (metric, _) in self::selectors(&argument) {
                let missing = labels.iter().filter_map(|it| self.lacks_label(&metric, it));
                lacks.extend(missing);
            }
        }
        lacks
    }

    fn lacks_metric(&self, metric: &str) -> Option<String> {
        (!self.0.contains_key(metric)).then(|| metric.to_owned())
    }

    pub(crate) fn lacks_label(&self, metric: &str, label: &str) -> Option<String> {
        let known = self.0.get(metric).is_some_and(|it| it.contains_key(label));
        (!known && !OF_THE_SCRAPE.contains(&label)).then(|| format!("{metric}{{{label}}}"))
    }

    fn lacks_values(&self, metric: &str, label: &str, values: &[&str]) -> Vec<String> {
        if OPEN.contains(&label) || OF_THE_SCRAPE.contains(&label) {
            return Vec::new();
        }
        let known = self.0.get(metric).and_then(|it| it.get(label));
        let is_known = |value: &&&str| known.is_some_and(|known| known.contains(**value));
        let missing = values.iter().filter(|value| !is_known(value));
        missing
            .map(|value| format!("{metric}{{{label}=\"{value}\"}}"))
            .collect()
    }
}

/// Metrics with their matchers: each label with the values that it is compared with.
type Selectors<'a> = Vec<(String, Vec<(&'a str, Vec<&'a str>)>)>;

fn selectors(query: &str) -> Selectors<'_> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices("scheduled_one_") {
        let rest = &query[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (metric, after) = rest.split_at(end.unwrap_or(rest.len()));
        let inside = after
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'));
        let matchers = inside.map_or("", |(inside, _)| inside);
        found.push((metric.to_owned(), self::matchers(matchers)));
    }
    found
}

/// `outcome="ok", reason=~"a|b"`. No value has a comma or a quote in it.
fn matchers(text: &str) -> Vec<(&str, Vec<&str>)> {
    let one = |matcher: &'_ str| {
        let end = matcher.find(['=', '!']).expect("a comparison");
        let (label, value) = matcher.split_at(end);
        (label.trim().to_owned(), value.to_owned())
    };
    let each = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    each.map(|matcher| {
        let (label, _) = one(matcher);
        let value = matcher.split('"').nth(1).expect("a value in quotes");
        (&matcher[..label.len()], value.split('|').collect())
    })
    .collect()
}

/// Each `by (labels) (argument)`, each `on (labels) (operand)`, and each `label_values(metric, label)`.
fn grouped(query: &str) -> Vec<(Vec<&str>, String)> {
    let mut found = Vec::new();
    for word in [" by (", " on ("] {
        for (at, _) in query.match_indices(word) {
            let (labels, argument, _) = labels_and_argument(&query[at + word.len()..]);
            let labels = labels.split(',').map(str::trim).collect();
            found.push((labels, without_joined(argument)));
        }
    }
    if let Some(inside) = query.strip_prefix("label_values(") {
        let (metric, label) = inside.split_once(',').expect("a metric and a label");
        let label = label.trim().trim_end_matches(')');
        found.push((vec![label], metric.to_owned()));
    }
    found
}

/// Of `labels) (argument) rest`.
fn labels_and_argument(text: &str) -> (&str, &str, &str) {
    let (labels, after) = text.split_once(')').expect("labels");
    let argument = after.trim_start().strip_prefix('(').expect("an argument");
    let (argument, rest) = argument.split_at(closes(argument));
    (labels, argument, rest)
}

/// The text without what is joined by some labels: of `a and on (labels) (b)` the result has only what `a` has.
fn without_joined(text: &str) -> String {
    match text.split_once(" on (") {
        Some((before, after)) => before.to_owned() + &without_joined(labels_and_argument(after).2),
        None => text.to_owned(),
    }
}

/// Where the parenthesis closes that is open at the beginning.
fn closes(text: &str) -> usize {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    panic!("nothing closes: {text}");
}

/// The values of a key in YAML of one line, or folded (`>-`).
pub(crate) fn yaml_values(text: &str, key: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let content = line.trim_start().trim_start_matches("- ");
        let depth = line.len() - content.len();
        let Some(value) = content
            .strip_prefix(key)
            .and_then(|it| it.strip_prefix(": "))
        else {
            continue;
        };
        let is_deeper = |line: &&str| line.len() - line.trim_start().len() > depth;
        let mut value = match value.trim() {
            ">-" => String::new(),
            value => value.trim_matches('\'').to_owned(),
        };
        while value.is_empty() || value.ends_with(' ') {
            let Some(more) = lines.next_if(is_deeper) else {
                break;
            };
            value = value + more.trim() + " ";
        }
        values.push(value.trim().to_owned());
    }
    values
}

#[test]
fn what_a_scrape_does_not_have_is_found() {
    let text = "# TYPE scheduled_one_runs counter\n# HELP scheduled_one_runs h\n\
                scheduled_one_runs_total{job_name=\"j\",outcome=\"ok\"} 1\n\
                # TYPE scheduled_one_start gauge\n# HELP scheduled_one_start h\nscheduled_one_start 1\n# EOF\n";
    let scrape = Scrape::of(&crate::openmetrics::read(text));
    let runs = "scheduled_one_runs_total";
    for good in [
        "sum by (outcome) (rate(scheduled_one_runs_total{job_name=\"$job\", outcome!=\"ok\"}[5m])) > 0",
        "sum by (outcome) (scheduled_one_runs_total and on (job) (scheduled_one_start) or scheduled_one_runs_total)",
    ] {
        assert_eq!(scrape.lacks(good), Vec::<String>::new());
    }
    for (query, lacks) in [
        ("up", "a metric of scheduled-one"),
        ("max(scheduled_one_run_total)", "scheduled_one_run_total"),
        ("sum by (tick) (scheduled_one_runs_total)", "{tick}"),
        ("scheduled_one_runs_total{tick=\"j\"}", "{tick}"),
        (
            "scheduled_one_runs_total{outcome=~\"ok|bad\"}",
            "{outcome=\"bad\"}",
        ),
        ("label_values(scheduled_one_runs_total, tick)", "{tick}"),
        (
            "sum by (job) (scheduled_one_start and on (tick) (scheduled_one_runs_total))",
            "{tick}",
        ),
        (
            "sum by (tick) (scheduled_one_start and on (job) (scheduled_one_start) or scheduled_one_runs_total)",
            "{tick}",
        ),
    ] {
        let found = scrape.lacks(query);
        let expected = match lacks.starts_with('{') {
            true => format!("{runs}{lacks}"),
            false => lacks.to_owned(),
        };
        assert!(found.contains(&expected), "{query}: {found:?}");
    }
    let yaml = "a:\n  - expr: one\n    x: y\n  - expr: >-\n      two\n      three\n    for: 1m\n";
    assert_eq!(yaml_values(yaml, "expr"), ["one", "two three"]);
}
