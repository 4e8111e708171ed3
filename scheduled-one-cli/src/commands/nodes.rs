//! `nodes`: who lives.

use std::collections::BTreeSet;

use scheduled_one_control::NodeSummary;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::Table;
use crate::text::offset;

#[derive(Serialize)]
struct View {
    node: String,
    identity: String,
    jobs: BTreeSet<String>,
    versions: BTreeSet<String>,
    protocol: Option<u64>,
    clock_offset_ms: Option<i64>,
    labels: BTreeSet<String>,
}

impl From<NodeSummary> for View {
    fn from(node: NodeSummary) -> Self {
        View {
            node: node.name,
            identity: node.identity,
            jobs: node.jobs,
            versions: node.versions,
            protocol: node.protocol,
            clock_offset_ms: node.clock_offset_ms,
            labels: node.labels,
        }
    }
}

pub(crate) async fn run(session: &Session) -> Result<Exit, Failure> {
    let nodes = session.ask(session.control.living_nodes()).await?;
    let nodes: Vec<View> = nodes.into_iter().map(View::from).collect();
    let is_wide = session.output.is_wide();
    let show = || {
        let mut table = Table::new(&[
            "NODE", "IDENTITY", "VERSION", "PROTOCOL", "CLOCK", "LABELS", "JOBS",
        ]);
        for node in &nodes {
            let jobs = match is_wide {
                true => node.jobs.iter().cloned().collect::<Vec<_>>().join(" "),
                false => node.jobs.len().to_string(),
            };
            let versions = node.versions.iter().cloned().collect::<Vec<_>>().join(" ");
            let labels = node.labels.iter().cloned().collect::<Vec<_>>().join(" ");
            table.row([
                node.node.as_str().into(),
                node.identity.as_str().into(),
                versions.into(),
                node.protocol
                    .map_or(String::new(), |it| it.to_string())
                    .into(),
                node.clock_offset_ms
                    .map_or("unknown".to_owned(), offset)
                    .into(),
                labels.into(),
                jobs.into(),
            ]);
        }
        table
    };
    session
        .output
        .list("nodes", &nodes, |node| node.node.clone(), show)?;
    Ok(Exit::Done)
}
