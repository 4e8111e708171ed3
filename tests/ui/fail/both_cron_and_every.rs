use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 9 * * *", every = "90s")]
async fn a() {}

#[scheduled_one(every = "90s", name = "b", cron = "0 0 9 * * *")]
async fn b() {}

fn main() {}
