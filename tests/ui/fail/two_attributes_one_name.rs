use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
#[scheduled_one(cron = "0 0 9 * * *")]
async fn both_by_default() {}

#[scheduled_one(every = "90s", name = "same")]
#[scheduled_one(cron = "0 0 9 * * *", name = "same")]
async fn both_given() {}

fn main() {}
