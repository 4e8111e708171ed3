use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", retries = "3")]
async fn a() {}

#[scheduled_one(every = "90s", retries = "three")]
async fn b() {}

#[scheduled_one(every = "90s", retries = -1)]
async fn c() {}

#[scheduled_one(every = "90s", retries = 3.5)]
async fn d() {}

#[scheduled_one(every = "90s", retries = 3u32)]
async fn e() {}

#[scheduled_one(every = "90s", retries = MANY)]
async fn f() {}

#[scheduled_one(every = "90s", retries = 101)]
async fn g() {}

#[scheduled_one(every = "90s", retries = 99999999999)]
async fn h() {}

#[scheduled_one(every = "90s", retries = true)]
async fn i() {}

#[scheduled_one(every = "90s", retries = [3])]
async fn j() {}

#[scheduled_one(every = "90s", retries(3))]
async fn k() {}

fn main() {}
