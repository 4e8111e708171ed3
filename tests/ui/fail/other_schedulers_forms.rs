use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "CRON_TZ=Asia/Tokyo 0 0 9 * * *")]
async fn a() {}

#[scheduled_one(cron = "@every 5m")]
async fn b() {}

#[scheduled_one(cron = "H H * * * *")]
async fn c() {}

#[scheduled_one(cron = "0 18 ? * MON-FRI *")]
async fn d() {}

#[scheduled_one(cron = "-")]
async fn e() {}

#[scheduled_one(cron = "@reboot")]
async fn f() {}

fn main() {}
