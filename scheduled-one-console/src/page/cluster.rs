//! The nodes, and what each has.

use maud::{Markup, html};
use scheduled_one_control::NodeSummary;

use super::parts::{Tone, job_url, notice};
use crate::gate::Visitor;
use crate::rights::Action;

/// Names of jobs that are shown of a node.
const NAMES: usize = 50;

pub(crate) fn cluster(visitor: &Visitor, nodes: &[NodeSummary]) -> Markup {
    html! {
        h1 { "Cluster" }
        @if nodes.is_empty() {
            (notice(Tone::Warn, "No node lives", html! {
                p { "No scheduler has shown itself for a few seconds, so nothing runs. Start one, or look at its log: \
                     it says whether it reaches this store, and with which namespace." }
            }))
        } @else {
            div.scroll {
                table.stack {
                    caption { (nodes.len()) " living nodes" }
                    thead {
                        tr { th scope="col" { "Node" } th.number scope="col" { "Jobs" } th scope="col" { "Which" } }
                    }
                    tbody {
                        @for node in nodes { (row(visitor, node)) }
                    }
                }
            }
        }
    }
}

fn row(visitor: &Visitor, node: &NodeSummary) -> Markup {
    let may_see = |job: &&String| visitor.user.rights.allows(Action::View, job, None);
    let jobs: Vec<&String> = node.jobs.iter().filter(may_see).collect();
    html! {
        tr {
            th scope="row" { (node.name) }
            td.number data-label="Jobs" { (jobs.len()) }
            td data-label="Which" {
                @for job in jobs.iter().take(NAMES) { a href=(job_url(visitor, job)) { (job) } " " }
                @if jobs.len() > NAMES { span.quiet { "and " (jobs.len() - NAMES) " more" } }
            }
        }
    }
}
