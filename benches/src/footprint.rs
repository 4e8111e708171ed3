//! Memory and time that registering jobs takes, measured in the process of the jobs.

use anyhow::Result;

use crate::process;
use crate::task::{Found, Task};

/// Memory and time before the jobs are registered.
pub(crate) struct Before {
    bytes: u64,
    began: std::time::Instant,
}

pub(crate) fn before() -> Result<Before> {
    Ok(Before {
        bytes: process::resident_bytes()?,
        began: std::time::Instant::now(),
    })
}

/// The time since `before`, and the memory that each job added.
pub(crate) async fn after(before: Before, task: &Task) -> Result<Found> {
    let mut found = Found::default();
    found.set("seconds", before.began.elapsed().as_secs_f64());
    tokio::time::sleep(task.settle).await;
    let bytes = process::resident_bytes()?.saturating_sub(before.bytes);
    found.set("bytes", bytes as f64 / task.jobs as f64);
    Ok(found)
}
