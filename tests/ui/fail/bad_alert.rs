use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", alert = 3)]
async fn a() {}

#[scheduled_one(every = "90s", alert())]
async fn b() {}

#[scheduled_one(every = "90s", alert(faild = 3))]
async fn c() {}

#[scheduled_one(every = "90s", alert(failed = "3", no_success = 26, lost = 1, runbook = wiki))]
async fn d() {}

#[scheduled_one(every = "90s", alert(failed = 3, failed = 4))]
async fn e() {}

#[scheduled_one(every = "90s", alert(failed))]
async fn f() {}

#[scheduled_one(every = "90s", alert(no_success = "26 hours"))]
async fn g() {}

#[scheduled_one(every = "90s", alert(runbook = "wiki/nightly"))]
async fn h() {}

#[scheduled_one(every = "90s", alert(3))]
async fn i() {}

#[scheduled_one(every = "90s", alert(missed = 5000))]
async fn j() {}

#[scheduled_one(every = "90s", alert(everything = true))]
async fn k() {}

fn main() {}
