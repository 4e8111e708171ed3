use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 9 * * *" tz = "UTC")]
async fn a() {}

#[scheduled_one(every = "90s", overlap = skip misfire = skip)]
async fn b() {}

#[scheduled_one(every = "90s", overlap = queue_all(3) misfire = skip)]
async fn c() {}

#[scheduled_one(every = "90s", retries = 3 retry_on = [error] timeout = "1s")]
async fn d() {}

#[scheduled_one(every = "90s", retries = 3, retry_on(error) timeout = "1s")]
async fn e() {}

fn main() {}
