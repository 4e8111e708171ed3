use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", on_lease_lost = finish, on_node_loss = rerun(1))]
async fn a() {}

#[scheduled_one(every = "90s", on_node_loss = rerun(1), on_lease_lost = finish)]
async fn b() {}

fn main() {}
