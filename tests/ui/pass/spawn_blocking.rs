// The forms that the error for a function that is not async gives to paste.

#![allow(
    clippy::redundant_closure,
    reason = "the pasted form has to fit all functions"
)]

use scheduled_one_runtime::{State, scheduled_one};

fn report() {}

#[scheduled_one(every = "90s")]
async fn report_job() -> Result<(), tokio::task::JoinError> {
    tokio::task::spawn_blocking(move || report()).await
}

fn totals(_db: State<u8>) -> Result<(), std::io::Error> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn totals_job(arg1: State<u8>) -> Result<(), scheduled_one_runtime::BoxError> {
    Ok(tokio::task::spawn_blocking(move || totals(arg1)).await??)
}

fn checks() -> anyhow::Result<()> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn checks_job() -> Result<(), scheduled_one_runtime::BoxError> {
    Ok(tokio::task::spawn_blocking(move || checks()).await??)
}
