use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 23-3/2 * * *")]
async fn a() {}

#[scheduled_one(cron = "0 */90 * * * *")]
async fn b() {}

#[scheduled_one(cron = "0 0 0 1 Sept *")]
async fn c() {}

#[scheduled_one(cron = "0 0 0 L-0 * ?")]
async fn d() {}

#[scheduled_one(cron = "0 0 0 * * L5")]
async fn e() {}

#[scheduled_one(cron = "0 0 0 * * 2W")]
async fn f() {}

#[scheduled_one(cron = "0 0 0 ? * MON-FRI#1")]
async fn g() {}

#[scheduled_one(cron = "0 0 * * MON1")]
async fn h() {}

fn main() {}
