use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 9 * * 1")]
async fn a() {}

fn main() {}
