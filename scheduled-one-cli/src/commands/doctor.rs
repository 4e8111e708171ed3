//! `doctor`: diagnoses the store.

use scheduled_one_protocol::{Finding, Report};
use serde::Serialize;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::connect;
use crate::text;

#[derive(Serialize)]
struct View {
    store: String,
    usable: bool,
    findings: Vec<FindingView>,
}

#[derive(Serialize)]
struct FindingView {
    severity: String,
    check: &'static str,
    found: String,
    remedy: String,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        FindingView {
            severity: finding.severity.to_string().to_lowercase(),
            check: finding.check,
            found: finding.found.clone(),
            remedy: finding.remedy.clone(),
        }
    }
}

pub(crate) async fn run(global: &Global, output: &Output) -> Result<Exit, Failure> {
    let report: Report = connect(global)?.doctor().await;
    let view = View {
        store: report.store.clone(),
        usable: report.is_usable(),
        findings: report.findings.iter().map(FindingView::from).collect(),
    };
    let name = match view.usable {
        true => "usable",
        false => "unusable",
    };
    output.one("doctor", &view, name, || {
        let text = report.to_string();
        let lines = text.lines().map(|line| text::escape(line) + "\n");
        lines.collect()
    })?;
    Ok(match view.usable {
        true => Exit::Done,
        false => Exit::Negative,
    })
}
