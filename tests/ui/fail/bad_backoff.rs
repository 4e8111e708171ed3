use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", retries = 1, backoff = "1s")]
async fn a() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "soon")]
async fn b() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "1s..soon")]
async fn c() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "..60s")]
async fn d() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "60s..1s")]
async fn e() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "1s..367d")]
async fn f() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "1s...60s")]
async fn g() {}

#[scheduled_one(every = "90s", retries = 1, backoff = "")]
async fn h() {}

#[scheduled_one(every = "90s", retries = 1, backoff = 1s..60s)]
async fn i() {}

#[scheduled_one(every = "90s", retries = 1, backoff = 10s)]
async fn j() {}

#[scheduled_one(every = "90s", retries = 1, backoff = 5)]
async fn k() {}

#[scheduled_one(every = "90s", retries = 1, backoff = exponential)]
async fn l() {}

fn main() {}
