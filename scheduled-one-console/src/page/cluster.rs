//! The store, the nodes, and what each has.

use maud::{Markup, html};
use scheduled_one_control::{Action, BucketState, NodeSummary};
use scheduled_one_protocol::{Report, Severity};

use super::parts::{Tone, duration, full_time, job_url, notice, state};
use crate::gate::Visitor;

/// Names of jobs that are shown of a node.
const NAMES: usize = 50;

/// What the page shows.
pub(crate) struct ClusterPage {
    pub(crate) nodes: Vec<NodeSummary>,
    pub(crate) buckets: Vec<BucketState>,
    /// What the doctor has found, if somebody asked.
    pub(crate) report: Option<Report>,
    pub(crate) now_ms: i64,
}

pub(crate) fn cluster(visitor: &Visitor, page: &ClusterPage) -> Markup {
    html! {
        h1 { "Cluster" }
        @if page.nodes.is_empty() {
            (notice(Tone::Warn, "No node lives", html! {
                p { "No scheduler has shown itself for a few seconds, so nothing runs. Start one, or look at its log: \
                     it says whether it reaches this store, and with which namespace." }
            }))
        }
        (doctor(visitor, page))
        (store(page))
        @if !page.nodes.is_empty() { (nodes(visitor, page)) }
    }
}

fn doctor(visitor: &Visitor, page: &ClusterPage) -> Markup {
    html! {
        section.card {
            div.head {
                h2 { "Doctor" }
                @if visitor.user.rights.allows_everywhere(Action::View) {
                    form method="post" action={ (visitor.mount) "/cluster" } {
                        button type="submit" { "Examine the store" }
                    }
                }
            }
            @match &page.report {
                None => p.quiet {
                    "Examines the settings of the store on which the guarantees rest. It takes a few seconds."
                },
                Some(report) => {
                    p { (report.store) }
                    ul.findings {
                        @for finding in &report.findings {
                            @let (tone, word) = severity(finding.severity);
                            li {
                                (state(tone, word)) " " b { (finding.check) }
                                div { (finding.found) }
                                @if !finding.remedy.is_empty() { pre { (finding.remedy) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn severity(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Ok => (Tone::Ok, "ok"),
        Severity::Info => (Tone::Idle, "note"),
        Severity::Warning => (Tone::Warn, "warning"),
        _ => (Tone::Bad, "severe"),
    }
}

fn store(page: &ClusterPage) -> Markup {
    html! {
        section.card.flush {
            table.stack {
                caption { "Store" }
                thead {
                    tr {
                        th scope="col" { "Bucket" }
                        th scope="col" { "Quarantine" }
                        th scope="col" { "Its clock" }
                        th scope="col" { "This process" }
                        th scope="col" { "Serving" }
                        th.number scope="col" { "Nodes" }
                    }
                }
                tbody { @for bucket in &page.buckets { (bucket_row(bucket, page.now_ms)) } }
            }
        }
    }
}

/// An offset of a clock that somebody should look at.
const NOTICEABLE_MS: i64 = 1_000;

fn bucket_row(bucket: &BucketState, now_ms: i64) -> Markup {
    let offset = now_ms - bucket.now_ms;
    html! {
        tr {
            th scope="row" { (bucket.bucket) }
            td data-label="Quarantine" {
                @if bucket.quarantine_until_ms > bucket.now_ms {
                    (state(Tone::Warn, "quarantine"))
                    " for " (duration(bucket.quarantine_until_ms - bucket.now_ms)) " more"
                } @else if bucket.quarantine_from_ms > 0 {
                    (state(Tone::Ok, "none")) " since " (full_time(bucket.quarantine_until_ms))
                } @else {
                    (state(Tone::Ok, "none")) " ever"
                }
            }
            td data-label="Its clock" { (full_time(bucket.now_ms)) }
            td data-label="This process" {
                @match offset {
                    same if same.abs() < NOTICEABLE_MS => { "the same" }
                    ahead @ 1.. => (state(Tone::Warn, format!("{} ahead", duration(ahead)))),
                    behind => (state(Tone::Warn, format!("{} behind", duration(-behind)))),
                }
            }
            td data-label="Serving" { code { (bucket.serving) } }
            td.number data-label="Nodes" { (bucket.nodes) }
        }
    }
}

fn nodes(visitor: &Visitor, page: &ClusterPage) -> Markup {
    let newest = page.nodes.iter().filter_map(|node| node.protocol).max();
    html! {
        section.card.flush {
            table.stack {
                caption { (page.nodes.len()) @if page.nodes.len() == 1 { " living node" } @else { " living nodes" } }
                thead {
                    tr {
                        th scope="col" { "Node" } th scope="col" { "Identity" }
                        th scope="col" { "Version" }
                        th scope="col" { "Protocol" }
                        th scope="col" { "Its clock" }
                        th.number scope="col" { "Jobs" } th scope="col" { "Which" }
                    }
                }
                tbody { @for node in &page.nodes { (row(visitor, node, newest)) } }
            }
        }
    }
}

/// `newest` is the newest version of the protocol that a living node speaks.
fn row(visitor: &Visitor, node: &NodeSummary, newest: Option<u64>) -> Markup {
    let jobs: Vec<&String> = node
        .jobs
        .iter()
        .filter(|job| visitor.may(Action::View, job))
        .collect();
    html! {
        tr {
            th scope="row" {
                (node.name)
                @if !node.labels.is_empty() {
                    div.small.quiet { @for label in &node.labels { span.tag { (label) } " " } }
                }
            }
            td data-label="Identity" { code { (node.identity) } }
            td data-label="Version" { @for version in &node.versions { code { (version) } " " } }
            td data-label="Protocol" {
                @match node.protocol {
                    None => span.quiet { "not known yet" },
                    own if own == newest => { (own.unwrap_or_default()) },
                    Some(older) => (state(Tone::Warn, format!("{older}: an older release"))),
                }
            }
            td data-label="Its clock" { (offset(node.clock_offset_ms)) }
            td.number data-label="Jobs" { (jobs.len()) }
            td data-label="Which" {
                span {
                    @for job in jobs.iter().take(NAMES) { a.tag href=(job_url(visitor, job)) { (job) } " " }
                    @if jobs.len() > NAMES { span.quiet { "and " (jobs.len() - NAMES) " more" } }
                }
            }
        }
    }
}

/// How the wall clock of a node differs from the clock of the store.
fn offset(ms: Option<i64>) -> Markup {
    let Some(ms) = ms else {
        return html! { span.quiet { "not known" } };
    };
    let away = duration(ms.saturating_abs());
    let words = match ms {
        0 => "the same".to_owned(),
        1.. => format!("{away} ahead"),
        _ => format!("{away} behind"),
    };
    match ms.saturating_abs() {
        NOTICEABLE_MS.. => state(Tone::Warn, words),
        _ => html! { (words) },
    }
}
