use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", scope = every_node, overlap = allow(1), shards = 2, backoff = "1s..60s", catch_up = "1h")]
async fn a() {}

#[scheduled_one(every = "90s", retries = "3", backoff = "1s..60s", misfire = "run_all", catch_up = "1h")]
async fn b() {}

#[scheduled_one(every = "90s", retry = 3, backoff = "1s..60s", lease = "1ms", scope = every_node)]
async fn c() {}

fn main() {}
