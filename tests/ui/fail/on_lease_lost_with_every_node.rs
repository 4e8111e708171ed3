use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", on_lease_lost = cancel, scope = every_node)]
async fn a() {}

#[scheduled_one(every = "90s", scope = every_node, on_lease_lost = cancel)]
async fn b() {}

fn main() {}
