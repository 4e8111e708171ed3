use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", on_lease_lost = "finish")]
async fn a() {}

#[scheduled_one(every = "90s", on_lease_lost = finnish)]
async fn b() {}

#[scheduled_one(every = "90s", on_lease_lost = continue)]
async fn c() {}

#[scheduled_one(every = "90s", on_lease_lost = cancel(1))]
async fn d() {}

#[scheduled_one(every = "90s", on_lease_lost = false)]
async fn e() {}

#[scheduled_one(every = "90s", on_lease_lost = "no")]
async fn f() {}

fn main() {}
