//! Claims and outcomes per second on PostgreSQL: next to plain updates, and of five nodes against one.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scheduled_one_protocol::message::MAX_BATCH;
use scheduled_one_protocol::{Store, TickMs};
use test_support::PostgresServer;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::child;
use crate::claims::{caller, claims_of, finishes, open, several};
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::ticks::now_us;

/// Connections of the reference, as many as a node has.
const CONNECTIONS: usize = 8;

/// Nodes of the comparison with one.
const NODES: usize = 5;

/// The ticks that are claimed came due up to so long ago.
const DAY_MS: i64 = 86_400_000;

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let (batches, rounds) = scale.sql_claims;
    let found = |child: &str| -> Result<Found> {
        // As it is installed: each commit is on the disk.
        let postgres = PostgresServer::start()?;
        let mut task = Task::new(&postgres.url(), batches, scale);
        task.seconds = rounds as u64;
        child::run(child, &task)
    };
    let ours = found("claims")?;
    let plain = found("plain-updates")?.get("both")?;
    let row = |what: &str, bound, name: &str| -> Result<Row> {
        Ok(Row::new(what.to_owned(), "/s", bound, ours.get(name)?))
    };
    let both = "PostgreSQL, claims and outcomes, against plain updates of as many rows";
    Ok(vec![
        row(both, Bound::AtLeast(0.5 * plain), "both")?.beside(plain),
        row(
            "PostgreSQL, claims, ticks of known units",
            Bound::None,
            "later",
        )?,
        row("PostgreSQL, outcomes recorded", Bound::None, "finishes")?,
    ])
}

/// Updates each row twice in a round, in batches, as claims and outcomes do; in the child.
pub(crate) async fn plain(task: &Task) -> Result<Found> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(&task.url, NoTls).await?;
        tokio::spawn(connection);
        clients.push(Arc::new(client));
    }
    let make = format!(
        "CREATE TABLE plain (name text PRIMARY KEY, until_ms bigint, token bigint, node text, outcome text) \
         WITH (fillfactor = 50); \
         INSERT INTO plain SELECT 'job-' || lpad(i::text, 6, '0') || '', 0, 0, '', '' \
         FROM generate_series(0, {}) AS i",
        task.jobs * MAX_BATCH - 1
    );
    clients[0].batch_execute(&make).await?;
    let mut seconds = 0.0;
    for round in 0..task.seconds {
        for outcome in ["", "ok"] {
            let batches = (0..task.jobs).map(|batch| {
                (
                    Arc::clone(&clients[batch % CONNECTIONS]),
                    values(batch, round, outcome),
                )
            });
            let began = Instant::now();
            several(batches.collect(), |(client, values): (Arc<Client>, String)| async move {
                let update = format!(
                    "UPDATE plain AS t SET until_ms = v.until_ms, token = v.token, node = v.node, outcome = v.outcome \
                     FROM (VALUES {values}) AS v(name, until_ms, token, node, outcome) WHERE t.name = v.name"
                );
                Ok(client.execute(&update, &[]).await?)
            })
            .await?;
            // The first round finds rows that were just inserted.
            seconds += if round > 0 {
                began.elapsed().as_secs_f64()
            } else {
                0.0
            };
        }
    }
    let rows = 2.0 * (task.jobs * MAX_BATCH) as f64 * (task.seconds - 1) as f64;
    let mut found = Found::default();
    found.set("both", rows / seconds);
    Ok(found)
}

fn values(batch: usize, round: u64, outcome: &str) -> String {
    let units = (0..MAX_BATCH).map(|index| batch * MAX_BATCH + index);
    let row = |unit: usize| {
        format!(
            "('job-{unit:06}', {}::bigint, {round}::bigint, 'bench', '{outcome}')",
            now_us()
        )
    };
    units.map(row).collect::<Vec<_>>().join(", ")
}

