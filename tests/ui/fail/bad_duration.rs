use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90")]
async fn a() {}

#[scheduled_one(every = "90 secs")]
async fn b() {}

#[scheduled_one(every = "1.5h")]
async fn c() {}

#[scheduled_one(every = "90s", offset = "")]
async fn d() {}

#[scheduled_one(every = "90s", lease = "5sec")]
async fn e() {}

#[scheduled_one(every = "90s", timeout = "soon")]
async fn f() {}

fn main() {}
