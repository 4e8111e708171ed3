use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", lease = "5s", scope = every_node)]
async fn a() {}

#[scheduled_one(every = "90s", scope = every_node, lease = "5s")]
async fn b() {}

fn main() {}
