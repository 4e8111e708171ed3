use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "@hourly", start = "tomorrow", end = "2026-03-31")]
async fn no_instants() {}

#[scheduled_one(cron = "@hourly", start = "2026-02-30T00:00", end = "2026-03-01T25:00")]
async fn no_dates() {}

#[scheduled_one(cron = "@hourly", tz = "Europe/Berlin", start = "2026-03-29T02:30", end = "2026-10-25T02:30")]
async fn daylight_saving() {}

#[scheduled_one(cron = "@hourly", start = "2026-03-01T00:00", end = "2026-03-01T00:00")]
async fn nothing_between() {}

#[scheduled_one(every = "1h", start = "2026-03-01T00:01", end = "2026-03-01T00:59")]
async fn no_tick_between() {}

#[scheduled_one(cron = "@hourly", start = 2026)]
async fn no_text() {}

fn main() {}
