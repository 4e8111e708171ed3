use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 9 * * *", tz = "Europe/Berlim")]
async fn a() {}

#[scheduled_one(cron = "0 0 9 * * *", tz = "CST")]
async fn b() {}

fn main() {}
