//! What the ticks of a day leave in the tables of PostgreSQL: each second has a heartbeat, the claims of ten jobs, a
//! renewal, and the outcomes.

use anyhow::{Context, Result, ensure};
use scheduled_one_protocol::TickMs;
use scheduled_one_protocol::message::{Heartbeat, Renew};
use test_support::PostgresServer;

use crate::child;
use crate::claims::{caller, claims_of, finishes, open};
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::ticks::now_us;

/// Jobs that are due each second.
const JOBS: usize = 10;

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    // The day takes minutes, so vacuum looks every second rather than every minute.
    let postgres = PostgresServer::options()
        .setting("fsync", "off")
        .setting("autovacuum_naptime", "1s")
        .start()?;
    let task = Task::new(&postgres.url(), scale.day, scale);
    let found = child::run("day", &task)?;
    let ask = |sql: &str| -> Result<f64> {
        let reply = postgres.sql(sql)?;
        reply.parse().with_context(|| format!("{sql}: {reply:?}"))
    };
    let hot = |table: &str| {
        ask(&format!(
            "SELECT 100.0 * n_tup_hot_upd / greatest(n_tup_upd, 1) FROM pg_stat_user_tables WHERE relname = '{table}'"
        ))
    };
    let size = |table: &str| {
        ask(&format!(
            "SELECT pg_total_relation_size('scheduled_one.{table}') / 1024.0"
        ))
    };
    let figure = |what: &str| {
        format!(
            "PostgreSQL, {JOBS} jobs, {} ticks of each, {what}",
            number(scale.day as f64)
        )
    };
    Ok(vec![
        Row::new(
            figure("updates of units that are heap-only"),
            "%",
            Bound::AtLeast(95.0),
            hot("unit")?,
        ),
        Row::new(
            figure("updates of nodes that are heap-only"),
            "%",
            Bound::AtLeast(95.0),
            hot("node")?,
        ),
        Row::new(
            figure("table of nodes"),
            "KiB",
            Bound::AtMost(256.0),
            size("node")?,
        ),
        Row::new(
            figure("table of units"),
            "KiB",
            Bound::AtMost(1_024.0),
            size("unit")?,
        ),
        Row::new(
            figure("ledgers"),
            "KiB",
            Bound::AtMost(16_384.0),
            size("ledger")?,
        ),
        Row::new(
            figure("all requests"),
            "/s",
            Bound::None,
            found.get("requests")?,
        ),
    ])
}

/// Claims, renews and finishes tick after tick, with the heartbeats of one node; in the child.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let store = open(&task.url).await?;
    let caller = caller("bench");
    let ticks = task.jobs as i64;
    let start_ms = now_us() / 1_000 - ticks * 1_000;
    let mut after = None;
    let began = std::time::Instant::now();
    for tick in (0..ticks).map(|tick| TickMs(start_ms + tick * 1_000)) {
        let claims = claims_of(0..JOBS, tick, after);
        let claimed = store.claim(&caller, &claims).await?.body;
        let finishes = finishes(claims, claimed)?;
        let renewal = Renew {
            run: finishes[tick.ms() as usize / 1_000 % JOBS].run.clone(),
            valid_until_ms: i64::MAX,
        };
        store.renew(&caller, &[renewal]).await?;
        store.heartbeat(&caller, Heartbeat::alive()).await?;
        let finished = store.finish(&caller, &finishes).await?.body;
        ensure!(
            finished.iter().all(|it| it.recorded),
            "an outcome was refused"
        );
        after = Some(tick);
    }
    let mut found = Found::default();
    found.set(
        "requests",
        4.0 * ticks as f64 / began.elapsed().as_secs_f64(),
    );
    // Statistics are sent when a connection has been idle for a second.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    Ok(found)
}
