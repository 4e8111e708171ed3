#![allow(
    dead_code,
    unused_macros,
    non_camel_case_types,
    non_snake_case,
    clippy::upper_case_acronyms
)]

use ::scheduled_one_runtime::{JobContext as Context, scheduled_one};

struct Option;
struct Result;
struct Box;
struct String;
struct Vec;
struct Send;
struct Sync;
struct Duration;
struct Job;
struct Some;
struct None;
struct Ok;
struct Err;
struct u8;
struct str;
struct JOBS;
struct __private;
struct Overlap;
struct RetryOn;
struct Scope;

mod std {}
mod core {}
mod alloc {}
mod scheduled_one_runtime {}
mod linkme {}

trait Fn {}
trait Into {}
trait Future {}
trait FromJob {}

macro_rules! concat {
    () => {};
}
macro_rules! module_path {
    () => {};
}

#[scheduled_one(
    cron = "@daily",
    tz = "UTC",
    lease = "5s",
    timeout = "5s",
    overlap = allow(2),
    misfire = skip,
    on_lease_lost = cancel,
    on_node_loss = rerun(1),
    retries = 1,
    retry_on = [error],
    backoff = "1s..10s",
    scope = one,
    enabled = true,
    description = "d"
)]
async fn function(_ctx: Context) {}

#[scheduled_one(every = "90s", offset = "1s")]
async fn returned() -> ::std::result::Result<(), ::std::string::String> {
    ::std::result::Result::Ok(())
}

#[scheduled_one(every = "90s")]
async fn argument() {}
