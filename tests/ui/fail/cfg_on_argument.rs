use scheduled_one_runtime::scheduled_one;

use scheduled_one_runtime::JobContext;

#[scheduled_one(every = "90s")]
async fn report(#[cfg(unix)] _ctx: JobContext) {}

fn main() {}
