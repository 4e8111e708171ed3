use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", route = "spread")]
async fn a() {}

#[scheduled_one(every = "90s", route = round_robin)]
async fn b() {}

#[scheduled_one(every = "90s", route = busyover)]
async fn c() {}

#[scheduled_one(every = "90s", scope = every_node, route = least_loaded)]
async fn d() {}

#[scheduled_one(every = "90s", route = on("gpu"))]
async fn e() {}

fn main() {}
