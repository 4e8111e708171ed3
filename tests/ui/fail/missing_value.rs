use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every)]
async fn a() {}

#[scheduled_one(every =)]
async fn b() {}

#[scheduled_one(every("90s"))]
async fn c() {}

#[scheduled_one(cron "0 0 9 * * *")]
async fn d() {}

#[scheduled_one(every = "90s", lease)]
async fn e() {}

fn main() {}
