use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", foo = "bar")]
async fn a() {}

#[scheduled_one(corn = "0 0 9 * * *")]
async fn b() {}

#[scheduled_one(cron = "0 0 9 * * *", timezone = "UTC")]
async fn c() {}

#[scheduled_one(every = "90s", foo::bar = 1)]
async fn d() {}

#[scheduled_one(every = "90s", foo(bar))]
async fn e() {}

#[scheduled_one(every = "90s", max_retries = 3)]
async fn f() {}

#[scheduled_one(every = "90s", on_node_lost = record)]
async fn g() {}

#[scheduled_one(every = "90s", concurrency_policy = "Forbid")]
async fn h() {}

fn main() {}
