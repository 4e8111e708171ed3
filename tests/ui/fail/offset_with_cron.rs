use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 9 * * *", offset = "10s")]
async fn a() {}

fn main() {}
