use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", enabled_env = "")]
async fn a() {}

#[scheduled_one(every = "90s", enabled_env = "A=B")]
async fn b() {}

#[scheduled_one(every = "90s", enabled_env = "A\0")]
async fn c() {}

#[scheduled_one(every = "90s", enabled_env = A)]
async fn d() {}

#[scheduled_one(every = "90s", enabled_env = true)]
async fn e() {}

#[scheduled_one(cron = "@daily", cron_env = "")]
async fn f() {}

#[scheduled_one(cron = "@daily", cron_env = "A=B")]
async fn g() {}

#[scheduled_one(cron = "@daily", cron_env = "A\0")]
async fn h() {}

#[scheduled_one(cron = "@daily", cron_env = CRON)]
async fn i() {}

#[scheduled_one(cron = "@daily", cron_env = env!("CRON"))]
async fn j() {}

fn main() {}
