use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", backoff = "1s..60s")]
async fn a() {}

#[scheduled_one(every = "90s", retries = 0, backoff = "1s..60s")]
async fn b() {}

#[scheduled_one(every = "90s", backoff = "1s..60s", retries = 0)]
async fn c() {}

fn main() {}
