use scheduled_one_runtime::scheduled_one;

#[scheduled_one("0 0 9 * * *")]
async fn a() {}

#[scheduled_one("90s")]
async fn b() {}

#[scheduled_one(90)]
async fn c() {}

#[scheduled_one(every = "90s", = 3)]
async fn d() {}

fn main() {}
