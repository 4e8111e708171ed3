use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 0 31 2 ?")]
async fn a() {}

#[scheduled_one(cron = "0 0 0 1 1 ? 2020")]
async fn b() {}

fn main() {}
