use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", timeout_total = "1h")]
async fn a() {}

#[scheduled_one(every = "90s", retries = 0, timeout_total = "1h")]
async fn b() {}

#[scheduled_one(every = "90s", timeout_total = "1h", retries = 0)]
async fn c() {}

fn main() {}
