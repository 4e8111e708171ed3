use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "30 2 * * *")]
async fn a() {}

#[scheduled_one(cron = "*/5 9-17 * * 1-5")]
async fn b() {}

fn main() {}
