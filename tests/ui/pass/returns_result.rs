use std::{fmt, io};

use scheduled_one_runtime::{BoxError, JobResult, scheduled_one};

#[derive(Debug)]
struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failure")
    }
}

impl std::error::Error for Failure {}

#[scheduled_one(every = "90s")]
async fn unit() -> () {}

#[scheduled_one(every = "90s")]
async fn io_error() -> io::Result<()> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn own_error() -> Result<(), Failure> {
    Err(Failure)
}

#[scheduled_one(every = "90s")]
async fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn box_error() -> Result<(), BoxError> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn string() -> Result<(), String> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn with_anyhow() -> anyhow::Result<()> {
    anyhow::bail!("not today")
}

#[scheduled_one(every = "90s")]
async fn opaque() -> impl JobResult {}

#[scheduled_one(every = "90s")]
async fn opaque_error() -> Result<(), impl std::error::Error + Send + Sync> {
    Err(Failure)
}
