use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 25 * * ?")]
async fn a() {}

#[scheduled_one(cron = "0 61 * * * *", name = "minutes")]
async fn b() {}

#[scheduled_one(cron = "@dayly")]
async fn c() {}

fn main() {}
