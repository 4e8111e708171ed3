//! Findings about a store, for operators, and their report.

use std::fmt;

/// Width of a printed report, in columns.
const WIDTH: usize = 100;
/// Columns in front of the text of a finding: severity and name of the check.
const INDENT: usize = 24;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The setting is right.
    Ok,
    /// A fact without consequences, or a check that was not possible.
    Info,
    /// Jobs run, and an operator should decide about the setting.
    Warning,
    /// A scheduler would not start, or could not work.
    Severe,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Ok => "ok",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Severe => "SEVERE",
        })
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The severity of the finding.
    pub severity: Severity,
    /// The name of the check: `eviction`, `persistence`, … Names of checks are stable.
    pub check: &'static str,
    /// The state of the store, and its meaning.
    pub found: String,
    /// The advice to the operator. Empty if there is nothing to do, or if `found` contains the advice. What is behind
    /// a line break is a command: it is printed in one line, so that it can be pasted.
    pub remedy: String,
}

impl Finding {
    /// A finding of the check with this name.
    pub fn new(
        severity: Severity,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Finding {
            severity,
            check,
            found: found.into(),
            remedy: remedy.into(),
        }
    }

    /// A finding with the severity [`Severity::Ok`] and without advice.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Finding::new(Severity::Ok, check, found, "")
    }
}

/// The findings about a store. A report contains no secrets: the URL is without user and password.
///
/// `Display` formats the report for a terminal of 100 columns, the most severe findings first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The store and the namespace.
    pub store: String,
    /// The findings, the most severe first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// A report on a store. The findings are sorted, the most severe first.
    pub fn new(store: impl Into<String>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Report {
            store: store.into(),
            findings,
        }
    }

    /// Adds a finding, after those that are as severe.
    pub fn add(&mut self, finding: Finding) {
        let after = |found: &Finding| found.severity >= finding.severity;
        let at = self.findings.partition_point(after);
        self.findings.insert(at, finding);
    }

    /// Merges the reports on the buckets of a namespace, which are in the order of the buckets. The result has all
    /// findings of the first bucket, and those warnings and severe findings of each other bucket that the first bucket
    /// does not have.
    pub fn of_buckets(reports: Vec<Report>) -> Self {
        let mut reports = reports.into_iter();
        let Some(Report { store, findings }) = reports.next() else {
            return Report::new("no store", Vec::new());
        };
        let mut all = findings;
        for (mut report, bucket) in reports.zip(1..) {
            report
                .findings
                .retain(|finding| finding.severity >= Severity::Warning && !all.contains(finding));
            for mut finding in report.findings {
                finding.found = format!("bucket {bucket}: {}", finding.found);
                all.push(finding);
            }
        }
        Report::new(store, all)
    }

    /// Whether the report has no severe finding.
    pub fn is_usable(&self) -> bool {
        self.of(Severity::Severe).next().is_none()
    }

    /// The findings with the severity [`Severity::Warning`].
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Warning)
    }

    /// The finding of the check with this name. `None` if the report has none.
    pub fn finding(&self, check: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.severity == severity)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.store)?;
        for finding in &self.findings {
            let Finding {
                severity, check, ..
            } = finding;
            write!(f, "  {severity:<8} {check:<12} ")?;
            write_wrapped(f, "", &finding.found)?;
            if !finding.remedy.is_empty() {
                let (advice, command) = match finding.remedy.split_once('\n') {
                    Some((advice, command)) => (advice, Some(command)),
                    None => (finding.remedy.as_str(), None),
                };
                write!(f, "{:INDENT$}", "")?;
                write_wrapped(f, "do: ", advice)?;
                if let Some(command) = command {
                    writeln!(f, "{command}")?;
                }
            }
        }
        let severe = self.of(Severity::Severe).count();
        let warnings = self.warnings().count();
        match severe {
            0 => write!(f, "usable; warnings: {warnings}"),
            _ => write!(
                f,
                "not usable as it is; severe: {severe}, warnings: {warnings}"
            ),
        }
    }
}

/// Writes a text in lines of [`WIDTH`] columns, all but the first indented. A word that is longer than a line is not
/// broken, because it may be a command to paste.
fn write_wrapped(f: &mut fmt::Formatter<'_>, lead: &str, text: &str) -> fmt::Result {
    f.write_str(lead)?;
    let mut column = INDENT + lead.len();
    for (number, word) in text.split_whitespace().enumerate() {
        let width = word.chars().count();
        if number == 0 {
            column += width;
        } else if column + 1 + width > WIDTH {
            let indent = INDENT + lead.len();
            write!(f, "\n{:indent$}", "")?;
            column = indent + width;
        } else {
            f.write_str(" ")?;
            column += 1 + width;
        }
        f.write_str(word)?;
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_in_front_and_lines_fit() {
        let report = Report::new(
            "redis://host:1, namespace a",
            vec![
                Finding::ok("role", "primary"),
                Finding::new(Severity::Severe, "eviction", "x ".repeat(60), "set it"),
                Finding::new(Severity::Warning, "memory", "full", "give it more"),
                Finding::new(Severity::Info, "marks", "ahead", "run this:\nEVAL '  ' 0"),
            ],
        );
        assert!(!report.is_usable());
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("  SEVERE   eviction     x x x"),
            "{text}"
        );
        assert_eq!(lines[3], "                        do: set it");
        assert_eq!(lines[4], "  warning  memory       full");
        let command = "                        do: run this:\nEVAL '  ' 0\n";
        assert!(text.contains(command), "{text}");
        assert_eq!(lines[9], "  ok       role         primary");
        assert_eq!(lines[10], "not usable as it is; severe: 1, warnings: 1");
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert_eq!(report.finding("memory").unwrap().remedy, "give it more");
        let fine = Report::new("x", vec![Finding::ok("role", "primary")]);
        assert!(fine.is_usable());
        assert!(fine.to_string().ends_with("usable; warnings: 0"));
    }
}
