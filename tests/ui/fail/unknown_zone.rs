use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 9 * * *", tz = "Europe/Berlim")]
async fn a() {}

#[scheduled_one(cron = "0 0 9 * * *", tz = "CST")]
async fn b() {}

#[scheduled_one(cron = "0 0 9 * * *", tz = "Asia/Mumbai")]
async fn c() {}

#[scheduled_one(cron = "0 0 9 * * *", tz = "America/London")]
async fn d() {}

fn main() {}
