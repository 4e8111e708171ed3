use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
#[scheduled_one(cron = "0 0 9 * * *", name = "two_schedules/morning")]
#[scheduled_one(cron = "0 0 18 * * *", name = "two_schedules/evening")]
async fn job() {}
