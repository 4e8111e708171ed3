//! The verb `tidy`: what a program can hold of the habits of this project.
//!
//! Each rule is a function from the tree to findings, in a file of its own with
//! its tables and its tests.

mod circles;
mod columns;
mod commits;
mod functions;
mod layers;
mod lengths;
mod links;
mod modules;
mod names;
mod numbers;
mod paths;
mod prose;
mod source;
mod tree;

use std::collections::BTreeMap;
use std::fmt;

use crate::command::root;
use tree::Tree;

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    /// What is wrong, and the way out.
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            file,
            line,
            rule,
            text,
        } = self;
        write!(f, "{file}:{line}: {rule}: {text}")
    }
}

/// The rules on files, in the order of the list of verbs.
const RULES: [fn(&Tree) -> Vec<Finding>; 10] = [
    functions::check,
    lengths::check,
    columns::check,
    layers::check,
    circles::check,
    names::check,
    links::check,
    numbers::check,
    prose::check,
    |_| commits::check(root()),
];

/// Holds all rules against the tree; the error lists every finding.
pub(crate) fn tidy() -> Result<(), String> {
    let tree = Tree::read(root())?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    findings.dedup();
    match findings.is_empty() {
        true => Ok(()),
        false => Err(report(&findings)),
    }
}

/// All findings by file and line, and how many there are of each rule.
fn report(findings: &[Finding]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut text = String::from("\n");
    for finding in findings {
        text += &format!("{finding}\n");
        *counts.entry(finding.rule).or_default() += 1;
    }
    let counts = counts
        .iter()
        .map(|(rule, count)| format!("{count} of {rule}"));
    let counts: Vec<String> = counts.collect();
    text + &format!("tidy: {} findings: {}", findings.len(), counts.join(", "))
}

/// A limit that some file may exceed, and why.
struct Exception {
    file: &'static str,
    reason: &'static str,
}

/// An exception that nothing needs is a finding: the list must not outlive its reasons.
fn unneeded(
    exceptions: &[Exception],
    rule: &'static str,
    table: &str,
    is_needed: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let unneeded = exceptions
        .iter()
        .filter(|exception| !is_needed(exception.file));
    unneeded
        .map(|Exception { file, reason }| Finding {
            file: table.to_owned(),
            line: 1,
            rule,
            text: format!("the exception of `{file}` ({reason}) is not needed; remove its row"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_every_finding_and_counts_them() {
        let finding = |line, rule| Finding {
            file: "a.rs".to_owned(),
            line,
            rule,
            text: "wrong".to_owned(),
        };
        let text = report(&[
            finding(1, "prose"),
            finding(2, "links"),
            finding(3, "prose"),
        ]);
        assert!(text.contains("\na.rs:2: links: wrong\n"), "{text}");
        assert!(
            text.ends_with("tidy: 3 findings: 1 of links, 2 of prose"),
            "{text}"
        );
    }
}
