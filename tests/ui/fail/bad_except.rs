use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "@hourly", except = "SAT")]
async fn no_list() {}

#[scheduled_one(cron = "@hourly", except = [])]
async fn nothing() {}

#[scheduled_one(cron = "@hourly", except = [SAT, 6, ""])]
async fn no_texts() {}

#[scheduled_one(cron = "@hourly", except = ["SAT", "2026-02-30", "SAT", "1.5.2026", "weekends"])]
async fn no_days() {}

#[scheduled_one(cron = "@hourly", except = ["2027-01-01..2026-12-24", "2026-12-24..01-01"])]
async fn no_ranges() {}

#[scheduled_one(cron = "0 0 9 * * MON-FRI", except = ["MON-FRI"])]
async fn never() {}

#[scheduled_one(cron = "0 0 9 * * SAT", within = "10:00-11:00", except = ["SAT"])]
async fn never_by_all_of_it() {}

fn main() {}
