//! Next to many nodes: as many in one process, as many that share nothing, and as many processes that only sleep.

use anyhow::Result;

use super::{Cluster, cluster};
use crate::options::Scale;
use crate::report::{Bound, Row};

/// The rows for so many nodes. `alone`: p50, p99 and Redis with one node.
pub(super) fn rows(nodes: usize, scale: &Scale, alone: (f64, f64, f64)) -> Result<Vec<Row>> {
    let kinds: &[(Cluster, &str)] = match nodes {
        20 => &[
            (Cluster::Together, "nodes in one process"),
            (Cluster::Apart, "nodes that share nothing"),
            (Cluster::Bare, "processes that only sleep until the tick"),
        ],
        50 => &[(Cluster::Together, "nodes in one process")],
        _ => &[],
    };
    let mut rows = Vec::new();
    for (kind, what) in kinds {
        let found = cluster(nodes, scale.replica_jobs, scale, *kind)?;
        for (name, part, alone) in [("p50", 0.5, alone.0), ("p99", 0.99, alone.1)] {
            let bound = match (nodes, kind) {
                (20, Cluster::Together) => Bound::AtMost(1.3 * alone),
                _ => Bound::None,
            };
            let figure = format!("{nodes} {what}, the same jobs, {name}");
            rows.push(Row::new(figure, "ms", bound, found.late_ms(part)).beside(alone));
        }
    }
    Ok(rows)
}
