//! Nodes on a real Redis that others stand in for: one that hangs, and those of a build that lacks a job. Next to the
//! same cluster to which nothing happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_runtime::control::{StoreOptions, open_store};

use crate::gate::{Gate, Way};
use crate::options::Scale;
use crate::replicas::{self, Cluster, KILLED_BEFORE_S, Measured, node};
use crate::report::{Bound, Row};
use crate::task::{Found, Task};
use crate::ticks::Board;

/// Nodes of a cluster.
const NODES: usize = 5;
/// How late a tick may be that others have to find.
const LATEST_MS: f64 = 2_500.0;
/// When the nodes of the other build start, after the beginning of the window.
const LATER_S: f64 = 1.0;

/// A node sends heartbeats and claims nothing, from just before the window on.
pub(crate) fn after_a_hang(scale: &Scale) -> Result<Vec<Row>> {
    next_to_calm(scale, Cluster::Hangs, "one of 5 nodes hangs")
}

/// Two nodes have all jobs; one, and two more that start in the window, have only half of them.
pub(crate) fn mixed_builds(scale: &Scale) -> Result<Vec<Row>> {
    let what = "three of 5 nodes have half of the jobs, two of those start";
    next_to_calm(scale, Cluster::Mixed, what)
}

fn next_to_calm(scale: &Scale, kind: Cluster, what: &str) -> Result<Vec<Row>> {
    let found = replicas::cluster(NODES, scale.replica_jobs, scale, kind)?;
    let calm = replicas::cluster(NODES, scale.replica_jobs, scale, Cluster::Seldom)?;
    let late = |name: &str, bound, part| {
        let of = |measured: &Measured| measured.late_ms(part);
        Row::new(format!("{what}, {name}"), "ms", bound, of(&found)).beside(of(&calm))
    };
    let missing = format!("{what}, ticks missing");
    Ok(vec![
        late("latest start", Bound::AtMost(LATEST_MS), 1.0),
        late("start after the tick, p99", Bound::None, 0.99),
        late("start after the tick, p50", Bound::None, 0.5),
        Row::new(missing, "", Bound::AtMost(0.0), found.missing).beside(calm.missing),
    ])
}

/// In a child: a node that hangs from just before the window on.
pub(crate) async fn nodes(task: &Task) -> Result<Found> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = StoreOptions::default();
    let store = open_store(&task.url, &task.namespace, &clock, &options);
    let store = store.await.map_err(|error| anyhow!("{error}"))?;
    let gate = Gate::new(store, Arc::default());
    let board = Arc::new(Board::new(task));
    let hanging = node::builder(task, &board).store(gate.clone());
    let hanging = hanging.start().await?;
    let hang = async {
        node::wait_until(task.from_s as f64 - KILLED_BEFORE_S).await;
        gate.set(Way::Hangs);
    };
    let (found, ()) = tokio::join!(node::watch(task, &board), hang);
    // Its claims have no replies, so its last outcomes are not waited for.
    hanging.shutdown(Duration::from_secs(1)).await;
    found
}

/// In a child: a node that starts in the window.
pub(crate) async fn later(task: &Task) -> Result<Found> {
    let board = Arc::new(Board::new(task));
    let start = async {
        node::wait_until(task.from_s as f64 + LATER_S).await;
        node::builder(task, &board).start().await
    };
    let (found, started) = tokio::join!(node::watch(task, &board), start);
    started?.shutdown(Duration::from_secs(1)).await;
    found
}