pub(crate) fn five_nodes(scale: &Scale) -> Result<Vec<Row>> {
    let postgres = PostgresServer::start()?;
    let task = Task::new(&postgres.url(), scale.jobs[0], scale);
    let found = child::run("sql-nodes", &task)?;
    let one = found.get("one")?;
    let figure = |what: &str| {
        format!(
            "{NODES} nodes on one PostgreSQL, {} jobs, {what}",
            number(task.jobs as f64)
        )
    };
    let failed = figure("requests that failed when all claim all of them in different orders");
    Ok(vec![
        Row::new(
            figure("claims and outcomes, against one node"),
            "/s",
            Bound::AtLeast(0.8 * one),
            found.get("five")?,
        )
        .beside(one),
        Row::new(failed, "", Bound::AtMost(0.0), found.get("failed")?),
    ])
}

/// Throughput of one node and of five that share the units; then all claim all, in the child. Each part has units of
/// its own.
pub(crate) async fn nodes(task: &Task) -> Result<Found> {
    let window = Duration::from_secs(task.seconds);
    let units = |part: usize| part * task.jobs..(part + 1) * task.jobs;
    let mut found = Found::default();
    found.set("one", together(task, 1, units(0), window).await?);
    found.set("five", together(task, NODES, units(1), window).await?);
    found.set("failed", quarrel(task, units(2)).await? as f64);
    Ok(found)
}

/// Rows decided per second by so many nodes, of which each has a part of the units.
async fn together(task: &Task, nodes: usize, units: Range<usize>, window: Duration) -> Result<f64> {
    let mut all = JoinSet::new();
    for node in 0..nodes {
        let store = open(&task.url).await?;
        let of_node: Vec<usize> = units.clone().filter(|unit| unit % nodes == node).collect();
        // One node sends as many batches at a time as several do.
        for batch in of_node.chunks(task.jobs / NODES) {
            let (store, batch) = (Arc::clone(&store), batch.to_vec());
            all.spawn(async move { rounds(&*store, node, &batch, window).await });
        }
    }
    let mut rows = 0;
    while let Some(done) = all.join_next().await {
        rows += done??;
    }
    Ok(rows as f64 / window.as_secs_f64())
}

/// Claims and finishes tick after tick of a batch until the window is over; returns how many rows were decided.
async fn rounds(
    store: &dyn Store,
    node: usize,
    batch: &[usize],
    window: Duration,
) -> Result<usize> {
    let caller = caller(&format!("node-{node}"));
    let start_ms = now_us() / 1000 - DAY_MS;
    let (began, mut rows, mut after) = (Instant::now(), 0, None);
    for tick in (0_i64..).map(|round| TickMs(start_ms + round * 1_000)) {
        if began.elapsed() >= window {
            break;
        }
        let claims = claims_of(batch.iter().copied(), tick, after);
        let claimed = store.claim(&caller, &claims).await?.body;
        let finishes = finishes(claims, claimed)?;
        let finished = store.finish(&caller, &finishes).await?.body;
        ensure!(
            finished.iter().all(|it| it.recorded),
            "an outcome was refused"
        );
        rows += 2 * batch.len();
        after = Some(tick);
    }
    Ok(rows)
}

/// All nodes claim all units, each in an order of its own; returns how many requests failed.
async fn quarrel(task: &Task, units: Range<usize>) -> Result<usize> {
    let start_ms = now_us() / 1000 - DAY_MS;
    let units: Vec<usize> = units.take(MAX_BATCH).collect();
    let mut all = JoinSet::new();
    for node in 0..NODES {
        let store = open(&task.url).await?;
        let units = units.clone();
        all.spawn(async move {
            let caller = caller(&format!("node-{node}"));
            let (mut failed, mut after) = (0, None);
            for round in 0..20_i64 {
                let mut order = units.clone();
                order.rotate_left(node * units.len() / NODES);
                if node % 2 == 1 {
                    order.reverse();
                }
                let tick = TickMs(start_ms + round * 1_000);
                let claims = claims_of(order.into_iter(), tick, after);
                after = Some(tick);
                failed += usize::from(store.claim(&caller, &claims).await.is_err());
            }
            failed
        });
    }
    Ok(all.join_all().await.into_iter().sum())
}
