use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", retries = 1, timeout = "2h", timeout_total = "1h")]
async fn a() {}

#[scheduled_one(every = "90s", timeout_total = "1h", timeout = "2h", retries = 1)]
async fn b() {}

fn main() {}
