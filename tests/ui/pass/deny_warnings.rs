#![deny(warnings)]
#![deny(unused, nonstandard_style, rust_2018_idioms)]
#![deny(
    unused_qualifications,
    unreachable_pub,
    missing_docs,
    let_underscore_drop
)]
#![deny(unused_results, elided_lifetimes_in_paths, single_use_lifetimes)]
#![deny(absolute_paths_not_starting_with_crate, missing_debug_implementations)]

use scheduled_one_runtime::{JobContext, State, scheduled_one};

#[derive(Clone, Debug)]
struct Db;

#[scheduled_one(
    cron = "0 0 9 * * MON",
    tz = "Asia/Shanghai",
    lease = "10s",
    timeout = "1m",
    overlap = queue_all(3),
    retries = 3,
    retry_on = [error],
    backoff = "1s..10s",
    enabled = true
)]
async fn job(State(_db): State<Db>, _ctx: JobContext) -> Result<(), std::io::Error> {
    let _ = Db;
    Ok(())
}

#[scheduled_one(every = "90s", offset = "10s", description = "")]
async fn unit() {}
