use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", on_node_loss = record, scope = every_node)]
async fn a() {}

#[scheduled_one(every = "90s", scope = every_node, on_node_loss = record)]
async fn b() {}

fn main() {}
