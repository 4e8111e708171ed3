use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", enabled = "false")]
async fn a() {}

#[scheduled_one(every = "90s", enabled = "no")]
async fn b() {}

#[scheduled_one(every = "90s", enabled = no)]
async fn c() {}

#[scheduled_one(every = "90s", enabled = 0)]
async fn d() {}

#[scheduled_one(every = "90s", enabled = cfg!(debug_assertions))]
async fn e() {}

#[scheduled_one(every = "90s", enabled = True)]
async fn f() {}

fn main() {}
