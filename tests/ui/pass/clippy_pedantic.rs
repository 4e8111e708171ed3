// Under `cargo clippy` this is a test of its own.
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(clippy::absolute_paths, clippy::as_conversions, clippy::unwrap_used)]

use std::{future, io};

use scheduled_one_runtime::{JobContext, State, scheduled_one};

#[derive(Clone)]
struct Db;

#[scheduled_one(
    cron = "0 0 9 * * MON",
    tz = "Asia/Shanghai",
    lease = "10s",
    timeout = "1h",
    overlap = queue_all(3),
    on_node_loss = rerun(100),
    retries = 3,
    retry_on = [error],
    backoff = "1s..10s",
    enabled = true
)]
async fn with_all(State(_db): State<Db>, _ctx: JobContext) -> Result<(), io::Error> {
    future::ready(Db).await;
    Ok(())
}

#[scheduled_one(every = "7200000ms", offset = "1h")]
async fn unit() {
    future::ready(()).await;
}
