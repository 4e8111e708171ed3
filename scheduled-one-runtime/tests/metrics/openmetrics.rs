//! A strict reader of OpenMetrics text: what a scraper would refuse is a panic here.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a sample, by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// The samples of a text: name, labels, value.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    /// The value of the one sample with these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let found = self
            .samples
            .iter()
            .find(|(of, with, _)| of == name && *with == wanted);
        found
            .unwrap_or_else(|| panic!("there is no {name}{labels:?}"))
            .2
    }
}

/// The family that the lines belong to at the moment.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    has_help: bool,
    has_samples: bool,
}

/// Reads a text.
pub(crate) fn read(text: &str) -> Exposition {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let mut all = Exposition::default();
    let mut families = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut family = Family::default();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').expect("a keyword");
            let (name, value) = rest.split_once(' ').expect("a name and a value");
            assert!(is_name(name), "{line}");
            match keyword {
                "TYPE" => {
                    assert!(families.insert(name.to_owned()), "twice: {line}");
                    assert!(
                        !name.ends_with("_total") && !name.ends_with("_info"),
                        "{line}"
                    );
                    family = Family {
                        name: name.to_owned(),
                        kind: value.to_owned(),
                        ..Family::default()
                    };
                }
                "UNIT" => {
                    let suffix = format!("_{value}");
                    assert!(
                        name.ends_with(&suffix),
                        "the name ends with the unit: {line}"
                    );
                    assert!(!family.has_samples, "{line}");
                }
                "HELP" => {
                    assert!(!std::mem::replace(&mut family.has_help, true), "{line}");
                    assert!(!unescape(value).is_empty(), "{line}");
                }
                _ => panic!("{line}"),
            }
            assert_eq!(name, family.name, "families are not mixed: {line}");
            continue;
        }
        let (name, labels, value) = sample(line);
        assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
        check(&family, &name, &labels, value, line);
        family.has_samples = true;
        all.samples.push((name, labels, value));
    }
    check_histograms(&all);
    all
}

fn check(family: &Family, name: &str, labels: &Labels, value: f64, line: &str) {
    let suffix = name
        .strip_prefix(&*family.name)
        .unwrap_or_else(|| panic!("{line}"));
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        kind => panic!("{kind}: {line}"),
    };
    assert!(suffixes.contains(&suffix), "{line}");
    assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
    if family.kind != "gauge" {
        assert!(value >= 0.0, "{line}");
    }
    if family.kind == "info" {
        assert!(value == 1.0, "{line}");
    }
}

/// Name, labels and value of a line.
fn sample(line: &str) -> (String, Labels, f64) {
    let name_end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(name_end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let end = end_of_value(after).unwrap_or_else(|| panic!("{line}"));
            let value = unescape(&after[..end]);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &after[end + 1..];
            match rest.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => break rest = more,
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
    assert!(value.is_finite(), "{line}");
    (name.to_owned(), labels, value)
}

fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(index)
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(c @ ('\\' | '"')) => plain.push(c),
                other => panic!("\\{other:?} in {text}"),
            },
            c => plain.push(c),
        }
    }
    plain
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Buckets are in order and cumulative, and the last has no limit and the count.
fn check_histograms(all: &Exposition) {
    let mut last: BTreeMap<(String, Labels), (f64, f64)> = BTreeMap::new();
    for (name, labels, value) in &all.samples {
        let Some(family) = name.strip_suffix("_bucket") else {
            continue;
        };
        let mut labels = labels.clone();
        let bound = labels.remove("le").expect("checked");
        let bound: f64 = bound.replace("+Inf", "inf").parse().expect("a bound");
        let key = (family.to_owned(), labels);
        if let Some((bound_before, before)) = last.get(&key) {
            assert!(bound > *bound_before && value >= before, "{key:?} {bound}");
        }
        last.insert(key, (bound, *value));
    }
    let counts = all.samples.iter().filter_map(|(name, labels, value)| {
        Some((
            (name.strip_suffix("_count")?.to_owned(), labels.clone()),
            *value,
        ))
    });
    let counts: BTreeMap<(String, Labels), f64> = counts.collect();
    for (histogram, (bound, value)) in last {
        assert!(bound.is_infinite(), "{histogram:?}");
        assert_eq!(counts.get(&histogram), Some(&value), "{histogram:?}");
    }
}
