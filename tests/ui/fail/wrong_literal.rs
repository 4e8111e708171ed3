use scheduled_one_runtime::scheduled_one;

const EVERY: &str = "90s";

#[scheduled_one(every = 90)]
async fn a() {}

#[scheduled_one(every = EVERY)]
async fn b() {}

#[scheduled_one(every = b"90s")]
async fn c() {}

#[scheduled_one(every = concat!("90", "s"))]
async fn d() {}

#[scheduled_one(every = "90s"s)]
async fn e() {}

#[scheduled_one(every = "90s", name = report)]
async fn f() {}

#[scheduled_one(every = "90s", timeout = true)]
async fn g() {}

#[scheduled_one(every = -1)]
async fn h() {}

fn main() {}
