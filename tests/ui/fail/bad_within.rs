use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "@hourly", within = "8-18")]
async fn other_form() {}

#[scheduled_one(cron = "@hourly", within = "08:00-25:00")]
async fn no_time_of_day() {}

#[scheduled_one(cron = "@hourly", within = "24:00-06:00")]
async fn begins_at_the_end() {}

#[scheduled_one(cron = "@hourly", within = "08:00-08:00")]
async fn no_length() {}

#[scheduled_one(cron = "@hourly", within = "00:00-24:00")]
async fn the_whole_day() {}

#[scheduled_one(cron = "@hourly", within = "08:00-12:00, 11:00-18:00")]
async fn overlap() {}

#[scheduled_one(cron = "@hourly", within = "")]
async fn nothing() {}

#[scheduled_one(cron = "0 0 20 * * *", within = "08:00-18:00")]
async fn never() {}

fn main() {}
