use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", misfire = run_all, catch_up = "90")]
async fn a() {}

#[scheduled_one(every = "90s", misfire = run_all, catch_up = 60s)]
async fn b() {}

#[scheduled_one(every = "90s", misfire = run_all, catch_up = 60)]
async fn c() {}

#[scheduled_one(every = "90s", misfire = run_all, catch_up = soon)]
async fn d() {}

#[scheduled_one(every = "90s", misfire = run_all, catch_up = "0s")]
async fn e() {}

#[scheduled_one(every = "90s", misfire = run_all, catch_up = "367d")]
async fn f() {}

#[scheduled_one(every = "90s", start_deadline = "90")]
async fn g() {}

#[scheduled_one(every = "90s", start_deadline = 60s)]
async fn h() {}

#[scheduled_one(every = "90s", start_deadline = 60)]
async fn i() {}

#[scheduled_one(every = "90s", start_deadline = soon)]
async fn j() {}

#[scheduled_one(every = "90s", start_deadline = "0s")]
async fn k() {}

#[scheduled_one(every = "90s", start_deadline = "367d")]
async fn l() {}

#[scheduled_one(every = "90s", retries = 1, timeout_total = "90")]
async fn m() {}

#[scheduled_one(every = "90s", retries = 1, timeout_total = 60s)]
async fn n() {}

#[scheduled_one(every = "90s", retries = 1, timeout_total = 60)]
async fn o() {}

#[scheduled_one(every = "90s", retries = 1, timeout_total = soon)]
async fn p() {}

#[scheduled_one(every = "90s", retries = 1, timeout_total = "0s")]
async fn q() {}

#[scheduled_one(every = "90s", retries = 1, timeout_total = "367d")]
async fn r() {}

#[scheduled_one(every = "90s", jitter = "90")]
async fn s() {}

#[scheduled_one(every = "90s", jitter = 60s)]
async fn t() {}

#[scheduled_one(every = "90s", jitter = 60)]
async fn u() {}

#[scheduled_one(every = "90s", jitter = soon)]
async fn v() {}

#[scheduled_one(every = "90s", timeout = "367d")]
async fn w() {}

fn main() {}
