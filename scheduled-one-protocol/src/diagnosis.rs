//! What an operator should know of a store before jobs depend on it.

use std::fmt;

/// Width of a printed report, in columns.
const WIDTH: usize = 100;
/// Columns in front of a finding's text: its severity and its name.
const INDENT: usize = 24;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Good to know, or something that could not be looked at.
    Info,
    /// Jobs run, and somebody should decide whether it may stay so.
    Warning,
    /// A scheduler would not start here, or could not do its work.
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

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at: `eviction`, `persistence`, … These names stay.
    pub check: &'static str,
    /// What was found, and what it means.
    pub found: String,
    /// What to do about it; empty if there is nothing to do, or `found` says it.
    pub remedy: String,
}

impl Finding {
    /// A finding of the look named `check`.
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

    /// A finding that everything is as it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Finding::new(Severity::Ok, check, found, "")
    }
}

/// What a look at a store found. Holds no secrets: the URL is shown without
/// user and password.
///
/// `Display` prints it for a terminal, the worst in front.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Which store, and which namespace of it.
    pub store: String,
    /// What was found, the worst in front.
    pub findings: Vec<Finding>,
}

impl Report {
    /// A report on a store; the findings come out with the worst in front.
    pub fn new(store: impl Into<String>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Report {
            store: store.into(),
            findings,
        }
    }

    /// One report of those on the buckets of a namespace, in their order: the
    /// first, and what is otherwise in the others and needs somebody.
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

    /// Whether nothing severe was found.
    pub fn is_usable(&self) -> bool {
        self.of(Severity::Severe).next().is_none()
    }

    /// What somebody should decide about, though jobs run.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Warning)
    }

    /// What was found by the look of that name, if it was taken.
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
                write!(f, "{:INDENT$}", "")?;
                write_wrapped(f, "do: ", &finding.remedy)?;
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

/// Writes a text in lines of [`WIDTH`], all but the first indented. A word
/// that is longer than a line has one of its own: it may be there to be pasted.
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
        assert_eq!(lines[6], "  ok       role         primary");
        assert_eq!(lines[7], "not usable as it is; severe: 1, warnings: 1");
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
