use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", retry_on = [error])]
async fn a() {}

#[scheduled_one(every = "90s", retries = 0, retry_on = [error])]
async fn b() {}

#[scheduled_one(every = "90s", retry_on = [error], retries = 0)]
async fn c() {}

fn main() {}
