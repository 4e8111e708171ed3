use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", cron_env = "CRON")]
async fn a() {}

fn main() {}
